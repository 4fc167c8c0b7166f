"""What is asked of other devices for a request, and what becomes of it."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import asking, step
from device_agents.machine.commands import CancelStage, RunSegment, SendStage, SetTimer
from device_agents.machine.events import LinksSeen, SegmentDone, StageReplied, TimerFired
from lepton_edge.core.messages import LinkReport


@pytest.fixture
def state(world):
    return world.agent()


def _asks(world, state, name: str, now: float, **fields):
    """Bring a request to where its frontier is sent; return the work and what is done."""
    run = world.only(world.ask(state, request_id=name, now=now, **fields), RunSegment)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    commands = step(state, SegmentDone(run.work, run.run, forward=(mid,)), now)
    return state.works[run.work], commands


def test_a_far_side_is_told_what_to_compute_from_where_and_until_when(world, state) -> None:
    work, commands = _asks(world, state, "r1", 10.0, remaining_ms=900, priority=3)
    sent = world.only(commands, SendStage)
    assert (sent.peer, sent.frame.first_block, sent.frame.page, sent.frame.epoch) == ("cloud", 4, "cut-4", 1)
    assert (sent.frame.remaining_ms, sent.frame.priority) == (900, 3)
    assert set(sent.frame.outputs) == {"y@scores", "y@indices"}
    assert sent.frame.flow.startswith("board/"), "whose request it is, among those of other entries"
    assert (work.bytes_out, work.tried) == (32, ("cloud",))
    assert state.far_sides["cloud"].asked == 1


def test_what_changes_a_state_is_waited_for(world, state) -> None:
    _, commands = _asks(world, state, "r1", 10.0, state_position=7)
    assert [type(one) for one in commands] == [SendStage], "no timer: nobody else may answer"


def test_each_ask_ends_once(world, state) -> None:
    work, _ = _asks(world, state, "r1", 10.0)
    assert asking.asked_of(work, "cloud") == asking.asked_of(work, "") == "cloud"
    asked = asking.ended(state, work, "cloud")
    assert (asked.peer, asked.at) == ("cloud", 10.0)
    assert state.far_sides["cloud"].asked == 0
    assert asking.asked_of(work, "cloud") == ""


def test_every_far_side_still_at_work_is_called_off_but_the_one_on_trial(world, state) -> None:
    work, _ = _asks(world, state, "r1", 10.0)
    (told,) = asking.call_off(state, work, "", 10.1)
    assert isinstance(told, CancelStage)
    assert (told.peer, told.frame.request_id, work.asks) == ("cloud", "r1", {})
    state.far_side("cloud").overdue(10.0, 0.0, 11.0)
    trial, _ = _asks(world, state, "r2", 11.0)
    assert asking.heeded(state, trial) == "cloud"
    assert asking.call_off(state, trial, "cloud", 11.1) == []


def test_a_trial_that_is_answered_when_nobody_needs_it_shows_that_it_is_back(world, state) -> None:
    state.far_side("cloud").overdue(9.0, 0.0, 10.0)
    works = []
    for number in range(3):
        now = 10.0 + 0.5 * number
        work, commands = _asks(world, state, f"r{number}", now)
        run, sent = world.only(commands, RunSegment), world.only(commands, SendStage)
        works.append((work, sent))
        outputs = tuple(
            world.tensor(name, kind, (1, 5))
            for name, kind in (("y@scores", "float32"), ("y@indices", "int64"))
        )
        step(state, SegmentDone(run.work, run.run, outputs=outputs), now + 0.1)
    assert state.works == {}
    first, sent = works[0]
    told = step(state, StageReplied(first.key, world.answer(sent.frame), "cloud"), 12.0)
    assert [one.work for one in told] == [work.key for work, _ in works[1:]], (
        "the others keep it busy for nobody"
    )
    assert not state.far_sides["cloud"].suspected


def test_alarms_of_a_late_far_side_never_ring_at_once_again(world, state) -> None:
    """Each one that sets another leaves it time: else a step would follow a step for ever."""
    work, commands = _asks(world, state, "r1", 10.0)
    state.far_side("cloud").hear(10.05)  # it answers others
    now = 10.0 + world.only(commands, SetTimer).delay
    for _ in range(50):
        timers = [
            one for one in step(state, TimerFired(work.key, "patience"), now) if isinstance(one, SetTimer)
        ]
        if not timers:
            break
        assert timers[0].delay > 1e-3
        now += timers[0].delay
    assert now < 10.0 + 1.0


def test_what_links_move_is_noted_of_those_that_are_asked(world, state) -> None:
    _asks(world, state, "r1", 10.0)
    report = LinkReport("cloud", up=2e6, down=1e6, round_trip=0.01, samples=9, age=0.25, under_way=9000)
    step(state, LinksSeen((report, dataclasses.replace(report, peer="stranger"))), 10.5)
    far = state.far_sides["cloud"]
    assert far.moved_at == pytest.approx(10.25)
    assert far.queued(10.5) == pytest.approx(9000 / 2e6, rel=0.01)
    assert "stranger" not in state.far_sides
    step(state, LinksSeen((dataclasses.replace(report, under_way=0),)), 10.6)
    assert far.queued(10.6) == 0.0
