"""What answers teach of the page that they took."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine.commands import RunSegment, SendStage
from device_agents.machine.decider import step
from device_agents.machine.events import LinksSeen, SegmentDone, StageReplied, TimerFired, Timing
from device_agents.machine.learning import reports
from lepton_edge.core.frames import Hop
from lepton_edge.core.messages import LinkReport
from partitioner.plan import TurnRule

OWN, FAR, NETWORK = 0.02, 0.01, 0.07


class Board:
    """A board that answers by way of the cloud, in the seconds that it is told."""

    def __init__(self, world) -> None:
        book = dataclasses.replace(world.book(), turning=TurnRule(("local", "cut-4")))
        self.world, self.state, self.now, self.count = world, world.agent(book=book), 10.0, 0
        link = LinkReport("cloud", up=1e5, down=1e5, round_trip=0.02, samples=9)
        step(self.state, LinksSeen((link,)), self.now)

    def ask(self, own=OWN, far=FAR, network=NETWORK, queue=0.0, **fields) -> None:
        self.count += 1
        run = self.world.only(
            self.world.ask(self.state, request_id=f"r{self.count}", now=self.now, **fields), RunSegment
        )
        mid = self.world.tensor("mid", "float32", (1, 8), 1000)
        self.now += own
        done = step(self.state, SegmentDone(run.work, 1, Timing(compute=own), (mid,)), self.now)
        sent = self.world.only(done, SendStage)
        self.now += far + queue + network
        hop = Hop("cloud", 4, 5, queue=queue, total=far + queue)
        step(self.state, StageReplied(sent.work, self.world.answer(sent.frame, hops=(hop,))), self.now)
        self.now += 0.1

    @property
    def turner(self):
        return next(iter(self.state.epochs.values())).turner

    def believed(self) -> tuple[float, float]:
        """Return what the board's and the cloud's part of cut-4 are thought to take now."""
        key = ("cut-4", 0, 4)
        return self.turner.own.seconds(key, OWN, self.now), self.turner.pace_of("cloud").seconds(
            key, FAR, self.now
        )


@pytest.fixture
def board(world) -> Board:
    return Board(world)


def test_what_each_part_took_is_told_apart(board) -> None:
    for _ in range(12):
        board.ask(own=2 * OWN, far=3 * FAR)
    own, far = board.believed()
    assert own == pytest.approx(2 * OWN, rel=0.1)
    assert far == pytest.approx(3 * FAR, rel=0.1)


def test_a_queue_there_is_load_and_not_slowness(board) -> None:
    for _ in range(12):
        board.ask(queue=0.2)
    assert board.believed()[1] == pytest.approx(FAR, rel=0.1)
    assert board.turner.load_of("cloud").now(board.now - 0.1) == pytest.approx(0.2, rel=0.2)


def test_a_way_that_takes_longer_than_its_links_figures_is_learned_slowly(board) -> None:
    board.ask()
    before = board.turner.way_to("cloud").now(board.now)
    board.ask(network=3 * NETWORK)
    assert board.turner.way_to("cloud").now(board.now) < 1.1 * max(before, 1.0), "one says little"
    for _ in range(20):
        board.ask(network=3 * NETWORK)
    assert board.turner.way_to("cloud").now(board.now) > 1.3


def test_the_usual_bytes_follow_those_that_travel(board) -> None:
    for _ in range(20):
        board.ask()
    assert board.turner.sizes["cut-4", 0, 4] == pytest.approx(1000, rel=0.05)


def test_a_request_that_another_one_answered_teaches_nothing(board) -> None:
    board.ask()
    before = board.believed()
    for number in range(3):
        _answered_here(board, f"f{number}")
    assert board.believed() == pytest.approx(before, rel=0.05)


def _answered_here(board, name: str) -> None:
    """Ask, let the cloud be late, and let the board take nine seconds for the rest."""
    run = board.world.only(
        board.world.ask(board.state, request_id=name, now=board.now, page="cut-4"), RunSegment
    )
    mid = board.world.tensor("mid", "float32", (1, 8), 32)
    sent = board.world.only(step(board.state, SegmentDone(run.work, 1, forward=(mid,)), board.now), SendStage)
    board.now += 1.0
    late = step(board.state, TimerFired(sent.work, "patience"), board.now)
    rest = board.world.only(late, RunSegment)
    board.now += 9.0
    outputs = tuple(board.world.tensor(tensor, kind, (1, 5)) for tensor, kind in OUTPUTS)
    step(board.state, SegmentDone(rest.work, rest.run, Timing(compute=9.0), outputs=outputs), board.now)
    board.state.far_side("cloud").hear(board.now)
    board.now += 0.2


OUTPUTS = (("y@scores", "float32"), ("y@indices", "int64"))


def test_turns_are_told_once_and_again_when_there_is_news(board) -> None:
    board.ask()
    slow = LinkReport("cloud", up=1e3, down=1e5, round_trip=0.02, samples=9)
    step(board.state, LinksSeen((slow,)), board.now)
    board.world.ask(board.state, request_id="local", now=board.now)
    (told,) = reports(board.state, board.now)
    assert (told.before, told.after, told.requests, told.over) == ("cut-4", "local", 0, False)
    assert reports(board.state, board.now) == ()
