"""A call is made by who may make it, and what it changed is written down however it ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator.guarding import guarded, kept
from lepton_edge.coordinator.records import wire_error
from lepton_edge.core import messages as m
from lepton_edge.core.errors import NotFound, PermissionDenied, Unauthenticated
from lepton_edge.core.identity import Identity, Role
from lepton_edge.wire.rpc import PeerContext
from tests.lepton_edge.coordinator.test_gate import Kept, shown

ANNA = PeerContext("10.0.0.7:1", Identity(Role.ADMIN, "anna", serial=1), sealed=True)
APP = PeerContext("10.0.0.8:1", Identity(Role.CLIENT, "app", ("net",), serial=2), sealed=True)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = Kept(tmp_path)
    yield made
    made.close()


async def _events(*told: Any) -> AsyncIterator[Any]:
    for one in told:
        if isinstance(one, Exception):
            raise one
        yield one


async def _made(world: Kept, call: Any, peer: PeerContext, *told: Any) -> list[Any]:
    return [event async for event in guarded(world.gate, call, peer, _events(*told))]


def _lines(world: Kept) -> list[tuple[str, str, str]]:
    if not world.gate.audit.path.exists():
        return []
    rows = [json.loads(line) for line in world.gate.audit.path.read_text().splitlines()]
    return [(row.get("who", ""), row["what"], row["outcome"]) for row in rows]


async def test_what_a_person_changes_is_written_down_however_it_ends(world: Kept) -> None:
    done = m.Document("lepton-edge/model/1", "{}")
    call = m.RemoveModel("net")  # type: ignore[arg-type]
    assert await _made(world, call, ANNA, done) == [done]
    await _made(world, call, ANNA, wire_error(NotFound("gone")))
    with pytest.raises(NotFound):
        await _made(world, call, ANNA, NotFound("gone"))
    await _made(world, m.ListDevices(), ANNA, done)
    assert _lines(world) == [("anna", "RemoveModel", outcome) for outcome in ("ok", "not_found", "not_found")]


async def test_who_may_not_changes_nothing_and_is_written_down_but_a_stranger(world: Kept) -> None:
    """Anybody could fill the log with what nobody did: it has a bound, and the trail would be gone in a minute."""
    for peer, kind in ((APP, PermissionDenied), (PeerContext("10.0.0.9:1"), Unauthenticated)):
        with pytest.raises(kind):
            await _made(world, m.RemoveModel("net"), peer, AssertionError("it was done"))  # type: ignore[arg-type]
    assert [outcome for _, _, outcome in _lines(world)] == ["permission_denied"]


async def test_a_device_that_is_removed_is_revoked_and_one_that_is_not_is_not(world: Kept) -> None:
    joined = shown(await world.join(await world.token()))
    assert joined.identity is not None
    call = m.RemoveDevice("pi")  # type: ignore[arg-type]
    await _made(world, call, ANNA, wire_error(NotFound("it is busy")))
    assert world.gate.revoked() == ()
    await _made(world, call, ANNA, m.Document("lepton-edge/device/1", "{}"))
    assert world.gate.revoked() == (f"{joined.identity.serial:x}",)


async def test_without_a_gate_there_is_nothing_to_keep() -> None:
    async with kept(None):
        pass
