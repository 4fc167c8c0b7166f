"""Devices that flap or fail get no new work for a while."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import availability, quarantine
from lepton_edge.coordinator import events as e
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError

NO = WireError("prepare_failed", "block 1 computes something else than the golden sample says")


def _flap(world: Any, make: Any, times: int, name: str = "cloud", every: float = 5.0) -> None:
    for _ in range(times):
        world.now += every
        world.do(e.Detached("gone", world.state.devices[name].stream))
        world.attach(make.hello(name, name))


def _open(world: Any) -> list[str]:
    return [device.name for device in availability.placeable(world.state, world.now)]


def test_a_device_that_flaps_is_left_alone_for_half_a_minute(pair: Any, make: Any) -> None:
    _flap(pair, make, 3)
    assert _open(pair) == ["board", "cloud"]
    _flap(pair, make, 1)
    assert _open(pair) == ["board"]
    told = [one for one in pair.changes.values() if one.after == "quarantined"]
    assert [(one.device, one.kind) for one in told] == [("cloud", "device")]
    error = pair.answer_of(pair.deploy(board="board", cloud="cloud")).error
    assert (error.code, "--undo" in error.hint) == ("unavailable", True)
    pair.now += 30.1
    assert _open(pair) == ["board", "cloud"]


def test_losses_that_are_far_apart_are_no_flapping(pair: Any, make: Any) -> None:
    _flap(pair, make, 20, every=61.0)
    assert _open(pair) == ["board", "cloud"]


def test_what_runs_there_goes_on(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    _flap(pair, make, 4)
    pair.run()
    assert [record.cloud for record in pair.state.active_epochs()] == ["cloud"]
    assert pair.state.devices["cloud"].epochs == {("net", 1): "active"}


def test_the_pauses_grow_to_half_an_hour(pair: Any, make: Any) -> None:
    lengths = []
    for _ in range(9):
        _flap(pair, make, 4)
        length = pair.state.conduct["cloud"].until - pair.now
        lengths.append(round(length))
        pair.now += length + 1
    assert lengths == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_good_conduct_is_rewarded(pair: Any, make: Any) -> None:
    _flap(pair, make, 4)
    pair.now += 30 + quarantine.FORGIVEN + 1
    _flap(pair, make, 4)
    assert round(pair.state.conduct["cloud"].until - pair.now) == 30


def test_who_fails_every_prepare_is_not_asked_for_a_while(pair: Any) -> None:
    for _ in range(3):
        assert _open(pair) == ["board", "cloud"]
        pair.deploy()
        pair.run({m.Prepare: NO})
    assert _open(pair) == ["cloud"], "the board's refusals ended the deployments"
    assert "golden" in pair.state.conduct["board"].why
    assert pair.answer_of(pair.deploy(board="board")).error.code == "unavailable"


@pytest.mark.parametrize("code", sorted(quarantine.EXCUSED))
def test_some_refusals_say_nothing_about_a_device(pair: Any, code: str) -> None:
    for _ in range(5):
        pair.deploy()
        pair.run({m.Prepare: WireError(code, "busy")})
    assert _open(pair) == ["board", "cloud"]


def test_a_person_ends_it(pair: Any, make: Any) -> None:
    _flap(pair, make, 4)
    pair.call(lambda cause, call: e.DrainAsked(cause, call, m.DrainDevice("cloud", undo=True)))
    assert _open(pair) == ["board", "cloud"]


def test_a_drained_device_may_come_and_go(pair: Any, make: Any) -> None:
    pair.call(lambda cause, call: e.DrainAsked(cause, call, m.DrainDevice("cloud")))
    _flap(pair, make, 10)
    pair.call(lambda cause, call: e.DrainAsked(cause, call, m.DrainDevice("cloud", undo=True)))
    assert _open(pair) == ["board", "cloud"]


@pytest.mark.parametrize(
    "code", ["model_too_large", "unsupported_operator", "request_error", "invalid_manifest"]
)
def test_what_is_the_models_or_the_callers_fault_is_not_the_devices(pair: Any, code: str) -> None:
    for _ in range(5):
        pair.deploy()
        pair.run({m.Prepare: WireError(code, "not here")})
    assert _open(pair) == ["board", "cloud"]


def test_pauses_of_the_coordinator_itself_lose_and_blame_nobody(pair: Any) -> None:
    pair.do(e.Tick())
    streams = {name: pair.state.devices[name].stream for name in ("board", "cloud")}
    for _ in range(6):
        pair.now += 20.0  # nobody could be heard meanwhile
        pair.do(e.Tick())
        for stream in streams.values():
            pair.hear(stream, m.Telemetry(0.5, 1 << 30, 1 << 20, 40.0, 0, 9, 0, 1.0))
    assert {name: pair.state.devices[name].stream for name in streams} == streams
    assert _open(pair) == ["board", "cloud"]


def test_who_hung_up_on_a_coordinator_that_stood_still_did_not_flap(pair: Any, make: Any) -> None:
    pair.do(e.Tick())
    for _ in range(6):
        pair.now += 20.0
        pair.do(e.Tick())
        for name in ("board", "cloud"):
            pair.do(e.Detached("gone", pair.state.devices[name].stream))
            pair.attach(make.hello(name, name))
    assert _open(pair) == ["board", "cloud"]


def _silence(world: Any, names: tuple[str, ...], make: Any) -> None:
    """The named are not heard for a lease, the others are; then they attach again."""
    for _ in range(16):
        world.now += 0.5
        for device in world.state.connected():
            if device.name not in names:
                device.heard = world.now
        world.do(e.Tick())
    for name in names:
        assert world.state.devices[name].stream is None
        world.attach(make.hello(name, "board" if name == "board" else "cloud"))


def test_a_loss_of_most_at_once_is_no_flapping(pair: Any, make: Any) -> None:
    for _ in range(5):
        _silence(pair, ("board", "cloud"), make)
    assert _open(pair) == ["board", "cloud"]
    for _ in range(5):
        _silence(pair, ("cloud",), make)
    assert _open(pair) == ["board"]


def test_a_coordinator_that_is_always_late_finds_out_at_last_who_is_gone(pair: Any) -> None:
    for _ in range(6):
        pair.now += 4.0
        pair.do(e.Tick())
    assert pair.state.connected() == []


def test_who_finds_nobody_is_told_who_is_in_quarantine_and_for_how_long(pair: Any, make: Any) -> None:
    _flap(pair, make, 4, "cloud")
    pair.do(e.Detached("gone", pair.state.devices["board"].stream))
    error = pair.answer_of(pair.deploy()).error
    assert error.code == "not_found"
    assert "in quarantine: cloud for 30 s more (it was lost 4 times within 120 s)" in error.message
    assert "--undo" in error.hint


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.floats(0.1, 2000.0), max_size=60))
def test_no_pause_is_longer_than_the_longest_and_each_ends(make: Any, gaps: list[float]) -> None:
    world = make.World()
    world.attach(make.hello("board"))
    for gap in gaps:
        _flap(world, make, 1, "board", gap)
        conduct = world.state.conduct["board"]
        left = conduct.until - world.now
        assert left <= quarantine.LONGEST_PAUSE
        assert (_open(world) == []) == (left > 0)
    world.now += quarantine.LONGEST_PAUSE + 1
    assert _open(world) == ["board"]
