"""How this device becomes one of a coordinator's, and stays so: what it says to join and to renew, and what it keeps.

Law: knows the wire's introduction and the keyring; runs beside an agent, never in its process, where what signs would
take ten megabytes for good. The private key is made here and never leaves; the token's secret is said only to who has
shown the authority that the token names. What is asked twice, since an answer was lost or is yet to be approved, is
asked with the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

from device_agents.fingerprint import fingerprint
from device_agents.membership import KEY_FILE, Membership, keep, keep_life
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import InvalidInput, Unauthenticated
from lepton_edge.core.identity import Credentials, Identity, Role, credentials_of
from lepton_edge.core.joining import Joined, JoinRequest, RenewRequest
from lepton_edge.core.joining import fingerprint as digits_of
from lepton_edge.core.version import __version__
from lepton_edge.security import certificates, proving
from lepton_edge.security.keyring import Keyring
from lepton_edge.security.tokens import Token
from lepton_edge.wire import front, introduction
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError

NEW_KEY_FILE = "joining.pem"
CLOCKS_DIFFER = (
    86400.0  # seconds by which this clock may be behind the one that finds a certificate to have ended
)


async def join(
    config: AgentConfig, token: Token, tell: Callable[[str], None], *, replace: bool = False
) -> Identity:
    """Get a certificate for this device, keep it, and return whom it names; waits to be approved where that must be.

    With `replace` an agent of this machine and name that is connected loses its place.

    Raises:
        Unauthenticated: the coordinator is not the token's, or the token does not count.
        Unavailable: nobody answers. StorageFull: nothing can be kept.
        AlreadyExists: the name is another device's, or that of an agent which is connected.
    """
    keys, name = Keyring(config.state_directory), config.name
    told = await front.authority_at(config.coordinator)
    authority = certificates.pinned(told, token.authority)
    key = _new_key(keys)
    request, machine = certificates.request(key, name), fingerprint(config.machine)
    held = _held(keys, name)
    asked = JoinRequest(token.id, token.secret, request, name, machine, __version__, replace, held)
    joined = await _let_in(config.coordinator, authority, asked, tell)
    if joined.replaced:
        tell(joined.replaced)
    identity = _keep(keys, Credentials(joined.authority, joined.certificate, key), name)
    keep(config.state_directory, Membership(config.coordinator, name, config.role))
    keys.remove(NEW_KEY_FILE)
    return identity


def _held(keys: Keyring, name: str) -> str:
    """Return the serial of the certificate by which this device is `name` already; "" for none."""
    if not keys.has(KEY_FILE):
        return ""
    with contextlib.suppress(InvalidInput, Unauthenticated):
        found = certificates.read(credentials_of(keys.read(KEY_FILE)).certificate).identity
        return f"{found.serial:x}" if found.name == name else ""
    return ""


def _new_key(keys: Keyring) -> bytes:
    """Return the key to join with: one that was made and not yet let in, if there is one."""
    if keys.has(NEW_KEY_FILE):
        with contextlib.suppress(InvalidInput):
            key = keys.read(NEW_KEY_FILE)
            certificates.read_key(key)
            return key
    key = certificates.new_key()
    keys.write(NEW_KEY_FILE, key)
    return key


async def _let_in(address: str, authority: bytes, asked: JoinRequest, tell: Callable[[str], None]) -> Joined:
    waits = False
    while True:
        async with introduction.introduced(address, introduction.believing(authority)) as stub:
            joined = await stub.join(asked)
        if not joined.pending:
            return joined
        if not waits:
            own = digits_of(certificates.key_hash(certificates.requested_key(asked.request)))
            tell(f"waiting to be approved: lepton-edge device approve {asked.name} --fingerprint {own}")
        waits = True
        await asyncio.sleep(min(max(joined.retry_after, 0.2), 60.0))


def _keep(keys: Keyring, credentials: Credentials, name: str) -> Identity:
    """Keep credentials that fit together and are this device's; return whom they name."""
    facts = certificates.read(credentials.certificate)
    own = certificates.key_hash(certificates.read_key(credentials.key).public_key())
    if facts.key != own or facts.identity.role is not Role.AGENT or facts.identity.name != name:
        raise Unauthenticated(
            "the certificate that came is not for this device", "is the token one for agents?"
        )
    Trust(credentials)  # or it is not for this key, or no certificate
    keys.write(KEY_FILE, credentials.pem())
    keep_life(keys, facts.begins, facts.ends)
    return facts.identity


async def renew(state_directory: Path, address: str, name: str, machine: str) -> None:
    """Get another certificate, for a new key, with the one that is kept, and keep it instead.

    One that has ended is refused by TLS: then it is shown in the request, with a proof that its key is held here.

    Raises:
        Unavailable: the coordinator is away. Unauthenticated, PermissionDenied: it gives none.
    """
    keys = Keyring(state_directory)
    key, held = certificates.new_key(), credentials_of(keys.read(KEY_FILE))
    asked = RenewRequest(certificates.request(key, name), machine)
    try:
        joined = await _renewed(address, Trust(held), asked)
    except Unauthenticated:
        if time.time() < certificates.read(held.certificate).ends - CLOCKS_DIFFER:
            raise
        late = dataclasses.replace(
            asked, certificate=held.certificate, proof=proving.prove(held.key, asked.request)
        )
        joined = await _renewed(address, introduction.believing(held.authority), late)
    _keep(keys, Credentials(joined.authority, joined.certificate, key), name)


async def _renewed(address: str, trust: Trust, asked: RenewRequest) -> Joined:
    async with introduction.introduced(address, trust) as stub:
        return await stub.renew(asked)


def main(arguments: list[str]) -> int:
    """Renew in a process of its own, which an agent starts: what signs is not to stay in its memory."""
    directory, address, name, machine = arguments
    try:
        asyncio.run(renew(Path(directory), address, name, machine))
    except LeptonError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
