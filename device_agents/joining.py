"""How this device becomes one of a coordinator's: what it says to join, what it keeps, when it renews.

Law: knows the wire's introduction and the keyring; decides nothing about requests. The private key is made here and
never leaves; the token's secret is said only to who has shown the authority that the token names. What is asked twice,
since an answer was lost or is yet to be approved, is asked with the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

import structlog

from device_agents.fingerprint import fingerprint
from device_agents.membership import KEY_FILE, Membership, keep
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import InvalidInput, NotFound, StorageFull, Unauthenticated
from lepton_edge.core.identity import Credentials, Identity, Role, credentials_of
from lepton_edge.core.joining import Joined, JoinRequest, RenewRequest
from lepton_edge.core.version import __version__
from lepton_edge.security import certificates
from lepton_edge.security.keyring import Keyring
from lepton_edge.security.tokens import Token
from lepton_edge.wire import front, introduction
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("agent")

NEW_KEY_FILE, REVOKED_FILE = "joining.pem", "revoked.json"
LOOK = Seconds(60.0)  # between two looks at the time: clocks of boards are set while they run
FIRST_PAUSE, LONGEST_PAUSE = Seconds(1.0), Seconds(300.0)
MOST_REVOKED = 20_000
JOIN_FIRST = "join: lepton-edge agent join HOST:PORT --token LE1... (lepton-edge token create makes one)"


async def join(config: AgentConfig, token: Token, tell: Callable[[str], None]) -> Identity:
    """Get a certificate for this device, keep it, and return whom it names; waits to be approved where that must be.

    Raises:
        Unauthenticated: the coordinator is not the token's, or the token does not count.
        Unavailable: nobody answers. AlreadyExists: the name is another device's. StorageFull: nothing can be kept.
    """
    keys, name = Keyring(config.state_directory), config.name
    told = await front.authority_at(config.coordinator)
    authority = certificates.pinned(told, token.authority)
    key = _new_key(keys)
    request, machine = certificates.request(key, name), fingerprint(config.machine)
    asked = JoinRequest(token.id, token.secret, request, name, machine, __version__)
    joined = await _let_in(config.coordinator, authority, asked, tell)
    identity = _keep(keys, Credentials(joined.authority, joined.certificate, key), name)
    keep(config.state_directory, Membership(config.coordinator, name, config.role))
    keys.remove(NEW_KEY_FILE)
    return identity


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
            tell(f"waiting to be approved: lepton-edge device approve {asked.name}")
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
    return facts.identity


def trust_of(config: AgentConfig) -> Trust | None:
    """Return what this agent shows and believes; None where it runs in the open.

    Raises:
        Unauthenticated: it has not joined.
    """
    if not config.secure:
        return None
    keys = Keyring(config.state_directory)
    if not keys.has(KEY_FILE):
        raise Unauthenticated(
            f"{config.name!r} has not joined a coordinator", f"{JOIN_FIRST}; or run with --insecure"
        )
    return Trust(credentials_of(keys.read(KEY_FILE)), _serials(keys))


def _serials(keys: Keyring) -> list[int]:
    try:
        return [int(serial, 16) for serial in json.loads(keys.read(REVOKED_FILE))]
    except (NotFound, ValueError, TypeError):  # none yet, or half of it: the coordinator tells it again
        return []


class Member:
    """This agent as one of a coordinator's: it forgets whom not to believe at no restart, and renews in time."""

    def __init__(self, config: AgentConfig, trust: Trust) -> None:
        self._keys, self._name, self._trust = Keyring(config.state_directory), config.name, trust
        self.machine = fingerprint(config.machine)

    def revoke(self, serials: tuple[str, ...]) -> None:
        """Believe these certificates no more, now and after a restart."""
        known = [serial for serial in serials[:MOST_REVOKED] if _is_serial(serial)]
        self._trust.revoke([int(serial, 16) for serial in known])
        try:
            self._keys.write(REVOKED_FILE, json.dumps(known).encode())
        except StorageFull as error:
            log.warning("who is revoked is not kept over a restart", error=str(error))

    async def keep_fresh(self, address: Callable[[], str]) -> None:
        """Renew at two thirds of the certificate's life, and again until it works; `address` is the coordinator's."""
        pause = FIRST_PAUSE
        while True:
            facts = certificates.read(self._trust.credentials.certificate)
            left = facts.renew_at() - time.time()
            if left > 0:
                await asyncio.sleep(min(left, LOOK))
                continue
            try:
                await self._renew(address())
                pause = FIRST_PAUSE
            except LeptonError as error:
                log.warning("the certificate is not renewed yet", until=facts.ends, error=str(error))
                life = Seconds(facts.ends - facts.begins)
                await asyncio.sleep(min(pause, max(life / 100, 0.2)))
                pause = min(Seconds(pause * 2), LONGEST_PAUSE)

    async def _renew(self, address: str) -> None:
        if not address:
            raise NotFound("no coordinator was found yet", "it is needed to renew a certificate")
        key = certificates.new_key()
        asked = RenewRequest(certificates.request(key, self._name), self.machine)
        async with introduction.introduced(address, self._trust) as stub:
            joined = await stub.renew(asked)
        credentials = Credentials(joined.authority, joined.certificate, key)
        _keep(self._keys, credentials, self._name)
        self._trust.renew(credentials)
        log.info("the certificate is renewed", until=certificates.read(joined.certificate).ends)


def _is_serial(text: str) -> bool:
    return 0 < len(text) <= 40 and all(letter in "0123456789abcdef" for letter in text)
