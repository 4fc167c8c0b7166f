"""A stage is tried with zeros for who asks whether it could compute."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine import step
from device_agents.machine.commands import Answer, Fail, Refuse, Release, Reply, RunSegment
from device_agents.machine.events import (
    CancelArrived,
    CoordinatorSaid,
    LinkClosed,
    RequestArrived,
    SegmentDone,
    SegmentFailed,
)
from device_agents.machine.selftest import FRESH, MAX_ASKERS
from device_agents.machine.state import load_reports, validate
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.messages import Retire
from partitioner.plan import Replica

BROKEN = WireError("compute_failed", "the engine broke", fault="device", retryable=True)
OUTPUTS = ("y@scores", "y@indices")


class Cloud:
    """A replica that is asked whether it could stand in."""

    def __init__(self, world) -> None:
        book = dataclasses.replace(world.book(), replicas=(Replica("cloud-2", "cloud"),))
        self.world, self.now, self.count = world, 0.0, 0
        self.state = world.agent("cloud-2", hold=(2, 3, 4), book=book)

    def happens(self, event):
        commands = step(self.state, event, self.now)
        validate(self.state)
        return commands

    def asked(self, link: int = 1, **fields):
        self.count += 1
        fields = {"epoch": 1, "page": "cut-4", "first_block": 4, "outputs": OUTPUTS, **fields}
        frame = Frame(FrameKind.REQUEST, f"q{self.count}", model="net", **fields)
        return self.happens(RequestArrived(link, frame))

    def computes(self, run: RunSegment):
        return self.happens(SegmentDone(run.work, run.run))

    def serves(self) -> RunSegment:
        """Let a request come, and return its run."""
        self.count += 1
        mid = self.world.tensor("mid", "float32", (1, 8), 32)
        fields = {"epoch": 1, "page": "cut-4", "first_block": 4, "outputs": OUTPUTS}
        return self.world.only(
            self.world.ask(self.state, now=self.now, request_id=f"r{self.count}", tensors=(mid,), **fields),
            RunSegment,
        )

    def answers(self, commands) -> list[tuple[int, str, str]]:
        return [
            (one.link, one.frame.request_id, one.frame.error.code if one.frame.error else "")
            for one in commands
            if isinstance(one, Answer | Refuse)
        ]


@pytest.fixture
def cloud(world) -> Cloud:
    return Cloud(world)


def test_it_computes_zeros_and_says_yes_then(cloud) -> None:
    commands = cloud.asked()
    run = cloud.world.only(commands, RunSegment)
    assert cloud.answers(commands) == []
    assert (run.first, run.last, run.outputs) == (4, 5, OUTPUTS)
    assert [(one.name, one.shape, bytes(one.payload)) for one in run.tensors] == [("mid", (1, 8), bytes(32))]
    done = cloud.computes(run)
    assert cloud.answers(done) == [(1, "q1", "")]
    assert cloud.world.only(done, Release).work == run.work
    assert not cloud.state.tests


def test_within_a_minute_it_says_yes_at_once_and_tries_again_after(cloud) -> None:
    cloud.computes(cloud.world.only(cloud.asked(), RunSegment))
    cloud.now += FRESH
    assert cloud.answers(cloud.asked()) == [(1, "q2", "")]
    cloud.now += 1
    assert cloud.answers(cloud.asked()) == []


def test_what_computed_a_request_needs_no_other_proof(cloud) -> None:
    cloud.now = 500.0
    cloud.computes(cloud.serves())
    assert cloud.answers(cloud.asked()) == [(1, "q2", "")]


def test_a_broken_engine_says_no_and_is_tried_again(cloud) -> None:
    run = cloud.world.only(cloud.asked(), RunSegment)
    assert cloud.answers(cloud.happens(SegmentFailed(run.work, run.run, BROKEN))) == [
        (1, "q1", "compute_failed")
    ]
    assert cloud.world.only(cloud.asked(), RunSegment).work != run.work


def test_one_run_serves_all_that_ask_and_they_are_bounded(cloud) -> None:
    run = cloud.world.only(cloud.asked(link=1), RunSegment)
    for link in range(2, MAX_ASKERS + 1):
        assert cloud.asked(link=link) == []
    assert [code for *_, code in cloud.answers(cloud.asked(link=99))] == ["overloaded"]
    assert len(cloud.answers(cloud.computes(run))) == MAX_ASKERS


def test_who_is_gone_is_not_answered(cloud) -> None:
    run = cloud.world.only(cloud.asked(link=1), RunSegment)
    cloud.asked(link=2)
    cloud.asked(link=3)
    cloud.happens(LinkClosed(1))
    cloud.happens(CancelArrived(2, "q2"))
    assert cloud.answers(cloud.computes(run)) == [(3, "q3", "")]


def test_an_epoch_that_ends_ends_what_is_tried_of_it(cloud) -> None:
    run = cloud.world.only(cloud.asked(), RunSegment)
    ended = cloud.happens(CoordinatorSaid(Retire("t", "net", 1)))
    assert cloud.answers(ended) == [(1, "q1", "stale_epoch")]
    assert cloud.world.only(ended, Release).work == run.work
    assert cloud.computes(run) == []


@pytest.mark.parametrize("shape", [("n", 8), (4096, 4096)], ids=["unknown", "large"])
def test_sizes_that_are_not_known_or_large_are_not_made_up(cloud, shape) -> None:
    held = cloud.state.epochs["net", 1]
    other = dataclasses.replace(held.book.frontiers[4].tensors[0], shape=shape)
    border = dataclasses.replace(held.book.frontiers[4], tensors=(other,))
    held.book = dataclasses.replace(
        held.book, frontiers=(*held.book.frontiers[:4], border, held.book.frontiers[5])
    )
    assert cloud.answers(cloud.asked()) == [(1, "q1", "")]


def test_a_question_that_names_no_outputs_only_asks_what_is_open(cloud) -> None:
    assert cloud.answers(cloud.asked(outputs=())) == [(1, "q1", "")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"epoch": 7}, "stale_epoch"),
        ({"page": "cut-9"}, "unknown_page"),
        ({"first_block": 9}, "corrupt_frame"),
        ({"outputs": ("nothing",)}, "corrupt_frame"),
    ],
)
def test_nonsense_is_refused(cloud, fields, code) -> None:
    assert cloud.answers(cloud.asked(**fields)) == [(1, "q1", code)]
    assert not cloud.state.tests


def test_it_is_no_request(cloud) -> None:
    run = cloud.world.only(cloud.asked(), RunSegment)
    assert (cloud.state.works, cloud.state.room.requests) == ({}, 0)
    cloud.computes(run)
    assert (cloud.state.served, cloud.state.failed, load_reports(cloud.state)) == (0, 0, ())


MOVES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "close"]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["done", "fail"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 30.0, 61.0])),
        st.tuples(st.just("serve"), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(moves=MOVES)
def test_each_question_is_answered_once_and_yes_only_when_it_computed_within_the_minute(world, moves) -> None:
    cloud, runs, open_to, answered = Cloud(world), [], {}, set()
    computed = -1e9

    def note(commands) -> None:
        runs.extend(one for one in commands if isinstance(one, RunSegment))
        for link, question, error in cloud.answers(commands):
            assert question not in answered
            assert open_to.pop(question) == link
            answered.add(question)
            assert error or cloud.now - computed <= FRESH
        assert not any(
            isinstance(one, Reply | Fail) and "selftest" in one.work.request_id for one in commands
        )

    for kind, value in [*moves, *[("done", 0)] * len(moves)]:
        if kind == "ask":
            open_to[f"q{cloud.count + 1}"] = value
            note(cloud.asked(link=value))
        elif kind == "close":
            open_to = {name: link for name, link in open_to.items() if link != value}
            note(cloud.happens(LinkClosed(value)))
        elif kind == "serve":
            note([cloud.serves()])
        elif kind == "wait":
            cloud.now += value
        elif runs:
            run = runs.pop(value % len(runs))
            computed = cloud.now if kind == "done" else computed
            note(cloud.computes(run) if kind == "done" else cloud.happens(SegmentFailed(run.work, 1, BROKEN)))
    assert open_to == {}, "all of them are answered in the end"
