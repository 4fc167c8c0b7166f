"""Agents are heard more seldom where there are many, and their leases grow with that."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import pulse
from lepton_edge.core import messages as m

BEATS = 4


@pytest.fixture(autouse=True)
def few_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEATS", BEATS)


def attach(world: Any, make: Any, number: int) -> list[Any]:
    return [world.attach(make.hello(f"board-{index}")) for index in range(number)]


def test_few_agents_keep_the_pause_of_the_settings(world: Any, make: Any) -> None:
    attach(world, make, 6)
    world.do(e.Tick())
    assert {device.heartbeat for device in world.state.devices.values()} == {1.5}


def test_signs_of_life_together_stay_bounded(world: Any, make: Any) -> None:
    attach(world, make, 40)
    for _ in range(3):
        world.do(e.Tick())
    pauses = [device.heartbeat for device in world.state.devices.values()]
    assert sum(1 / pause for pause in pauses) <= BEATS * pulse.APART


def test_an_agent_of_many_may_be_silent_for_as_many_pauses_as_one_of_few(world: Any, make: Any) -> None:
    streams = attach(world, make, 40)
    world.do(e.Tick())
    told = world.state.devices["board-0"].heartbeat
    steps = 40  # in one step, the coordinator itself would have stood still
    for _ in range(steps):
        world.now += (4 * told - 0.1) / steps
        world.do(e.Tick())
    assert streams[0] not in world.hung
    world.now += 0.2
    world.do(e.Tick())
    assert streams[0] in world.hung


def test_when_they_have_gone_the_others_hear_that_they_may_speak_often_again(world: Any, make: Any) -> None:
    streams = attach(world, make, 40)
    world.do(e.Tick())
    for stream in streams[2:]:
        world.do(e.Detached("x", stream))
    world.do(e.Tick())
    assert world.state.devices["board-0"].heartbeat == 1.5


def test_a_crowd_is_told_some_at_a_time(world: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "AT_ONCE", 5)
    attach(world, make, 40)
    before = {name: device.heartbeat for name, device in world.state.devices.items()}
    world.do(e.Tick())
    after = {name: device.heartbeat for name, device in world.state.devices.items()}
    assert sum(before[name] != after[name] for name in before) == 5


def test_a_device_is_found_by_its_stream_also_after_it_came_anew(world: Any, make: Any) -> None:
    first = world.attach(make.hello("board"))
    world.hear(first, m.Telemetry(0.5, 1, 2, 40.0, 0, 7, 0, 1.0))
    second = world.attach(make.hello("board"))
    assert world.state.device_of(first) is None
    found = world.state.device_of(second)
    assert found is not None
    assert found.name == "board"
