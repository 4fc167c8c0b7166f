"""A board, a cloud, its replica and a gateway: a network that loses, delays, doubles and reorders what they say.

Whatever happens: each accepted request ends exactly once, with what was asked for or one typed error, and nothing is
left over anywhere.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from device_agents.machine import step
from device_agents.machine.commands import (
    CancelStage,
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
    Event,
    LinkClosed,
    PeerDown,
    PeerUp,
    RequestArrived,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
    WorkKey,
)
from device_agents.machine.state import State, validate
from lepton_edge.core.frames import Frame, FrameKind, WireError
from partitioner.plan import CodecChoice, Page, Prediction, Replica, Stage

BROKEN = WireError("compute_failed", "broken", fault="device", retryable=True)
CLOUDS = ("cloud", "cloud-2", "gateway")
WANTED = {"y@scores", "y@indices"}
OWN = Prediction(0.02, 0.02, 0, 0, 0, 0, 0)
FAR = Prediction(0.1, 0.02, 0.01, 0.04, 0.03, 1000, 60)


def _book(world):
    """Besides what there is, two pages: one cut early, and one by way of a gateway."""
    resized, mid = CodecChoice("x@resized", "raw"), CodecChoice("mid", "f16")
    first = Page("first", (Stage("board", 0, 2, (resized,)), Stage("cloud", 2, 5)), FAR)
    second = Page("second", (Stage("board", 0, 4, (mid,)), Stage("gateway", 4, 5)), FAR)
    replicas = (Replica("cloud-2", "cloud"),)
    book = world.book()
    return dataclasses.replace(book, pages=(*book.pages, first, second), replicas=replicas, smaller="tiny")


@dataclass(frozen=True)
class Told:
    """A frame under way from the board to a cloud (`asked` set), or back."""

    cloud: str
    work: WorkKey
    frame: Frame
    asked: bool


class Company:
    """Four machines and all that is under way between them."""

    def __init__(self, world, hold, smaller: bool) -> None:
        self.world, self.now = world, 0.0
        book = _book(world)
        self.board: State = world.agent(hold=hold, book=book, queue_limit=16)
        self.clouds = {name: world.agent(name, hold=(0, 1, 2, 3, 4), book=book) for name in CLOUDS}
        self.under_way: list[Told] = []
        self.runs: list[tuple[str, RunSegment]] = []
        self.timers: list[TimerFired] = []
        self.awaited: dict[tuple[WorkKey, str], Frame] = {}  # what the board's driver listens for
        self.accepted: list[WorkKey] = []
        self.ends: Counter[WorkKey] = Counter()
        self.whys: set[str] = set()
        self.board_happens(PeerUp("cloud-2"))
        self.board_happens(PeerUp("gateway"))
        if smaller:
            self._deploy_smaller()

    def _deploy_smaller(self) -> None:
        own = Page("local", (Stage("board", 0, 5),), OWN)
        tiny = dataclasses.replace(self.world.book(), model="tiny", pages=(own,), active="local")
        for command in self.world.deploy(self.board, epoch=9, book=tiny):
            self._board_does(command)

    # --- the board ---

    def board_happens(self, event: Event) -> None:
        commands = step(self.board, event, self.now)
        validate(self.board)
        for command in commands:
            self._board_does(command)

    def _board_does(self, command: Command) -> None:
        match command:
            case RunSegment():
                self.runs.append(("board", command))
            case SendStage(work=work, peer=peer, frame=frame):
                assert (work, peer) not in self.awaited, "each is asked once"
                self.awaited[work, peer] = frame
                self.under_way.append(Told(peer, work, frame, asked=True))
            case SetTimer(work=work, timer=timer):
                self.timers.append(TimerFired(work, timer))
                self.accepted += [work] if timer == "deadline" else []
            case Reply(work=work, frame=frame):
                self.ends[work] += 1
                assert {tensor.name for tensor in frame.tensors} == WANTED
                assert len(frame.tensors) == len(WANTED)
                assert frame.degraded == (frame.model == "tiny") == ("in place of" in frame.reason)
                self.whys.add(frame.reason)
            case Fail(work=work, frame=frame):
                self.ends[work] += 1
                assert frame.error is not None
            case Release(work=work, heed=heed):
                for key in [key for key in self.awaited if key[0] == work and key[1] != heed]:
                    self._give_up(*key)
            case CancelStage(work=work, peer=peer):
                self._give_up(work, peer)
            case _:
                assert not isinstance(command, Resend) or command.answer.work in self.ends

    def _give_up(self, work: WorkKey, peer: str) -> None:
        frame = self.awaited.pop((work, peer), None)
        if frame is not None:
            cancel = dataclasses.replace(frame, kind=FrameKind.CANCEL, tensors=())
            self.under_way.append(Told(peer, work, cancel, asked=True))

    # --- a cloud ---

    def cloud_happens(self, name: str, work: WorkKey, event: Event) -> None:
        state = self.clouds[name]
        commands = step(state, event, self.now)
        validate(state)
        for command in commands:
            if isinstance(command, RunSegment):
                self.runs.append((name, command))
            elif isinstance(command, Reply | Fail | Refuse):
                self.under_way.append(Told(name, work, command.frame, asked=False))
            elif isinstance(command, Resend):
                self.under_way.append(Told(name, work, command.answer.frame, asked=False))

    # --- what may happen ---

    def arrives(self, told: Told) -> None:
        """A frame reaches who it was meant for."""
        if told.asked and told.frame.kind is FrameKind.CANCEL:
            said = CancelArrived(1, told.frame.request_id, told.frame.attempt)
            self.cloud_happens(told.cloud, told.work, said)
        elif told.asked:
            self.cloud_happens(told.cloud, told.work, RequestArrived(1, told.frame))
        else:
            asked = self.awaited.get((told.work, told.cloud))
            if asked is not None and asked.attempt == told.frame.attempt:
                del self.awaited[told.work, told.cloud]
                self.board_happens(StageReplied(told.work, told.frame, told.cloud))

    def runs_out(self, place: int, well: bool) -> None:
        """A run of blocks ends."""
        name, run = self.runs.pop(place)
        forward = tuple(self.world.tensor(one.tensor, "float32", (1, 8), 32) for one in run.forward)
        kinds = {"y@scores": "float32", "y@indices": "int64"}
        outputs = tuple(self.world.tensor(one, kinds[one], (1, 5), 20) for one in run.outputs)
        done = SegmentDone(run.work, run.run, forward=forward, outputs=outputs)
        event = done if well else SegmentFailed(run.work, run.run, BROKEN)
        if name == "board":
            self.board_happens(event)
        else:
            self.cloud_happens(name, self._of_the_board(name, run.work), event)

    def _of_the_board(self, name: str, far: WorkKey) -> WorkKey:
        same = [work for work, peer in self.awaited if peer == name and work.request_id == far.request_id]
        return same[0] if same else far

    def cut(self, name: str) -> None:
        """The link to a cloud breaks: nothing of it arrives any more."""
        self.under_way = [told for told in self.under_way if told.cloud != name]
        lost = [key for key in self.awaited if key[1] == name]
        for key in lost:
            del self.awaited[key]
            self.board_happens(StageLost(key[0], f"the link to {name} was lost", name))
        self.board_happens(PeerDown(name))
        self.cloud_happens(name, WorkKey("", 0, 0, 0, "", 0), LinkClosed(1))

    def finish(self) -> None:
        """Let every deadline pass, and all that still goes on end."""
        for work in list(self.board.works):
            self.board_happens(TimerFired(work, "deadline"))
        for name in CLOUDS:
            self.cut(name)
        while self.runs:
            self.runs_out(0, well=True)


ACTS = ("ask", "ask", "arrive", "arrive", "arrive", "arrive", "run", "run", "run", "run")
SELDOM = ("fire", "lose", "double", "cut", "up", "up", "fail", "late")


def _act(company: Company, rng: random.Random) -> None:
    """Do one of the things that may happen."""
    what = rng.choice(ACTS if rng.random() < 0.7 else SELDOM)
    company.now += rng.choice([0.001, 0.01, 0.1, 0.5])
    under_way = company.under_way
    if what == "ask":
        company.board_happens(RequestArrived(1, _request(company.world, rng)))
    elif what in ("arrive", "lose", "double") and under_way:
        told = rng.choice(under_way)
        if what != "double":
            under_way.remove(told)
        if what != "lose":
            company.arrives(told)
    elif what in ("run", "fail") and company.runs:
        company.runs_out(rng.randrange(len(company.runs)), what == "run")
    elif what in ("fire", "late") and company.timers:
        late = [timer for timer in company.timers if timer.timer != "deadline"]
        timer = rng.choice(late if late and what == "late" else company.timers)
        company.timers.remove(timer)
        company.board_happens(timer)
    elif what == "cut":
        company.cut(rng.choice(CLOUDS))
    elif what == "up":
        company.board_happens(PeerUp(rng.choice(CLOUDS)))


def _request(world, rng: random.Random) -> Frame:
    return world.request(
        rng.choice("abcdefgh"),
        page=rng.choice(["", "", "first", "local", "cloud-encoded"]),
        attempt=rng.choice([0, 0, 1]),
        remaining_ms=rng.choice([0, 100, 500, 3000]),
        degraded=rng.random() < 0.7,
        state_position=rng.choice([-1, -1, -1, 4]),
    )


def _walk(world, hold, smaller: bool, seed: str) -> set[str]:
    """Take a random walk of so many events; return why answers came from where they came."""
    rng = random.Random(seed)
    company = Company(world, hold, smaller)
    for _ in range(200):
        _act(company, rng)
    company.finish()
    assert company.ends == Counter(company.accepted)
    for state in (company.board, *company.clouds.values()):
        assert state.works == {}
        assert (state.room.requests, state.room.size) == (0, 0)
        assert not any(far.asked for far in state.far_sides.values())
    assert company.awaited == {}, "the last link is gone, and with it what was listened for"
    return company.whys


@pytest.mark.parametrize("turn", range(4))
def test_each_request_ends_once_and_nothing_is_left(world, turn) -> None:
    whys: set[str] = set()
    for seed in range(turn, 120, 4):
        hold = (0, 1, 2, 3, 4) if seed % 8 < 4 else (0, 1, 2, 3)
        whys |= _walk(world, hold, seed % 16 < 8, f"walk {seed}")
    told = " ".join(sorted(whys))
    for way in ("stood in", "went on by", "does not answer", "answered late", "fallback: ", "in place of"):
        assert way in told, "else these walks prove nothing of it"
