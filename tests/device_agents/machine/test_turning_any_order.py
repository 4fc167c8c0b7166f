"""Any order of links, requests, answers and losses: the page that is taken is one that may be, and not a dear one."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine import step
from device_agents.machine.commands import Command, Fail, OpenPieces, Refuse, Reply, RunSegment, SendStage
from device_agents.machine.events import (
    Event,
    LinksSeen,
    PeerDown,
    PeerUp,
    PiecesOpened,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
    Timing,
)
from device_agents.machine.state import MAX_TURNS, State, validate
from device_agents.machine.turning import LEAST_GAIN
from lepton_edge.core.frames import Hop, WireError
from lepton_edge.core.messages import LinkReport
from partitioner.plan import Block, Fused, Prediction, TurnRule

BROKEN = WireError("compute_failed", "broken", fault="device", retryable=True)
TURNING = ("local", "cloud-encoded", "cut-4")
SECONDS = st.floats(1e-4, 3.0)


class Trip:
    """A board whose pages turn, what may still happen to it, and what it has promised."""

    def __init__(self, world) -> None:
        self.world, self.now, self.count = world, 0.0, 0
        book = world.book("cloud-encoded")
        pages = tuple(
            dataclasses.replace(
                page, prediction=Prediction(0.06, 0.02 + 0.01 * at, 0.01, 0.02, 0.01, 900, 60)
            )
            for at, page in enumerate(book.pages)
        )
        spare = (Fused("board", 1, 5, Block(5, "onnx", (), ())),)
        book = dataclasses.replace(book, pages=pages, turning=TurnRule(TURNING), spare=spare)
        self.state: State = world.agent(book=book)
        self.possible: list[Event] = []
        self.accepted: list[object] = []
        self.ended: list[object] = []

    def happen(self, event: Event) -> None:
        for command in step(self.state, event, self.now):
            self._note(command)
        validate(self.state)
        assert len(self.state.turns) <= MAX_TURNS

    def ask(self) -> None:
        self.count += 1
        before = set(self.state.works)
        commands = self.world.ask(self.state, now=self.now, request_id=f"r{self.count}")
        taken = [work for key, work in self.state.works.items() if key not in before]
        if any(isinstance(one, Refuse) for one in commands):
            assert not taken
            return
        self.accepted.append(f"r{self.count}")
        for work in taken:
            self._judge(work)
        for command in commands:
            self._note(command)
        validate(self.state)

    def _judge(self, work) -> None:
        held = self.state.epochs[work.epoch]
        choice = held.turner.choices[work.route.first, work.wanted]
        assert work.page in (*TURNING, held.book.fallback)
        if choice.page in choice.costs and not work.reason.startswith("taken this once"):
            least = min(choice.costs.values(), key=lambda cost: cost.value)
            taken = choice.costs[choice.page]
            lot = taken.far - taken.usual + least.noise + taken.noise
            by_lot = self.now < choice.crowded or lot > 0
            assert taken.value <= least.value * (1 + 2 * LEAST_GAIN) + lot or by_lot

    def _note(self, command: Command) -> None:
        match command:
            case RunSegment():
                forward = tuple(
                    self.world.tensor(one.tensor, "float32", (1, 8), 32) for one in command.forward
                )
                outputs = tuple(self.world.tensor(name, "float32", (1, 5), 20) for name in command.outputs)
                self.possible.append(
                    SegmentDone(command.work, command.run, Timing(compute=0.01), forward, outputs)
                )
                self.possible.append(SegmentFailed(command.work, command.run, BROKEN))
            case SendStage():
                hops = (
                    Hop("cloud", 4, 5, queue=0.1 * (self.count % 3), total=0.02 + 0.1 * (self.count % 3)),
                )
                self.possible.append(
                    StageReplied(command.work, self.world.answer(command.frame, hops=hops), command.peer)
                )
                self.possible.append(StageLost(command.work, "the link was lost", command.peer))
                self.possible.append(TimerFired(command.work, "patience"))
            case OpenPieces():
                self.possible.append(PiecesOpened(command.key, command.first, command.last))
                self.possible.append(PiecesOpened(command.key, command.first, command.last, error=BROKEN))
            case Reply() | Fail():
                self.ended.append(command.work.request_id)

    def finish(self) -> None:
        """Let everything end."""
        while self.state.works:
            work = next(iter(self.state.works))
            self.now += 1.0
            self.happen(TimerFired(work, "deadline"))


STEPS = st.one_of(
    st.tuples(st.just("ask"), st.just(0.0)),
    st.tuples(st.just("link"), st.floats(1e3, 1e8)),
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("happen"), st.floats(0.0, 0.999)),
    st.tuples(st.sampled_from(["up", "down"]), st.just(0.0)),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_every_request_ends_once_and_on_a_page_that_may_be_taken(world, steps) -> None:
    trip = Trip(world)
    for what, amount in steps:
        if what == "ask":
            trip.ask()
        elif what == "wait":
            trip.now += amount
        elif what == "link":
            trip.happen(LinksSeen((LinkReport("cloud", up=amount, down=amount, round_trip=0.01, samples=3),)))
        elif what in ("up", "down"):
            trip.happen(PeerUp("cloud") if what == "up" else PeerDown("cloud"))
        elif trip.possible:
            trip.happen(trip.possible.pop(int(amount * len(trip.possible))))
    trip.finish()
    assert sorted(trip.ended) == sorted(trip.accepted)
