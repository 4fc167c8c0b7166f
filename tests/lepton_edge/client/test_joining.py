"""A client's key is made where it is used, and only what belongs to it is kept."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lepton_edge.client import joining
from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import Credentials, Identity, Role
from lepton_edge.core.joining import Joined, JoinRequest
from lepton_edge.security import certificates
from lepton_edge.security.authority import Authority
from lepton_edge.security.tokens import Token
from lepton_edge.wire import front, introduction
from lepton_edge.wire.tls import Trust
from partitioner.units import Seconds

NOW = Seconds(time.time())
AUTHORITY = Authority.make(NOW)
APP = Identity(Role.CLIENT, "app", ("small",))


class Gate:
    """A coordinator that takes whoever comes for `who`, once a person has approved."""

    def __init__(self, who: Identity, key: Any = None) -> None:
        self.who, self.key = who, key
        self.asked: list[JoinRequest] = []

    async def join(self, request: JoinRequest, peer: Any) -> Joined:
        self.asked.append(request)
        if len(self.asked) == 1:
            return Joined(pending=True, retry_after=Seconds(0.0))
        key = self.key or certificates.requested_key(request.request)
        return Joined(AUTHORITY.issue(self.who, key, NOW).certificate, AUTHORITY.certificate)

    async def renew(self, request: Any, peer: Any) -> Joined:
        raise AssertionError


async def joined(gate: Gate, authority: str, told: list[str]) -> tuple[Identity, Credentials]:
    own = AUTHORITY.credentials(Identity(Role.COORDINATOR, "c"), NOW)[0]
    port, address = await front.open_port("127.0.0.1:0", introduction.join_handlers(gate), trust=Trust(own))
    try:
        return await joining.join(address, Token(authority, "id", "secret"), "app", told.append)
    finally:
        await port.stop(None)


async def test_it_waits_for_a_person_and_keeps_its_own_key() -> None:
    gate, told = Gate(APP), list[str]()
    who, made = await joined(gate, AUTHORITY.fingerprint, told)
    assert (who.name, who.models) == ("app", ("small",))
    own = certificates.key_hash(certificates.requested_key(gate.asked[0].request))[:8].upper()
    assert told == [f"waiting to be approved: lepton-edge device approve app --fingerprint {own}"]
    assert all(made.key not in one.request for one in gate.asked), "the key does not travel"
    Trust(made)


@pytest.mark.parametrize(
    "gate",
    [
        Gate(Identity(Role.AGENT, "app")),
        Gate(APP, certificates.read_key(certificates.new_key()).public_key()),
    ],
    ids=["a device's", "another key's"],
)
async def test_a_certificate_that_is_not_for_it_is_not_kept(gate: Gate) -> None:
    with pytest.raises(Unauthenticated, match="not for this client"):
        await joined(gate, AUTHORITY.fingerprint, [])


async def test_another_coordinator_hears_no_secret() -> None:
    gate = Gate(APP)
    with pytest.raises(Unauthenticated):
        await joined(gate, "0" * 64, [])
    assert gate.asked == []
