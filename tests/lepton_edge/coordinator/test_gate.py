"""The gate lets in whom a token, a certificate and a person let in, and shuts out at once, whatever happens between."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import gate as room
from lepton_edge.coordinator import members
from lepton_edge.coordinator.gate import Ears, Gate, Terms
from lepton_edge.coordinator.store import Store
from lepton_edge.coordinator.vault import Vault
from lepton_edge.core.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    StorageFull,
    Unauthenticated,
)
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.joining import JoinRequest, RenewRequest
from lepton_edge.core.messages import Hardware, Hello, ListDevices
from lepton_edge.security import certificates
from lepton_edge.security.authority import LEAF_LIFE
from lepton_edge.wire.rpc import PeerContext

STRANGER = PeerContext("10.0.0.9:4711")
HERE, THERE = "aa" * 32, "bb" * 32


class Kept:
    """A gate whose clock is set by hand, on a real store, and what it told."""

    def __init__(self, directory: Path, **terms: Any) -> None:
        self.directory, self.now, self.full = directory, 1_000_000_000.0, False
        self.store = Store(directory)
        self.told: list[Any] = []
        self.gate = Gate(directory, Vault(self.store), self.on_disk, Terms(**terms), lambda: self.now)
        self.attached = ""
        self.replaced: list[Any] = []
        self.gate.ears = Ears(self.revoked, self.suspected, lambda device: self.attached, self.was_replaced)

    async def on_disk(self, function: Any, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        if self.full:
            raise StorageFull("full", "free some")
        return function(*arguments)

    async def revoked(self, serials: Any, device: Any) -> None:
        self.told.append((serials, device))

    async def suspected(self, device: Any, why: str) -> None:
        self.told.append((device, why))

    async def token(self, uses: int = 1, role: Role = Role.AGENT, **more: Any) -> Any:
        return await self.gate.make_token(60.0, uses, role, **more)  # type: ignore[arg-type]

    async def was_replaced(self, device: Any, what: str) -> None:
        self.replaced.append((device, what))

    async def join(
        self, token: Any, name: str = "pi", key: bytes = b"", machine: str = HERE, **more: Any
    ) -> Any:
        asked = certificates.request(key or certificates.new_key(), "whoever")
        return await self.gate.join(
            JoinRequest(token.id, token.secret, asked, name, machine, **more), STRANGER
        )

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    made = Kept(tmp_path)
    yield made
    made.close()


def shown(joined: Any) -> PeerContext:
    return PeerContext("10.0.0.9:4711", certificates.read(joined.certificate).identity, sealed=True)


def hello(name: str = "pi", machine: str = HERE) -> Hello:
    hardware = Hardware("", "", 1, 1, 1, "", (), "")  # type: ignore[arg-type]
    return Hello(name, "board", "i", "0", 1, 1, hardware, (), 1.0, machine=machine)  # type: ignore[arg-type]


async def test_one_use_of_a_token_lets_one_key_in_under_one_name(kept: Kept) -> None:
    token, key = await kept.token(uses=1), certificates.new_key()
    await kept.join(token, "pi", key)
    await kept.join(token, "pi", key)  # its answer was lost
    with pytest.raises(Unauthenticated, match="was used 1 times"):
        await kept.join(token, "pi2", key)


async def test_a_clients_token_takes_no_administrators_name(kept: Kept) -> None:
    token = await kept.token(2, Role.CLIENT, models=("net",))
    with pytest.raises(AlreadyExists, match="admin 'local' is known"):
        await kept.join(token, "local")


async def test_a_client_that_joins_again_revokes_its_own_key_alone(kept: Kept) -> None:
    token = await kept.token(2, Role.CLIENT, models=("net",))
    await kept.join(token, "pat")
    asked = certificates.request(certificates.new_key(), "pat")
    await kept.gate.sign(Identity(Role.ADMIN, "pat"), asked, LEAF_LIFE, "a person")
    await kept.gate.revoke(Role.CLIENT, "pat", keep="another")
    counting = {one.role for one in kept.gate.certificates.values() if one.name == "pat" and not one.revoked}
    assert counting == {"admin"}


async def test_nor_does_it_have_one_key_wait_under_several(tmp_path: Path) -> None:
    kept = Kept(tmp_path, approve=True)
    token, key = await kept.token(uses=1), certificates.new_key()
    await kept.join(token, "pi", key)
    with pytest.raises(Unauthenticated, match="was used 1 times"):
        await kept.join(token, "pi2", key)
    assert list(kept.gate.waiting.known) == ["pi"]
    kept.close()


async def test_a_token_gives_a_certificate_for_that_name_and_no_other(kept: Kept) -> None:
    joined = await kept.join(await kept.token())
    who = certificates.read(joined.certificate).identity
    assert (who.role, who.name) == (Role.AGENT, "pi")
    assert joined.authority == kept.gate.authority.certificate
    await kept.gate.check_agent(hello(), shown(joined))
    with pytest.raises(PermissionDenied):
        await kept.gate.check_agent(hello("other"), shown(joined))
    with pytest.raises(Unauthenticated):
        await kept.gate.check_agent(hello(), STRANGER)


@pytest.mark.parametrize("uses", [1, 3])
async def test_however_many_come_at_once_no_more_are_let_in(kept: Kept, uses: int) -> None:
    token = await kept.token(uses)
    came = await asyncio.gather(*(kept.join(token, f"pi-{n}") for n in range(8)), return_exceptions=True)
    refused = [one for one in came if isinstance(one, Unauthenticated)]
    assert len(came) - len(refused) == uses
    assert kept.gate.tokens[token.id].left == 0


async def test_who_lost_the_answer_asks_again_with_the_same_key(kept: Kept) -> None:
    token, key = await kept.token(), certificates.new_key()
    await kept.join(token, key=key)
    assert (await kept.join(token, key=key)).certificate
    with pytest.raises(Unauthenticated, match="was used"):
        await kept.join(token)


async def test_a_full_disk_lets_nobody_in_and_uses_no_token_up(kept: Kept) -> None:
    token = await kept.token()
    kept.full = True
    with pytest.raises(StorageFull):
        await kept.join(token)
    kept.full = False
    assert kept.gate.tokens[token.id].left == 1
    assert await kept.join(token)


async def test_a_name_is_its_owners_until_he_is_shut_out(kept: Kept) -> None:
    await kept.join(await kept.token())
    with pytest.raises(AlreadyExists, match="device revoke"):
        await kept.join(await kept.token(), machine=THERE)
    with pytest.raises(AlreadyExists):
        await kept.join(await kept.token(), machine="")
    await kept.gate.revoke(Role.AGENT, "pi")
    assert await kept.join(await kept.token(), machine=THERE)


async def test_a_machine_that_is_installed_anew_takes_its_name_again_and_its_old_key_ends(kept: Kept) -> None:
    before = shown(await kept.join(await kept.token()))
    assert await kept.join(await kept.token())
    assert before.identity is not None
    assert kept.gate.revoked() == (f"{before.identity.serial:x}",)
    assert kept.told == [(kept.gate.revoked(), "")], "others hear of it, and the device is not shut out"


async def test_a_certificate_on_another_machine_is_refused_and_told_once_in_a_while(kept: Kept) -> None:
    joined = shown(await kept.join(await kept.token()))
    for _ in range(3):
        with pytest.raises(PermissionDenied, match="another machine"):
            await kept.gate.check_agent(hello(machine=THERE), joined)
    assert [device for device, _ in kept.told] == ["pi"]
    with pytest.raises(PermissionDenied):
        await kept.gate.renew(RenewRequest(certificates.request(certificates.new_key(), "pi"), THERE), joined)


async def test_an_agent_that_is_attached_is_not_ended_by_another_that_joins_under_its_name(
    kept: Kept,
) -> None:
    joined = shown(await kept.join(await kept.token()))
    kept.attached = "i"
    with pytest.raises(AlreadyExists, match="is connected"):
        await kept.join(await kept.token())
    assert kept.gate.revoked() == ()
    await kept.gate.check_agent(hello(), joined)
    assert kept.told == []
    kept.attached = "another start"
    await kept.gate.check_agent(hello(), joined)
    assert kept.told == [("pi", "two agents show its certificate at a time")]


async def test_what_renews_keeps_its_name_and_its_machine(kept: Kept) -> None:
    joined = shown(await kept.join(await kept.token()))
    kept.now += 20 * 86400
    renewed = await kept.gate.renew(
        RenewRequest(certificates.request(certificates.new_key(), "admin"), HERE), joined
    )
    facts = certificates.read(renewed.certificate)
    assert (facts.identity.role, facts.identity.name) == (Role.AGENT, "pi")
    assert facts.ends == pytest.approx(kept.now + LEAF_LIFE, abs=2)
    with pytest.raises(PermissionDenied):
        await kept.gate.check_agent(hello(machine=THERE), shown(renewed))
    with pytest.raises(Unauthenticated):
        await kept.gate.renew(RenewRequest(b""), STRANGER)


async def test_who_is_revoked_is_so_for_every_certificate_and_after_a_restart(kept: Kept) -> None:
    joined = await kept.join(await kept.token())
    renewed = await kept.gate.renew(
        RenewRequest(certificates.request(certificates.new_key(), "pi"), HERE), shown(joined)
    )
    serials = {f"{certificates.read(one.certificate).identity.serial:x}" for one in (joined, renewed)}
    assert set(await kept.gate.revoke(Role.AGENT, "pi")) == serials
    assert kept.told[-1][1] == "pi"
    kept.store.close()
    again = Kept(kept.directory)
    assert set(again.gate.revoked()) == serials
    assert again.gate.authority.fingerprint == kept.gate.authority.fingerprint
    again.now += LEAF_LIFE + 86400
    assert again.gate.revoked() == (), "what has expired need not be told"
    again.close()


@pytest.mark.parametrize("renews_first", [True, False])
async def test_nobody_renews_his_way_out_of_being_revoked(kept: Kept, renews_first: bool) -> None:
    joined = shown(await kept.join(await kept.token()))
    renewing = kept.gate.renew(RenewRequest(certificates.request(certificates.new_key(), "pi"), HERE), joined)
    both = [renewing, kept.gate.revoke(Role.AGENT, "pi")]
    await asyncio.gather(*(both if renews_first else reversed(both)), return_exceptions=True)
    counting = [one for one in kept.gate.certificates.values() if one.name == "pi" and one.counts(kept.now)]  # type: ignore[arg-type]
    assert counting == []


async def test_a_device_waits_for_a_person(tmp_path: Path) -> None:
    kept = Kept(tmp_path, approve=True)
    token, key = await kept.token(), certificates.new_key()
    assert (await kept.join(token, key=key)).pending
    assert (await kept.join(token, key=key)).pending
    with pytest.raises(Unauthenticated):
        await kept.join(token, "mallory")
    await kept.gate.decide("pi", refuse=False)
    assert (await kept.join(token, key=key)).certificate
    with pytest.raises(NotFound):
        await kept.gate.decide("pi", refuse=True)
    kept.close()


async def test_what_was_approved_is_that_key_and_no_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path, approve=True)
    token = await kept.token(2)
    assert (await kept.join(token)).pending
    await kept.gate.decide("pi", refuse=False)
    assert (await kept.join(token)).pending, "another key asks for the approved name"
    kept.close()


async def test_who_fails_often_must_wait_and_others_need_not(kept: Kept) -> None:
    token = await kept.token(50)
    wrong = type(token)(token.authority, token.id, "x" * 43)
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await kept.join(wrong)
    with pytest.raises(Overloaded) as late:
        await kept.join(token)
    assert late.value.retry_after > 0
    other = JoinRequest(token.id, token.secret, certificates.request(certificates.new_key(), "x"), "b", HERE)
    assert (await kept.gate.join(other, PeerContext("10.0.0.8:1"))).certificate
    kept.now += 7
    assert await kept.join(token)


@pytest.mark.parametrize("name", ["", "a/b", "x" * 64, "a b", "-x", "pi\n"])
async def test_nobody_is_called_so(kept: Kept, name: str) -> None:
    with pytest.raises(InvalidInput):
        await kept.join(await kept.token(), name)


async def test_what_is_written_down_holds_no_secret(kept: Kept) -> None:
    token = await kept.token()
    await kept.join(token)
    with pytest.raises(Unauthenticated):
        await kept.join(token)
    written = b"".join(file.read_bytes() for file in kept.directory.rglob("*") if file.is_file())
    assert token.secret.encode() not in written
    audit = kept.gate.audit.path.read_text()
    assert '"outcome":"ok"' in audit
    assert '"outcome":"unauthenticated"' in audit


async def test_clients_get_what_they_may_and_no_more_tokens_than_there_is_room_for(kept: Kept) -> None:
    asked = certificates.request(certificates.new_key(), "x")
    issued = await kept.gate.sign(Identity(Role.CLIENT, "app", ("net",)), asked, 60.0, "anna")  # type: ignore[arg-type]
    assert issued.facts.identity.models == ("net",)
    for role, models in ((Role.CLIENT, ()), (Role.ADMIN, ("net",)), (Role.CLIENT, ("a b",))):
        with pytest.raises(InvalidInput):
            await kept.gate.sign(Identity(role, "other", models), asked, 60.0, "anna")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        await kept.token(role=Role.CLIENT)
    with pytest.raises(NotFound):
        await kept.gate.revoke_token("gone")


async def test_the_process_renews_its_own_certificate(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK", 0.01)
    before = kept.gate.trust.credentials
    fresh = asyncio.create_task(kept.gate.keep_fresh())
    kept.now += 25 * 86400
    for _ in range(300):
        if kept.gate.trust.credentials is not before:
            break
        await asyncio.sleep(0.01)
    fresh.cancel()
    await asyncio.gather(fresh, return_exceptions=True)
    assert certificates.read(kept.gate.trust.credentials.certificate).ends > kept.now


async def test_tokens_are_bounded_and_those_that_are_over_make_room(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.members.MAX_TOKENS", 3)
    for _ in range(3 - len(kept.gate.tokens)):
        await kept.token()
    with pytest.raises(Overloaded, match="3 tokens count here"):
        await kept.token()
    kept.now += 3600.0
    assert await kept.token()


async def test_who_waits_is_bounded_and_who_waits_already_may_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.members.MAX_JOINING", 2)
    kept = Kept(tmp_path, approve=True)
    token, key = await kept.token(9), certificates.new_key()
    assert (await kept.join(token, "one", key=key)).pending
    assert (await kept.join(token, "two", machine=THERE)).pending
    with pytest.raises(Overloaded, match="2 devices wait"):
        await kept.join(token, "three", machine="cc" * 32)
    assert (await kept.join(token, "one", key=key)).pending
    kept.close()


async def test_certificates_are_bounded(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await kept.token(9)
    monkeypatch.setattr("lepton_edge.coordinator.members.MAX_CERTIFICATES", len(kept.gate.certificates) + 1)
    assert (await kept.join(token)).certificate
    with pytest.raises(Overloaded, match="certificates count here"):
        await kept.join(token, "another", machine=THERE)


async def test_who_renews_without_end_leaves_certificates_for_others(kept: Kept) -> None:
    joined = await kept.join(await kept.token())
    for _ in range(members.MAX_OF_NAME - 1):
        await _renewed(kept, joined)
    with pytest.raises(Overloaded, match="that have not expired"):
        await _renewed(kept, joined)
    assert await kept.join(await kept.token(), "other", machine=THERE)
    kept.now += members.MONTH / members.MAX_OF_NAME + 1
    assert await _renewed(kept, joined)


async def _renewed(kept: Kept, joined: Any) -> Any:
    asked = RenewRequest(certificates.request(joining_key, "pi"), HERE)
    return await kept.gate.renew(asked, shown(joined))


joining_key = certificates.new_key()


async def test_nor_does_who_waits_and_asks_every_second(tmp_path: Path) -> None:
    kept = Kept(tmp_path, approve=True)
    token, key = await kept.token(), certificates.new_key()
    for _ in range(5):
        assert (await kept.join(token, "pi", key)).pending
    assert kept.gate.audit.path.read_text().count("waits to be approved") == 1
    await kept.join(await kept.token(), "pi", certificates.new_key())  # another key is another deed
    assert kept.gate.audit.path.read_text().count("waits to be approved") == 2
    kept.close()


async def test_refusals_do_not_drown_the_audit_log(kept: Kept) -> None:
    client = PeerContext("10.0.0.9:1", Identity(Role.CLIENT, "app", ("small",)))
    for peer in [client] * 50 + [STRANGER] * 50:
        with pytest.raises((PermissionDenied, Unauthenticated)):
            kept.gate.check_call(ListDevices(), peer)
    lines = kept.gate.audit.path.read_text().splitlines()
    assert 0 < len(lines) <= 10
    assert all('"app"' in line for line in lines)


async def test_another_key_takes_an_attached_agents_name_only_when_it_is_said_so(kept: Kept) -> None:
    joined = shown(await kept.join(await kept.token()))
    await kept.gate.check_agent(hello(), joined)
    kept.attached = "i"
    with pytest.raises(AlreadyExists, match=r"is connected from 10\.0\.0\.9 since 2001-09-09") as caught:
        await kept.join(await kept.token())
    assert "--replace" in caught.value.hint
    assert kept.gate.revoked() == ()
    replaced = await kept.join(await kept.token(), replace=True)
    assert "was connected from 10.0.0.9" in replaced.replaced
    assert kept.replaced == [("pi", replaced.replaced)]
    assert joined.identity is not None
    assert kept.gate.revoked() == (f"{joined.identity.serial:x}",)
    assert '"what":"join: replaces"' in kept.gate.audit.path.read_text()


async def test_another_machine_takes_no_name_however_it_is_said(kept: Kept) -> None:
    await kept.join(await kept.token())
    with pytest.raises(AlreadyExists, match="another machine"):
        await kept.join(await kept.token(), machine=THERE, replace=True)


async def test_who_joins_again_with_the_certificate_of_its_own_is_let_in_quietly(kept: Kept) -> None:
    joined = shown(await kept.join(await kept.token()))
    kept.attached = "i"
    assert joined.identity is not None
    again = await kept.join(await kept.token(), held=f"{joined.identity.serial:x}")
    assert (again.replaced, kept.replaced) == ("", [])
    kept.attached = ""
    lost = await kept.join(await kept.token())
    assert "earlier join" in lost.replaced
    assert kept.replaced == [("pi", lost.replaced)]


async def test_a_device_is_shut_out_from_its_revocation_until_it_joins_again(kept: Kept) -> None:
    await kept.join(await kept.token())
    assert kept.gate.shut_out() == ()
    await kept.gate.revoke(Role.AGENT, "pi")
    assert kept.gate.shut_out() == ("pi",)
    kept.told.clear()
    await kept.join(await kept.token(), machine=THERE)
    assert kept.gate.shut_out() == ()
    assert kept.told == [(kept.gate.revoked(), "")], "it is told that it is back"


async def test_failures_from_many_addresses_hold_up_nobody_who_has_a_token(kept: Kept) -> None:
    token = await kept.token(50)
    asked = certificates.request(certificates.new_key(), "x")
    wrong = JoinRequest(token.id, "x" * 43, asked, "b", HERE)
    for number in range(60 * 10):
        with pytest.raises((Unauthenticated, Overloaded)):
            await kept.gate.join(wrong, PeerContext(f"10.1.{number // 10}.1:1"))
    with pytest.raises(Overloaded):
        await kept.gate.join(wrong, PeerContext("10.2.0.1:1"))
    right = JoinRequest(token.id, token.secret, asked, "b", HERE)
    assert (await kept.gate.join(right, PeerContext("10.2.0.1:1"))).certificate


async def test_who_guesses_makes_the_gate_read_no_request(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "requested_key", lambda request: pytest.fail("it was read"))
    with pytest.raises(Unauthenticated, match="no such token"):
        await kept.gate.join(JoinRequest("ab", "x", b"", "pi", HERE), STRANGER)
