"""What a person asks about tokens and keys is done, and told without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import granting
from lepton_edge.core.errors import AlreadyExists, InvalidInput, NotFound, RequestError
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.keys import (
    ApproveDevice,
    CreateKey,
    CreateToken,
    ListJoining,
    ListKeys,
    ListTokens,
    RevokeDevice,
    RevokeKey,
    RevokeToken,
)
from lepton_edge.security import certificates, tokens
from tests.lepton_edge.coordinator.test_gate import Kept

ANNA = Identity(Role.ADMIN, "anna")


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    made = Kept(tmp_path)
    yield made
    made.close()


async def test_a_token_is_told_once(kept: Kept) -> None:
    told = await granting.answer(kept.gate, CreateToken(60.0, 2), ANNA)  # type: ignore[arg-type]
    token = tokens.parse(told["text"])
    listed = await granting.answer(kept.gate, ListTokens(), ANNA)
    assert [row["token"] for row in listed["tokens"]] == [token.id]
    assert token.secret not in json.dumps(listed)
    assert (await granting.answer(kept.gate, RevokeToken(token.id), ANNA))["revoked"] is True
    assert (await granting.answer(kept.gate, ListTokens(), ANNA))["tokens"] == []


@pytest.mark.parametrize(
    ("call", "listed"), [(RevokeDevice("pie"), "device list"), (RevokeKey("pie"), "client key list")]
)
async def test_who_revokes_nobody_is_told_where_the_names_are(kept: Kept, call: Any, listed: str) -> None:
    with pytest.raises(NotFound) as told:
        await granting.answer(kept.gate, call, ANNA)
    assert told.value.hint.endswith(listed)


async def test_a_key_comes_as_a_certificate_and_goes(kept: Kept) -> None:
    asked = CreateKey("app", certificates.request(certificates.new_key(), "x"), models=("net",))  # type: ignore[arg-type]
    told = await granting.answer(kept.gate, asked, ANNA)
    assert certificates.read(told["certificate"].encode()).identity.models == ("net",)
    assert told["authority"].encode() == kept.gate.authority.certificate
    rows = (await granting.answer(kept.gate, ListKeys(), ANNA))["keys"]
    assert {(row["role"], row["name"], row["by"]) for row in rows} == {
        ("client", "app", "anna"),
        ("admin", "local", "this machine"),
    }
    await granting.answer(kept.gate, RevokeKey("app"), ANNA)
    with pytest.raises(NotFound):
        await granting.answer(kept.gate, RevokeKey("app"), ANNA)
    with pytest.raises(NotFound):
        await granting.answer(kept.gate, RevokeDevice("app"), ANNA)  # type: ignore[arg-type]


async def test_nobody_is_made_an_agent_or_a_coordinator_by_a_key(kept: Kept) -> None:
    for role in ("agent", "coordinator", "king"):
        asked = CreateKey("app", certificates.request(certificates.new_key(), "x"), role)
        with pytest.raises(InvalidInput):
            await granting.answer(kept.gate, asked, ANNA)
    with pytest.raises(InvalidInput):
        await granting.answer(kept.gate, CreateToken(60.0, 1, "coordinator"), ANNA)  # type: ignore[arg-type]


async def test_in_the_open_there_are_no_keys() -> None:
    with pytest.raises(RequestError, match="without TLS"):
        await granting.answer(None, ListJoining(), None)


async def test_a_device_is_approved_by_how_its_key_begins(tmp_path: Path) -> None:
    kept = Kept(tmp_path, approve=True)
    token, key = await kept.token(2), certificates.new_key()
    await kept.join(token, key=key)
    await kept.join(token)
    (row,) = (await granting.answer(kept.gate, ListJoining(), ANNA))["joining"]
    own = certificates.key_hash(certificates.read_key(key).public_key())[:8].upper()
    assert row["fingerprint"] == own
    assert len(row["others"]) == 1
    with pytest.raises(AlreadyExists, match="2 keys ask"):
        await granting.answer(kept.gate, ApproveDevice("pi"), ANNA)  # type: ignore[arg-type]
    told = await granting.answer(kept.gate, ApproveDevice("pi", fingerprint=own), ANNA)  # type: ignore[arg-type]
    assert (told["approved"], told["fingerprint"]) == (True, own)
    assert (await kept.join(token, key=key)).certificate
    kept.close()
