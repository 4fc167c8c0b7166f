"""Getting a client's certificate by a token, for a key that never leaves the machine that uses it.

Law: the coordinator's authority is held against the token's hash before anything is said; what comes back must be for
the key that was made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import Credentials, Identity, Role
from lepton_edge.core.joining import Joined, JoinRequest, fingerprint
from lepton_edge.core.version import __version__
from lepton_edge.security import certificates
from lepton_edge.security.tokens import Token
from lepton_edge.wire import front, introduction
from lepton_edge.wire.tls import Trust

SHORTEST, LONGEST = 0.2, 60.0  # seconds between two questions whether a person has approved


async def join(
    address: str, token: Token, name: str, tell: Callable[[str], None]
) -> tuple[Identity, Credentials]:
    """Return whom a new key is for, and the key with its certificate; waits to be approved where that must be.

    Raises:
        Unauthenticated: the coordinator is not the token's, or the token does not count, or is for devices.
        Unavailable: nobody answers. AlreadyExists: the name is another's.
    """
    authority = certificates.pinned(await front.authority_at(address), token.authority)
    key = certificates.new_key()
    asked = JoinRequest(token.id, token.secret, certificates.request(key, name), name, "", __version__)
    joined = await _let_in(address, introduction.believing(authority), asked, tell)
    found = certificates.read(joined.certificate)
    own = certificates.key_hash(certificates.read_key(key).public_key())
    if found.key != own or found.identity.role not in (Role.CLIENT, Role.ADMIN):
        raise Unauthenticated(
            "the certificate that came is not for this client",
            "make a token for one: lepton-edge token create --role client --model NAME",
        )
    made = Credentials(joined.authority, joined.certificate, key)
    Trust(made)  # or it is not for this key, or no certificate
    return found.identity, made


async def _let_in(address: str, authority: Trust, asked: JoinRequest, tell: Callable[[str], None]) -> Joined:
    told = False
    while True:
        async with introduction.introduced(address, authority) as stub:
            joined = await stub.join(asked)
        if not joined.pending:
            return joined
        if not told:
            own = fingerprint(certificates.key_hash(certificates.requested_key(asked.request)))
            tell(f"waiting to be approved: lepton-edge device approve {asked.name} --fingerprint {own}")
        told = True
        await asyncio.sleep(min(max(joined.retry_after, SHORTEST), LONGEST))
