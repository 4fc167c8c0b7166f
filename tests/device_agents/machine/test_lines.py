"""The lines of a model: block, newest, oldest; what runs is never replaced."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine import step
from device_agents.machine.commands import Fail, Refuse, Reply, RunSegment, SendStage
from device_agents.machine.events import (
    CancelArrived,
    LinkClosed,
    RequestArrived,
    SegmentDone,
    StageReplied,
    TimerFired,
)
from device_agents.machine.lines import enough_in_flight, line_rule
from device_agents.machine.state import queue_reports, validate
from lepton_edge.core.messages import QueueReport
from partitioner.plan import Page, Prediction, QueueRule, Stage

STAGES = (Stage("board", 0, 4), Stage("cloud", 4, 5))


class Camera:
    """An agent whose model has a queue rule, and one caller of it."""

    def __init__(self, world, rule, page="local") -> None:
        self.world, self.page = world, page
        self.state = world.agent(book=dataclasses.replace(world.book(), queue=rule))
        self.now = 0.0

    def sees(self, name, flow="camera", **fields):
        return self.happens(RequestArrived(1, self.world.request(name, page=self.page, **fields), flow))

    def done(self, name):
        return self.happens(SegmentDone(self.work(name), 1))

    def work(self, name):
        return next(key for key in self.state.works if key.request_id == name)

    def happens(self, event):
        self.now += 0.01
        commands = step(self.state, event, self.now)
        validate(self.state)
        return commands

    def phases(self):
        return {key.request_id: work.phase for key, work in self.state.works.items()}


def runs(commands):
    """Which requests begin."""
    return [command.work.request_id for command in commands if isinstance(command, RunSegment)]


def ended(commands):
    """Which requests end, and with what."""
    return {
        command.work.request_id: command.frame.error.code if isinstance(command, Fail) else "answered"
        for command in commands
        if isinstance(command, (Reply, Fail))
    }


def test_newest_replaces_what_waits_and_never_what_runs(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    assert runs(camera.sees("1")) == ["1"]
    assert ended(camera.sees("2")) == {}
    assert ended(camera.sees("3")) == {"2": "superseded"}
    assert camera.phases() == {"1": "local", "3": "waiting"}
    commands = camera.done("1")
    assert (ended(commands), runs(commands)) == ({"1": "answered"}, ["3"])


def test_a_superseded_request_is_told_why_and_not_to_try_again(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    for name in "12":
        camera.sees(name)
    error = world.only(camera.sees("3"), Fail).frame.error
    assert (error.code, error.fault, error.retryable) == ("superseded", "caller", False)
    assert "a newer request for net" in error.message
    assert camera.state.failed == 0, "as asked for: nothing failed"


def test_oldest_refuses_the_newer_while_one_waits(world) -> None:
    camera = Camera(world, QueueRule("oldest"))
    camera.sees("1")
    camera.sees("2")
    refused = world.only(camera.sees("3"), Refuse).frame.error
    assert (refused.code, refused.retryable) == ("overloaded", True)
    assert refused.retry_after_ms > 0
    assert runs(camera.done("1")) == ["2"]
    assert ended(camera.sees("4")) == {}


def test_block_with_a_limit_refuses_beyond_it_and_keeps_the_order(world) -> None:
    camera = Camera(world, QueueRule("block", limit=2))
    for name in "123":
        camera.sees(name)
    assert world.only(camera.sees("4"), Refuse).frame.error.code == "overloaded"
    assert runs(camera.done("1")) == ["2"]
    assert runs(camera.done("2")) == ["3"]


def test_without_a_rule_all_go_to_the_engine_at_once(world) -> None:
    camera = Camera(world, QueueRule())
    assert [runs(camera.sees(name)) for name in "123"] == [["1"], ["2"], ["3"]]
    assert camera.state.lines.lines == {}


def test_callers_do_not_replace_each_other(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    for name, flow in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")):
        assert ended(camera.sees(name, flow)) == {}
    assert ended(camera.sees("5", "b")) == {"4": "superseded"}


def test_what_waits_ends_at_its_deadline_and_never_runs(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    camera.sees("1")
    camera.sees("2", remaining_ms=50)
    assert ended(camera.happens(TimerFired(camera.work("2"), "deadline"))) == {"2": "deadline_exceeded"}
    assert runs(camera.done("1")) == []
    assert camera.state.lines.lines == {}


def test_what_waits_can_be_cancelled_and_what_runs_makes_place(world) -> None:
    camera = Camera(world, QueueRule("block", in_flight=1))
    for name in "123":
        camera.sees(name)
    assert ended(camera.happens(CancelArrived(1, "2"))) == {"2": "cancelled"}
    assert runs(camera.happens(CancelArrived(1, "1"))) == ["3"]


def test_the_wait_in_line_is_told_as_queue_time_and_is_no_slowness(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    camera.sees("1")
    camera.sees("2")
    camera.now = 5.0
    camera.done("1")
    hop = world.only(camera.done("2"), Reply).frame.hops[0]
    assert hop.queue == pytest.approx(4.99, abs=0.01)
    ((_, times),) = camera.state.stages.items()
    assert (times.count, max(times.totals) < 6) == (2, True)


def test_a_pipeline_is_kept_full_and_no_more(world) -> None:
    """As many at a time as the page has stages' worth of work: here 0.1 s latency, 0.04 s in the slowest."""
    rule, page = QueueRule("newest"), world.book().page("cut-4")
    piped = dataclasses.replace(page, prediction=dataclasses.replace(page.prediction, bottleneck=0.04))
    book = dataclasses.replace(world.book(), queue=rule, pages=(world.book().pages[0], piped))
    camera = Camera(world, rule, "cut-4")
    camera.state = world.agent(book=book)
    assert [runs(camera.sees(name)) for name in "12345"] == [["1"], ["2"], ["3"], [], []]
    sent = world.only(camera.happens(SegmentDone(camera.work("1"), 1)), SendStage)
    assert sent.frame.flow == "board/camera"
    replied = camera.happens(StageReplied(camera.work("1"), world.answer(sent.frame)))
    assert runs(replied) == ["5"]


