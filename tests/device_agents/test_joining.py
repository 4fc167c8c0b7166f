"""A device joins over a real port: it sends nothing before it knows to whom, keeps its key, and renews in time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_agents import joining
from device_agents.membership import KEY_FILE, life, membership
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import Unauthenticated, Unavailable
from lepton_edge.core.identity import Credentials, Identity, Role, credentials_of
from lepton_edge.core.joining import Joined, JoinRequest, RenewRequest
from lepton_edge.security import certificates, proving
from lepton_edge.security.authority import Authority
from lepton_edge.security.keyring import Keyring
from lepton_edge.security.tokens import Token
from lepton_edge.wire import front, introduction
from lepton_edge.wire.rpc import PeerContext
from lepton_edge.wire.tls import Trust
from partitioner.units import Seconds

TOKEN = ("ab" * 6, "s" * 43)


class Coordinator:
    """Gives a certificate to whoever has the secret, for `life` seconds."""

    def __init__(self, life: float = 3600.0) -> None:
        self.life, self.clock = life, time.time
        self.authority = Authority.make(Seconds(time.time()))
        self.asked: list[JoinRequest] = []
        self.renewed: list[PeerContext] = []
        self.pending = 0
        self.replaced = ""
        self.serials: list[int] = []

    async def join(self, request: JoinRequest, peer: PeerContext) -> Joined:
        self.asked.append(request)
        if request.secret != TOKEN[1]:
            raise Unauthenticated("no such token is valid here", "make another")
        if self.pending:
            self.pending -= 1
            return Joined(pending=True, retry_after=Seconds(0.01))
        return self._issued(request.request, request.name)

    async def renew(self, request: RenewRequest, peer: PeerContext) -> Joined:
        self.renewed.append(peer)
        if peer.identity is not None:
            return self._issued(request.request, peer.identity.name)
        if not proving.is_proven(request.certificate, request.request, request.proof):
            raise Unauthenticated("nobody", "join")
        return self._issued(request.request, certificates.read(request.certificate).identity.name)

    def _issued(self, request: bytes, name: str) -> Joined:
        key = certificates.requested_key(request)
        who = Identity(Role.AGENT, name)
        issued = self.authority.issue(who, key, Seconds(self.clock()), Seconds(self.life))
        self.serials.append(issued.facts.identity.serial)
        return Joined(issued.certificate, self.authority.certificate, replaced=self.replaced)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        own, _ = self.authority.credentials(Identity(Role.COORDINATOR, "c"), Seconds(self.clock()))
        port, address = await front.open_port(
            "127.0.0.1:0", introduction.join_handlers(self), trust=Trust(own)
        )
        try:
            yield address
        finally:
            await port.stop(0)

    def token(self, secret: str = TOKEN[1]) -> Token:
        return Token(self.authority.fingerprint, TOKEN[0], secret)


def agent(directory: Path, address: str) -> AgentConfig:
    return AgentConfig(directory, "board", "pi", address, secure=True, machine="here")


async def test_it_joins_and_its_key_stays_here(tmp_path: Path) -> None:
    coordinator = Coordinator()
    async with coordinator.running() as address:
        identity = await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
    assert (identity.role, identity.name) == (Role.AGENT, "pi")
    kept = Keyring(tmp_path).path(KEY_FILE)
    assert kept.stat().st_mode & 0o777 == 0o600
    key = credentials_of(kept.read_bytes()).key
    assert key not in coordinator.asked[0].request
    found = membership(tmp_path)
    assert found is not None
    assert (found.coordinator, found.role) == (address, "board")
    assert len(coordinator.asked[0].machine) == 64


async def test_a_certificate_that_has_ended_is_renewed_by_proving_that_its_key_is_here(
    tmp_path: Path,
) -> None:
    """TLS refuses it: what TLS would have shown is said instead, to a coordinator that is verified."""
    coordinator = Coordinator()
    async with coordinator.running() as address:
        coordinator.clock = lambda: time.time() - 2 * 3600
        await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
        assert life(Keyring(tmp_path))[1] < time.time()
        coordinator.clock = time.time
        await joining.renew(tmp_path, address, "pi", "here")
    assert [one.identity for one in coordinator.renewed] == [None]
    assert life(Keyring(tmp_path))[1] > time.time()


async def test_somebody_in_between_learns_nothing(tmp_path: Path) -> None:
    coordinator, between = Coordinator(), Coordinator()
    async with between.running() as address:
        with pytest.raises(Unauthenticated, match="nothing was sent"):
            await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
    assert between.asked == []
    assert membership(tmp_path) is None


async def test_who_only_shows_the_right_authority_learns_nothing_either(tmp_path: Path) -> None:
    """It can be copied by anybody; the certificate of the port is by another."""
    coordinator, between = Coordinator(), Coordinator()
    own, _ = between.authority.credentials(Identity(Role.COORDINATOR, "c"), Seconds(between.clock()))
    both = Credentials(
        coordinator.authority.certificate + between.authority.certificate, own.certificate, own.key
    )
    port, address = await front.open_port(
        "127.0.0.1:0", introduction.join_handlers(between), trust=Trust(both)
    )
    with pytest.raises((Unauthenticated, Unavailable)):
        await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
    await port.stop(0)
    assert between.asked == []


async def test_an_agent_is_no_coordinator(tmp_path: Path) -> None:
    """A stolen agent's key answers at a port of its own: its certificate is the right authority's."""
    coordinator = Coordinator()
    stolen, _ = coordinator.authority.credentials(Identity(Role.AGENT, "pi"), Seconds(coordinator.clock()))
    port, address = await front.open_port(
        "127.0.0.1:0", introduction.join_handlers(coordinator), trust=Trust(stolen)
    )
    with pytest.raises((Unauthenticated, Unavailable)):
        await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
    await port.stop(0)
    assert coordinator.asked == []


async def test_what_is_refused_is_asked_again_with_the_same_key(tmp_path: Path) -> None:
    coordinator = Coordinator()
    async with coordinator.running() as address:
        for secret in ("wrong" * 8, TOKEN[1]):
            with contextlib.suppress(Unauthenticated):
                await joining.join(agent(tmp_path, address), coordinator.token(secret), lambda line: None)
    one, two = (
        certificates.key_hash(certificates.requested_key(asked.request)) for asked in coordinator.asked
    )
    assert one == two
    assert not Keyring(tmp_path).has(joining.NEW_KEY_FILE)


async def test_it_waits_for_a_person_and_says_so_once(tmp_path: Path) -> None:
    coordinator = Coordinator()
    coordinator.pending = 3
    said: list[str] = []
    async with coordinator.running() as address:
        await joining.join(agent(tmp_path, address), coordinator.token(), said.append)
    assert len(coordinator.asked) == 4
    key = certificates.key_hash(certificates.requested_key(coordinator.asked[0].request))
    assert said == [f"waiting to be approved: lepton-edge device approve pi --fingerprint {key[:8].upper()}"]


async def test_whose_place_was_taken_is_said_and_a_second_join_names_its_own_certificate(
    tmp_path: Path,
) -> None:
    coordinator, said = Coordinator(), []
    async with coordinator.running() as address:
        await joining.join(agent(tmp_path, address), coordinator.token(), said.append)
        coordinator.replaced = "the certificate of an earlier join is revoked"
        await joining.join(agent(tmp_path, address), coordinator.token(), said.append, replace=True)
    first, second = coordinator.asked
    assert (first.held, first.replace) == ("", False)
    assert (second.held, second.replace) == (f"{coordinator.serials[0]:x}", True)
    assert said == [coordinator.replaced]
