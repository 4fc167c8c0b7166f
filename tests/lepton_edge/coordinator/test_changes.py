"""The log of changes: serials, turns that are told anew, what a restart left open."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import changes
from lepton_edge.coordinator.adaptation import ChangeLog
from lepton_edge.coordinator.events import Began, ClockSet, Detached
from lepton_edge.coordinator.limits import MAX_TURNS
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Moment, State
from lepton_edge.core import messages as m
from lepton_edge.core.changes import KEPT, PENDING, REFUSED, Change
from lepton_edge.core.frames import WireError
from partitioner.units import Epoch

TELEMETRY = m.Telemetry(0.5, 1 << 30, 1 << 20, 40.0, 0, 9, 0, 1.0)
AT = Moment(200.0, "story")
TURN = m.TurnReport(7, "net", 1, "cut-1", "local", "the link is slow", 0.5, 0.2, age=3.0)


def tell(world: Any, *turns: m.TurnReport) -> list[Change]:
    stream = world.state.devices["board"].stream
    made = world.hear(stream, dataclasses.replace(TELEMETRY, turns=turns))
    return [command.change for command in made]


def kinds(world: Any) -> list[str]:
    return [change.kind for change in world.changes.values()]


def test_serials_grow_from_where_they_were_and_times_are_of_the_wall(world: Any) -> None:
    state = State(world.state.settings, log=ChangeLog(41))
    first, second = (changes.note(state, "deploy", "a test", AT).change for _ in range(2))
    assert (first.serial, second.serial) == (42, 43)
    assert first.at == 200.0 + state.settings.wall


def test_what_follows_a_clock_that_was_set_is_dated_by_it(world: Any) -> None:
    before = world.state.settings.wall
    world.do(ClockSet("clock", before + 86_400.0))
    (told,) = (change for change in world.changes.values() if change.cause == "its clock was set")
    assert told.at == pytest.approx(world.now + before + 86_400.0)
    assert changes.note(world.state, "deploy", "a test", AT).change.at == 200.0 + before + 86_400.0


@pytest.mark.parametrize("about", [{"kind": "odd"}, {"verdict": "odd"}, {"cause": ""}])
def test_a_change_without_a_cause_or_of_an_unknown_kind_is_a_mistake(
    world: Any, about: dict[str, str]
) -> None:
    kind, cause = about.pop("kind", "turn"), about.pop("cause", "why")
    with pytest.raises(AssertionError):
        changes.note(world.state, kind, cause, AT, **about)


def test_a_turn_is_told_once_and_again_under_its_serial_while_its_figures_grow(pair: Any) -> None:
    (first,) = tell(pair, TURN)
    assert (first.kind, first.before, first.after, first.verdict) == ("turn", "cut-1", "local", PENDING)
    assert (first.device, first.model, first.epoch, first.cause) == ("board", "net", 1, "the link is slow")
    assert first.at == pytest.approx(pair.now + pair.state.settings.wall - 3.0), "when it was, not when told"
    (grown,) = tell(pair, dataclasses.replace(TURN, measured=0.21, requests=12))
    assert (grown.serial, grown.measured_after, grown.message) == (first.serial, 0.21, "12 requests since")
    (over,) = tell(pair, dataclasses.replace(TURN, measured=0.22, requests=30, over=True))
    assert (over.serial, over.verdict) == (first.serial, KEPT)
    assert pair.state.log.turns == {}, "nothing more will come of it"


def test_turns_of_another_process_with_the_same_serial_are_others(pair: Any, make: Any) -> None:
    (first,) = tell(pair, TURN)
    pair.do(Detached("gone", pair.state.devices["board"].stream))
    pair.attach(make.hello("board", incarnation="i2"))
    (second,) = tell(pair, TURN)
    assert second.serial > first.serial


def test_the_page_that_runs_now_is_the_one_that_was_turned_to_last(pair: Any) -> None:
    record = EpochRecord("net", "v1", Epoch(1), "active", board="board")
    assert changes.page_now(pair.state, record) == ""
    tell(pair, TURN)
    assert changes.page_now(pair.state, record) == "local"
    tell(pair, dataclasses.replace(TURN, over=True), dataclasses.replace(TURN, serial=8, after="cut-2"))
    assert changes.page_now(pair.state, record) == "cut-2"
    assert changes.page_now(pair.state, dataclasses.replace(record, epoch=Epoch(2))) == ""


def test_open_turns_are_bounded(pair: Any) -> None:
    for number in range(MAX_TURNS + 10):
        tell(pair, dataclasses.replace(TURN, serial=number))
    assert len(pair.state.log.turns) == MAX_TURNS
    assert (("board", "i1", 0)) not in pair.state.log.turns, "the oldest is forgotten first"


def test_one_telemetry_tells_boundedly_many(pair: Any) -> None:
    told = tell(pair, *(dataclasses.replace(TURN, serial=number) for number in range(1000)))
    assert len(told) == changes.MAX_TURNS_HEARD


def test_devices_that_come_and_go_are_told(pair: Any, make: Any) -> None:
    pair.do(Detached("gone", pair.state.devices["cloud"].stream))
    pair.attach(make.hello("cloud", "cloud"))
    told = [(one.device, one.before, one.after) for one in pair.changes.values() if one.kind == "device"]
    assert told[-2:] == [("cloud", "attached", "away"), ("cloud", "away", "attached")]
    assert all(one.cause for one in pair.changes.values())


def test_a_deployment_tells_what_it_replaced_and_a_failed_one_that_nothing_changed(pair: Any) -> None:
    pair.deploy()
    pair.run()
    pair.deploy(page="local")
    pair.run({m.Prepare: WireError("storage_full", "full")})
    deployed, refused = list(pair.changes.values())[-2:]
    assert (deployed.kind, deployed.epoch, deployed.cause) == ("deploy", 1, "a person deployed it")
    assert deployed.after == "page cut-1 of epoch 1"
    assert (refused.kind, refused.verdict, refused.cause) == (
        "rollback", REFUSED, "a person pinned page local",
    )  # fmt: skip
    assert "full" in refused.message


def test_plans_and_measurements_that_fail_change_nothing(pair: Any) -> None:
    before = len(pair.changes)
    pair.deploy(dry_run=True, page="nowhere")
    pair.run()
    assert len(pair.changes) == before


def test_a_start_tells_itself_and_closes_what_the_last_one_left_open(world: Any) -> None:
    left = Change(9, 1.0, "replan", "drift", verdict=PENDING, message="on board")
    world.state.log = ChangeLog(9, left_open=(left,))
    world.do(Began("start"))
    assert world.changes[9].verdict == KEPT
    assert "not judged" in world.changes[9].message
    assert (world.changes[10].kind, world.changes[10].message) == ("coordinator", "lepton-edge 0.1, term 1")
