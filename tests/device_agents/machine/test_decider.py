"""Every accepted request ends in exactly one Reply or Fail, whatever the order of events."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine import State, step
from device_agents.machine.commands import (
    Command,
    Fail,
    Refuse,
    Release,
    Reply,
    Resend,
    RunSegment,
    SendStage,
    SetTimer,
)
from device_agents.machine.events import (
    CancelArrived,
    CoordinatorSaid,
    EpochKey,
    EpochOpened,
    EpochRefused,
    Event,
    LinkClosed,
    LinksSeen,
    PeerDown,
    PeerUp,
    RequestArrived,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
)
from device_agents.machine.state import validate
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.messages import Activate, Drain, LinkReport, Prepare, Retire
from partitioner.plan import QueueRule, Replica, TurnRule

BROKEN = WireError("compute_failed", "broken", fault="device", retryable=True)
CALLERS = WireError("invalid_input", "bad", fault="caller")


TURNING = TurnRule(("local", "cloud-encoded", "cloud-jpeg", "cut-4"))
STAND_INS = (Replica("spare", "cloud"),)
PAUSES = [0.001, 0.01, 0.01, 0.3, 2.0, 20.0, 86_400.0]
RULES = [
    QueueRule(),
    QueueRule("newest"),
    QueueRule("newest", limit=2, in_flight=1),
    QueueRule("oldest", in_flight=1),
    QueueRule("block", limit=2),
    QueueRule("block", in_flight=1),
    QueueRule("a policy of tomorrow"),
]


class Trip:
    """An agent, everything that may happen to it, and what it has promised."""

    def __init__(self, world, hold, rule) -> None:
        self.world = world
        book = dataclasses.replace(world.book(), queue=rule, turning=TURNING, replicas=STAND_INS)
        self.state = world.agent(hold=hold, book=book, queue_limit=6, queue_bytes=420)
        self.now = 0.0
        self.possible: list[Event] = []  # outcomes, some of them twice, in any order
        self.accepted: list[object] = []
        self.ended: list[object] = []

    def happen(self, event: Event, after: float = 0.01) -> None:
        self.now += after
        for command in step(self.state, event, self.now):
            self._note(command)
        validate(self.state)

    def _note(self, command: Command) -> None:
        work = getattr(command, "work", None)
        if isinstance(command, RunSegment):
            assert work in self.state.works, "what waits or has ended does not run"
            self.possible += [SegmentDone(work, command.run), SegmentFailed(work, command.run, BROKEN)]
        elif isinstance(command, SendStage):
            self.possible += [
                StageLost(work, "lost", command.peer),
                StageReplied(work, self.world.answer(command.frame), command.peer),
                StageReplied(work, self.world.answer(command.frame)),
                StageReplied(work, Frame(FrameKind.REPLY, command.frame.request_id)),
                StageReplied(work, Frame(FrameKind.ERROR, command.frame.request_id, error=BROKEN)),
                StageReplied(work, Frame(FrameKind.ERROR, command.frame.request_id, error=CALLERS)),
            ]
        elif isinstance(command, SetTimer):
            self.possible.append(TimerFired(work, command.timer))
            self.accepted += [work] if command.timer == "deadline" else []
        elif isinstance(command, Reply | Fail):
            self.ended.append(work)
        elif isinstance(command, Release):
            assert work in self.ended
        else:
            assert not isinstance(command, Refuse | Resend) or command not in self.accepted

    def finish(self) -> None:
        """Let every deadline pass."""
        for work in list(self.state.works):
            self.happen(TimerFired(work, "deadline"))


def _outside(world) -> st.SearchStrategy[Event]:
    """Everything that others may do, as often as they like."""
    frames = st.builds(
        world.request,
        request_id=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
        attempt=st.sampled_from([0, 0, 1]),
        page=st.sampled_from(["", "local", "cut-4", "cloud-jpeg", "no"]),
        remaining_ms=st.sampled_from([0, 100, -1]),
        degraded=st.booleans(),
    )
    links = st.integers(1, 2)
    epochs = st.sampled_from([1, 2])
    changed = dataclasses.replace(world.book(), active="local")
    lined = dataclasses.replace(world.book(), queue=QueueRule("newest", in_flight=1))
    turned = dataclasses.replace(world.book(), turning=TURNING, replicas=STAND_INS)
    books = st.sampled_from([world.book(), changed, lined, turned])
    said = st.one_of(
        st.builds(Prepare, st.just("p"), epochs, books, st.sampled_from([(0, 1, 2, 3, 4), (0, 1)])),
        st.builds(Activate, st.just("a"), st.just("net"), epochs, st.sampled_from([0.0, 0.0, 0.5])),
        st.builds(Drain, st.just("d"), st.just("net"), epochs),
        st.builds(Retire, st.just("t"), st.just("net"), epochs),
    )
    return st.one_of(
        st.builds(RequestArrived, links, frames, st.sampled_from(["", "a", "b"])),
        st.builds(CancelArrived, links, st.sampled_from(["a", "b"]), st.sampled_from([0, 0, 1])),
        st.builds(LinkClosed, links),
        st.sampled_from([PeerUp("cloud"), PeerDown("cloud"), PeerUp("spare"), PeerDown("spare")]),
        st.builds(LinksSeen, st.lists(_links(), max_size=2).map(tuple)),
        st.sampled_from([EpochRefused(EpochKey("net", 1), BROKEN), EpochRefused(EpochKey("net", 2), BROKEN)]),
        st.builds(CoordinatorSaid, said),
        st.builds(EpochOpened, st.builds(EpochKey, st.just("net"), epochs)),
    )


def _links() -> st.SearchStrategy[LinkReport]:
    rates = st.sampled_from([0.0, 1e3, 2e6])
    return st.builds(
        LinkReport,
        st.sampled_from(["cloud", "spare"]),
        st.booleans(),
        up=rates,
        down=rates,
        round_trip=st.sampled_from([0.0, 0.002, 1.0]),
        age=st.sampled_from([0.0, 10.0, 200.0]),
        p99=st.sampled_from([0.0, 0.1, 3.0]),
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data(), whole=st.booleans(), rule=st.sampled_from(RULES))
def test_every_accepted_request_ends_exactly_once(world, data, whole, rule) -> None:
    trip = Trip(world, (0, 1, 2, 3, 4) if whole else (0, 1, 2, 3), rule)
    outside = _outside(world)
    for _ in range(data.draw(st.integers(1, 40), label="length")):
        if trip.possible and data.draw(st.booleans(), label="an outcome?"):
            trip.happen(data.draw(st.sampled_from(trip.possible), label="outcome"))
        else:
            trip.happen(data.draw(outside, label="event"), data.draw(st.sampled_from(PAUSES), label="after"))
    trip.finish()
    assert trip.state.works == {}
    assert sorted(map(str, trip.ended)) == sorted(map(str, trip.accepted))


def test_an_event_for_nobody_changes_nothing(world) -> None:
    state = State("board")
    work = world.agent().works or ("r", 0, 0, 0, "", 0)
    for event in (
        SegmentDone(work, 1),
        SegmentFailed(work, 1, BROKEN),
        StageLost(work, ""),
        TimerFired(work, "deadline"),
    ):
        assert step(state, event, 0.0) == []
