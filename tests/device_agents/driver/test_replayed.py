"""What is not signed, or was signed for something else, over real connections with TLS: refused, and nothing is done.

The attacker here speaks as the coordinator does. Who only has a device's certificate does not get as far.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from device_agents.driver import control
from device_agents.driver.control import Control, Voice
from device_agents.driver.seals import ENFORCE, Seals
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.messages import Outcome, Prepare
from lepton_edge.wire import front, rpc
from lepton_edge.wire.tls import Trust
from partitioner.units import Seconds
from tests.device_agents.driver.test_control import BEAT, HELLO, WELCOME, Coordinator
from tests.device_agents.driver.test_seals import AUTHORITY, SOUND, TAMPERED


def trust(role: Role, name: str) -> Trust:
    return Trust(AUTHORITY.credentials(Identity(role, name), Seconds(time.time()))[0])


@contextlib.asynccontextmanager
async def commanded(
    directory: Path, says: Prepare, by: Trust
) -> AsyncIterator[tuple[Coordinator, list[Any]]]:
    """An agent whose coordinator, or who took its place, says that; yields it and what the agent's decider heard."""
    played = Coordinator(WELCOME, says)  # type: ignore[no-untyped-call]
    port, address = await front.open_port("127.0.0.1:0", rpc.control_handlers(played), trust=by)
    heard: list[Any] = []
    own = trust(Role.AGENT, "board")
    seals = Seals(directory, ENFORCE, lambda: own.credentials.authority)

    async def find() -> str:
        return address

    voice = Voice(
        find, lambda: HELLO, lambda: BEAT, heard.append, lambda _: None, trust=own, judge=seals.judge
    )
    task = asyncio.create_task(Control(voice).run())
    try:
        yield played, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        played.hold.set()
        await port.stop(0)


@pytest.mark.parametrize("what", TAMPERED)
async def test_a_command_that_is_not_as_it_was_signed_is_answered_and_not_done(
    tmp_path: Path, what: str
) -> None:
    async with commanded(tmp_path, TAMPERED[what], trust(Role.COORDINATOR, "c")) as (played, heard):
        answer = await _first(played, Outcome)
    assert answer.error is not None
    assert answer.error.code == "bad_signature"
    assert not any(isinstance(event.message, Prepare) for event in heard)


async def test_one_that_is_signed_is_heard(tmp_path: Path) -> None:
    """Or these tests would show nothing."""
    async with commanded(tmp_path, SOUND, trust(Role.COORDINATOR, "c")) as (_, heard):
        for _ in range(500):
            if heard:
                break
            await asyncio.sleep(0.01)
    assert [event.message for event in heard] == [SOUND]


async def test_a_devices_certificate_commands_nobody_whatever_it_replays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "FIRST_PAUSE", 0.02)
    async with commanded(tmp_path, SOUND, trust(Role.AGENT, "cloud")) as (played, heard):
        await asyncio.sleep(0.5)
    assert (played.attached, heard) == (0, [])


async def _first(played: Coordinator, kind: type) -> Any:
    for _ in range(500):
        found = [word for word in played.heard if isinstance(word, kind)]
        if found:
            return found[0]
        await asyncio.sleep(0.01)
    raise AssertionError(f"no {kind.__name__} came")
