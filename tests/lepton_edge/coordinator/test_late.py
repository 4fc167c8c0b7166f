"""A device that comes back after its certificate has ended gets another one, unless there is a reason against it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lepton_edge.core.errors import PermissionDenied, Unauthenticated
from lepton_edge.core.identity import Role
from lepton_edge.core.joining import Joined, RenewRequest
from lepton_edge.security import certificates, proving
from lepton_edge.security.authority import LEAF_LIFE
from tests.lepton_edge.coordinator.test_gate import HERE, STRANGER, THERE, Kept

KEY = certificates.new_key()


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    made = Kept(tmp_path)
    yield made
    made.close()


def asking(held: Joined, key: bytes = KEY, machine: str = HERE) -> RenewRequest:
    """Return what the owner of a certificate that has ended asks, and of a new key."""
    request = certificates.request(certificates.new_key(), "whoever")
    return RenewRequest(request, machine, held.certificate, proving.prove(key, request))


async def ended(kept: Kept, days: float = 1.0) -> Joined:
    """Have "pi" join, and time pass until so many days after the end of its certificate."""
    joined: Joined = await kept.join(await kept.token(), key=KEY)
    kept.now += LEAF_LIFE + days * 86400
    return joined


async def test_a_board_that_was_away_for_months_gets_another_certificate(kept: Kept) -> None:
    renewed = await kept.gate.renew(asking(await ended(kept, 60)), STRANGER)
    facts = certificates.read(renewed.certificate)
    assert (facts.identity.role, facts.identity.name) == (Role.AGENT, "pi")
    assert facts.ends == pytest.approx(kept.now + LEAF_LIFE, abs=2)


async def test_it_does_so_over_a_restart_of_the_coordinator(kept: Kept) -> None:
    held = await ended(kept)
    kept.store.close()
    again = Kept(kept.directory)
    again.now = kept.now
    renewed = await again.gate.renew(asking(held), STRANGER)
    assert certificates.read(renewed.certificate).identity.name == "pi"
    again.close()


async def test_a_key_of_a_person_is_not_renewed_so(kept: Kept) -> None:
    """Also while it counts: who has one shows it to TLS."""
    joined = await kept.join(await kept.token(role=Role.CLIENT, models=("coffee",)), key=KEY)
    with pytest.raises(Unauthenticated, match="not known here any more"):
        await kept.gate.renew(asking(joined), STRANGER)


async def test_too_late_is_too_late(kept: Kept) -> None:
    with pytest.raises(Unauthenticated, match="not known here any more") as told:
        await kept.gate.renew(asking(await ended(kept, 366)), STRANGER)
    assert "token create" in told.value.hint


@pytest.mark.parametrize("first", ["ends", "revoked"])
async def test_who_was_revoked_does_not_come_back(kept: Kept, first: str) -> None:
    held = await ended(kept, days=-1 if first == "revoked" else 1)
    await kept.gate.revoke(Role.AGENT, "pi")
    if first == "revoked":
        kept.now += 2 * 86400
    with pytest.raises(Unauthenticated):
        await kept.gate.renew(asking(held), STRANGER)


async def test_a_key_from_an_old_copy_of_the_storage_does_not(kept: Kept) -> None:
    held = await ended(kept)
    await kept.gate.renew(asking(held), STRANGER)
    with pytest.raises(Unauthenticated, match="another certificate since"):
        await kept.gate.renew(asking(held), STRANGER)


async def test_another_machine_another_key_or_a_changed_request_does_not(kept: Kept) -> None:
    held = await ended(kept)
    with pytest.raises(PermissionDenied, match="another machine"):
        await kept.gate.renew(asking(held, machine=THERE), STRANGER)
    assert kept.gate.audit.path.read_text().count('"what":"renew"') == 1
    with pytest.raises(Unauthenticated, match="did not sign"):
        await kept.gate.renew(asking(held, key=certificates.new_key()), STRANGER)
    one, other = asking(held), asking(held)
    with pytest.raises(Unauthenticated, match="did not sign"):
        await kept.gate.renew(RenewRequest(one.request, HERE, held.certificate, other.proof), STRANGER)
    with pytest.raises(Unauthenticated, match="no certificate was shown"):
        await kept.gate.renew(RenewRequest(one.request, HERE, b"nonsense", one.proof), STRANGER)


async def test_a_client_whose_key_has_ended_needs_another(kept: Kept) -> None:
    token = await kept.token(role=Role.CLIENT, models=("net",))
    held = await kept.join(token, "app", key=KEY)
    kept.now += LEAF_LIFE + 1
    with pytest.raises(Unauthenticated, match="not known"):
        await kept.gate.renew(asking(held), STRANGER)


async def test_where_there_is_no_room_those_who_could_come_back_are_forgotten_first(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(kept)
    token = await kept.token()
    assert any(one.name == "pi" for one in kept.gate.certificates.values())
    monkeypatch.setattr("lepton_edge.coordinator.members.MAX_CERTIFICATES", len(kept.gate.certificates))
    await kept.join(token, "other")
    assert not any(one.name == "pi" for one in kept.gate.certificates.values())


async def test_what_a_stranger_shows_costs_little_and_breaks_nothing(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = x509.load_pem_x509_certificate((await ended(kept)).certificate)
    whole = bytearray(read.public_bytes(serialization.Encoding.DER))

    def verified(pem: bytes) -> Any:
        raise AssertionError("a stranger's signing request was verified")

    request = certificates.request(certificates.new_key(), "whoever")
    monkeypatch.setattr(certificates, "requested_key", verified)
    for at in range(0, len(whole), 3):  # versions, kinds of keys, names that are none
        for bits in (0x01, 0x7F):
            changed = bytes(whole[:at]) + bytes([whole[at] ^ bits]) + bytes(whole[at + 1 :])
            shown = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
            asked = RenewRequest(request, HERE, shown % base64.encodebytes(changed), b"none")
            with pytest.raises(Unauthenticated):
                await kept.gate.renew(asked, STRANGER)