def test_the_heartbeat_tells_how_requests_fare(world) -> None:
    camera = Camera(world, QueueRule("newest"))
    assert queue_reports(camera.state) == (QueueReport("net", 0, 0, 0.0),)
    for name in "12":
        camera.sees(name)
    assert queue_reports(camera.state) == (QueueReport("net", 2, 1, 0.0),)
    for name in "12":
        camera.done(name)
    (told,) = queue_reports(camera.state)
    assert (told.active, told.waiting) == (0, 0)
    assert told.wait == pytest.approx(0.2 * 0.01), (
        "the first did not wait, the second a hundredth of a second"
    )


@pytest.mark.parametrize(
    ("latency", "bottleneck", "expected"),
    [(0.1, 0.1, 1), (0.1, 0.05, 2), (0.1, 0.049, 2), (0.1, 0.03, 4), (9.0, 0.01, 16), (0.1, 0.0, 2)],
)
def test_how_many_keep_the_slowest_stage_busy(latency, bottleneck, expected) -> None:
    prediction = Prediction(latency, 0, 0, 0, 0, 0, 0, bottleneck=bottleneck)
    assert enough_in_flight(Page("p", STAGES, prediction)) == expected


def test_a_policy_of_a_later_version_is_block(world) -> None:
    assert line_rule(QueueRule("fair-weather"), world.book().pages[0]) is None


RULES = [
    QueueRule("newest", in_flight=1),
    QueueRule("newest", limit=2, in_flight=2),
    QueueRule("oldest", in_flight=1),
    QueueRule("oldest", limit=3, in_flight=2),
    QueueRule("block", in_flight=1),
    QueueRule("block", limit=2),
]
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["see", "see", "see", "done", "cancel", "late", "gone"]), st.integers(0, 20)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(rule=st.sampled_from(RULES), happenings=HAPPENINGS)
def test_every_accepted_request_ends_once_and_what_runs_is_never_replaced(world, rule, happenings) -> None:
    trip = Camera(world, rule)
    accepted, ends, begun = [], [], []
    for number, (what, which) in enumerate(happenings):
        before = trip.phases()
        commands = _happen(trip, what, which, str(number))
        accepted += [key for key in trip.phases() if key not in before]
        superseded = [key for key, how in ended(commands).items() if how == "superseded"]
        assert all(before[key] == "waiting" for key in superseded)
        ends += ended(commands)
        begun += runs(commands)
        _check_lines(trip.state, rule)
    while trip.state.works:
        commands = trip.done(next(key for key, phase in trip.phases().items() if phase == "local"))
        ends += ended(commands)
        begun += runs(commands)
    assert sorted(ends) == sorted(accepted)
    assert len(begun) == len(set(begun))
    assert trip.state.lines.lines == {}


def _happen(trip, what, which, name):
    """Do one thing; `which` chooses who asks, or of the requests there are."""
    if what == "see":
        return trip.sees(name, flow="ab"[which % 2])
    keys = [key for key, work in trip.state.works.items() if what != "done" or work.phase == "local"]
    if not keys:
        return []
    key = keys[which % len(keys)]
    events = {
        "done": SegmentDone(key, 1),
        "cancel": CancelArrived(1, key.request_id),
        "late": TimerFired(key, "deadline"),
        "gone": LinkClosed(1),
    }
    return trip.happens(events[what])


def _check_lines(state, rule) -> None:
    for line in state.lines.lines.values():
        assert line.running <= (rule.in_flight or 2)
        assert not line.waiting or line.running == (rule.in_flight or line.running)
        assert not rule.limit or len(line.waiting) <= rule.limit
