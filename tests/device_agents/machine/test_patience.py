"""How long a far side is waited for."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import step
from device_agents.machine.commands import Command, Reply, RunSegment, SetTimer
from device_agents.machine.events import LinksSeen, SegmentDone, StageReplied, TimerFired
from device_agents.machine.pricing import turner_of
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.messages import LinkReport
from partitioner.plan import TurnRule

MEGABYTE = 1 << 20


def _sent(world, state, name: str, now: float, size: int = 32, **fields):
    """Send a request to the cloud; return its work and how long it is waited for by a device that is busy."""
    run = world.only(world.ask(state, request_id=name, now=now, **fields), RunSegment)
    mid = world.tensor("mid", "float32", (1, 8), size)
    timer = world.only(step(state, SegmentDone(run.work, 1, forward=(mid,)), now), SetTimer)
    waited = state.works[run.work].asks["cloud"].begin_by - now
    assert timer.delay <= waited + 1e-9
    return run.work, waited


def _answer(world, state, work, now: float) -> list[Command]:
    frame = Frame(FrameKind.REPLY, work.request_id, tensors=_outputs(world))
    return step(state, StageReplied(work, frame, "cloud"), now)


def _outputs(world):
    return tuple(world.tensor(f"y@{name}", kind, (1, 5)) for name, kind in KINDS.items())


KINDS = {"scores": "float32", "indices": "int64"}


def test_it_is_what_is_predicted_and_a_fifth_of_a_second(world) -> None:
    _, delay = _sent(world, world.agent(), "r1", 10.0)
    assert delay == pytest.approx(0.04 + 0.01 + 0.03 + 0.2)


def test_a_link_that_became_slow_is_given_its_time(world) -> None:
    state = world.agent()
    step(state, LinksSeen((LinkReport("cloud", up=1e6, down=1e6, round_trip=0.05, samples=9),)), 0.0)
    _, quick = _sent(world, state, "r1", 10.0, MEGABYTE // 8)
    assert quick == pytest.approx(0.05 + 0.131 + 0.01 + 0.2 + 0.05 * 3.3, abs=0.02), "with TCP's slow start"
    _, warm = _sent(world, state, "r2", 20.0, MEGABYTE // 8)
    step(state, LinksSeen((LinkReport("cloud", up=1e5, down=1e6, round_trip=0.05, samples=9),)), 20.0)
    _, slow = _sent(world, state, "r3", 40.0, MEGABYTE // 8)
    assert slow > warm + 1.1


def test_an_idle_device_waits_for_half_of_the_margin(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, request_id="r1", now=10.0), RunSegment)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    timer = world.only(step(state, SegmentDone(run.work, 1, forward=(mid,)), 10.0), SetTimer)
    assert timer.delay == pytest.approx(0.08 + 0.1)


def test_an_idle_device_whose_own_runs_stray_begins_sooner(world) -> None:
    book = dataclasses.replace(world.book(), turning=TurnRule(("local", "cut-4")))
    state = world.agent(book=book)
    (held,) = state.epochs.values()
    for number in range(40):
        turner_of(state, held).own.note(("local", 0, 5), 0.08, 0.07 if number % 2 else 0.09, float(number))
    run = world.only(world.ask(state, request_id="next", page="cut-4", now=50.0), RunSegment)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    timer = world.only(step(state, SegmentDone(run.work, 1, forward=(mid,)), 50.0), SetTimer)
    assert 0.08 + 0.05 <= timer.delay < 0.08 + 0.085


def test_the_margin_and_what_strays_are_not_waited_for_one_after_the_other(world) -> None:
    """RFC 6298: the larger of the two counts; together they held a lost request up for longer than either."""
    state = world.agent()
    for number in range(60):
        work, _ = _sent(world, state, f"r{number}", float(number))
        _answer(world, state, work, number + (0.13 if number % 2 else 0.17))
    assert _sent(world, state, "next", 61.0)[1] == pytest.approx(0.15 + 0.2, abs=0.02)


@pytest.mark.parametrize(("p99", "margin"), [(0.0, 0.2), (0.05, 0.2), (0.1, 0.3), (3.0, 0.6)])
def test_a_link_that_strays_is_given_three_times_that_but_no_break_of_it(world, p99, margin) -> None:
    state = world.agent()
    step(state, LinksSeen((LinkReport("cloud", up=1e9, down=1e9, round_trip=0.05, p99=p99),)), 0.0)
    _sent(world, state, "r0", 9.5)
    assert _sent(world, state, "r1", 10.0)[1] == pytest.approx(0.05 + 2 * 0.01 + margin, abs=0.001)


def test_the_first_burst_is_waited_for_behind_what_is_on_the_link(world) -> None:
    """Ten of them at once take ten times as long on the line, before anything was ever measured."""
    state = world.agent()
    delays = [_sent(world, state, f"r{number}", 10.0)[1] for number in range(10)]
    steps = [b - a for a, b in zip(delays, delays[1:], strict=False)]
    assert steps == pytest.approx([0.04 + 0.01] * 9), "the line's and the cloud's part of each"


def test_a_far_side_that_is_busy_is_waited_for_as_it_took_of_late(world) -> None:
    state = world.agent()
    for number in range(40):
        work, _ = _sent(world, state, f"r{number}", float(number))
        _answer(world, state, work, number + 0.8)
    assert _sent(world, state, "next", 41.0)[1] == pytest.approx(1.0)


def test_what_waits_behind_others_waits_on_while_these_are_answered(world) -> None:
    """A burst at a far side that is slower than predicted: each answer shows that it is busy, and how much."""
    state = world.agent()
    works = [_sent(world, state, f"r{number}", 0.0)[0] for number in range(12)]
    waiting = {work: 0.28 + 0.05 * place for place, work in enumerate(works)}
    commands: list[Command] = []
    for place in range(12):
        now = 0.15 * (place + 1)
        for work in [work for work, due in waiting.items() if due <= now]:
            commands += (told := step(state, TimerFired(work, "patience"), waiting[work]))
            waiting[work] += world.only(told, SetTimer).delay
        commands += (told := _answer(world, state, works[place], now))
        assert world.only(told, Reply).frame.page == "cut-4", "its far answer ended it"
        del waiting[works[place]]
    waited_on = {command.work for command in commands if isinstance(command, SetTimer)}
    assert waited_on == set(works[2:]), "the first two were answered in time"
    assert not [command for command in commands if isinstance(command, RunSegment)], "none began here"
    assert state.works == {}


def test_a_callers_many_wait_on_while_the_others_few_are_answered(world) -> None:
    """Queues are fair: who has 8 requests at a time waits 8 times as long, and that is no reason to answer here."""
    state = world.agent()
    few = [_sent(world, state, f"few-{number}", 0.05 * number)[0] for number in range(6)]
    many, waits = _sent(world, state, "many", 0.25)
    due, fired = 0.25 + waits, 0
    for number in range(6, 25):
        now = 0.05 * number
        while due <= now:
            due, fired = (
                due + world.only(step(state, TimerFired(many, "patience"), due), SetTimer).delay,
                fired + 1,
            )
            assert state.works[many].asks["cloud"].begin_by == pytest.approx(due)
        _answer(world, state, few.pop(0), now)
        few.append(_sent(world, state, f"few-{number}", now)[0])
    assert fired
    late = step(state, TimerFired(many, "patience"), 3.0)
    runs = [command for command in late if isinstance(command, RunSegment)]
    assert (runs[0].work, runs[0].first) == (many, 4), "but not for ever"
    assert [run.work for run in runs[1:]] == few, (
        "and those of whom nothing was heard either find it out with it"
    )


def test_what_was_answered_before_a_link_died_gives_nobody_more_time(world) -> None:
    state = world.agent()
    first, _ = _sent(world, state, "r1", 0.0)
    second, delay = _sent(world, state, "r2", 0.0)
    _answer(world, state, first, 0.06)
    assert world.only(step(state, TimerFired(second, "patience"), delay), RunSegment).first == 4


def test_one_that_scatters_is_waited_for_longer(world) -> None:
    state = world.agent()
    for number in range(60):
        work, _ = _sent(world, state, f"r{number}", float(number))
        _answer(world, state, work, number + (0.2 if number % 2 else 0.6))
    assert 1.1 < _sent(world, state, "next", 61.0)[1] < 1.6


def test_nobody_is_waited_for_longer_than_ten_seconds_and_the_margin(world) -> None:
    state = world.agent()
    for number in range(8):
        work, _ = _sent(world, state, f"r{number}", 50.0 * number)
        _answer(world, state, work, 50.0 * number + 30.0)
    assert _sent(world, state, "next", 385.0)[1] == pytest.approx(10.2)


def test_what_is_noted_of_one_page_is_not_held_against_another(world) -> None:
    state = world.agent()
    for number in range(9):
        work, _ = _sent(world, state, f"r{number}", float(number))
        _answer(world, state, work, number + 0.9)
    jpeg = world.only(world.ask(state, request_id="j", now=10.0, page="cloud-jpeg"), RunSegment)
    step(state, SegmentDone(jpeg.work, 1), 10.0)
    assert state.works[jpeg.work].asks["cloud"].patience == pytest.approx(0.28)


def test_a_deadline_that_leaves_no_time_for_an_answer_from_here_leaves_all_of_it_to_the_far_side(
    world,
) -> None:
    _, delay = _sent(world, world.agent(), "r1", 10.0, remaining_ms=220)
    assert delay == pytest.approx(0.28)


def test_what_waits_here_is_kept_free_too(world) -> None:
    state = world.agent()
    next(iter(state.epochs.values())).wait = 0.05
    _, delay = _sent(world, state, "r1", 10.0, remaining_ms=500)
    assert delay == pytest.approx(0.5 * 0.9 - 0.24 - 0.05)


def test_a_page_predicted_slow_is_given_its_time(world) -> None:
    book = world.book()
    slow = dataclasses.replace(book.pages[3].prediction, cloud=2.0)
    pages = (*book.pages[:3], dataclasses.replace(book.pages[3], prediction=slow))
    state = world.agent(book=dataclasses.replace(book, pages=pages))
    assert _sent(world, state, "r1", 10.0)[1] == pytest.approx(2.27)


# --- a link that became slow while a request was on it ----------------------------------------------


def _slows(world, state, seen: float) -> None:
    """Tell at 10.2 that most of what was sent is still under way, at a tenth of the rate, as was seen `seen` s ago."""
    report = LinkReport("cloud", up=1e5, down=1e6, round_trip=0.01, samples=9, age=seen, under_way=100_000)
    step(state, LinksSeen((report,)), 10.2)


@pytest.fixture
def crossing(world):
    """A request of 128 kB is on its way since 10.0, on a link that was quick until then; one waits for 0.35 s."""
    state = world.agent()
    step(state, LinksSeen((LinkReport("cloud", up=1e6, down=1e6, round_trip=0.01, samples=9),)), 9.0)
    work, waits = _sent(world, state, "r1", 10.0, MEGABYTE // 8)
    return state, work, 10.0 + waits


def test_one_whose_link_became_slow_is_late_but_not_suspected(world, crossing) -> None:
    state, work, due = crossing
    _slows(world, state, 0.01)
    late = step(state, TimerFired(work, "patience"), due)
    assert world.only(late, RunSegment).first == 4, "the board begins beside it"
    assert not state.far_sides["cloud"].suspected
    again = world.only(late, SetTimer).delay
    assert 0.8 < again < 1.5, "the rest of its bytes at the rate of now, and the margin"
    step(state, TimerFired(work, "patience"), due + again)
    assert state.far_sides["cloud"].suspected, "then it is overdue for good"


def test_one_whose_link_has_shown_nothing_since_is_suspected(world, crossing) -> None:
    """What is overdue on a link says that it is slow, too; but nobody has acknowledged anything."""
    state, work, due = crossing
    _slows(world, state, 0.9)
    late = step(state, TimerFired(work, "patience"), due)
    assert world.only(late, RunSegment)
    assert state.far_sides["cloud"].suspected


def test_one_that_was_suspected_a_moment_too_early_is_cleared_by_its_link(world, crossing) -> None:
    """The first of its chunks was acknowledged after the alarm: it has not even got the request."""
    state, work, due = crossing
    _slows(world, state, 0.9)
    step(state, TimerFired(work, "patience"), due)
    far = state.far_sides["cloud"]
    assert far.suspected
    report = LinkReport("cloud", up=1e5, down=1e6, round_trip=0.01, samples=10, under_way=70_000)
    step(state, LinksSeen((report,)), due + 0.05)
    assert not far.suspected


def test_one_that_was_given_up_on_its_slow_way_is_not_suspected_for_that(world, crossing) -> None:
    state, work, due = crossing
    _slows(world, state, 0.01)
    here = world.only(step(state, TimerFired(work, "patience"), due), RunSegment)
    outputs = tuple(world.tensor(f"y@{name}", kind, (1, 5)) for name, kind in KINDS.items())
    done = step(state, SegmentDone(here.work, here.run, outputs=outputs), due + 0.24)
    assert world.only(done, Reply).frame.reason.startswith("fallback: cloud did not answer within")
    assert not state.far_sides["cloud"].suspected


def test_a_device_that_is_slower_now_than_planned_begins_earlier(world) -> None:
    """A throttled board would be too late by the plan's own seconds."""
    book = dataclasses.replace(world.book(), turning=TurnRule(("local", "cut-4")))
    state = world.agent(book=book)
    world.ask(state, request_id="r0", now=1.0)
    held = next(iter(state.epochs.values()))
    for number in range(20):
        held.turner.own.note(("local", 0, 5), 0.24, 0.36, 2.0 + 0.1 * number)
    _, delay = _sent(world, state, "r1", 4.0, remaining_ms=700, page="cut-4")
    assert delay == pytest.approx(0.7 * 0.9 - 0.36, abs=0.01)


def test_what_a_slow_link_took_is_not_waited_for_when_it_is_quick_again(world) -> None:
    """Else a far side that is gone after that costs a request as much as the link did before."""
    state = world.agent()
    slow, quick = (LinkReport("cloud", up=rate, down=1e6, round_trip=0.01, samples=9) for rate in (1e5, 1e7))
    step(state, LinksSeen((slow,)), 0.0)
    for number in range(6):
        work, _ = _sent(world, state, f"r{number}", 3.0 * number, MEGABYTE // 8)
        _answer(world, state, work, 3.0 * number + 1.4)
    assert _sent(world, state, "slow", 18.0, MEGABYTE // 8)[1] > 1.5
    step(state, LinksSeen((quick,)), 20.5)
    assert _sent(world, state, "quick", 30.0, MEGABYTE // 8)[1] < 0.5
