"""A replica is probed before it is relied upon: one that died unnoticed costs nobody its patience."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine import step
from device_agents.machine.commands import AskReady, Fail, Reply, RunSegment, SendStage
from device_agents.machine.events import (
    EpochKey,
    PeerDown,
    PeerUp,
    ReadyTold,
    SegmentDone,
    StageLost,
    StageReplied,
)
from device_agents.machine.proving import ASK_EVERY, HEALTHY
from device_agents.machine.state import validate
from lepton_edge.core.frames import WireError
from partitioner.plan import Replica

DEAD = WireError("unavailable", "the link to cloud-2 was lost", retryable=True)
OLDER = WireError("invalid_input", "a stage of 'net' begins with the tensors ['mid']", fault="caller")


class Entry:
    """A board with two replicas of its cloud, both linked."""

    def __init__(self, world, hold=(0, 1, 2, 3, 4)) -> None:
        replicas = (Replica("cloud-2", "cloud"), Replica("cloud-3", "cloud"))
        book = dataclasses.replace(world.book(), replicas=replicas)
        self.world, self.state, self.now, self.count = world, world.agent(hold=hold, book=book), 0.0, 0
        self.questions: dict[str, str] = {}  # the last one of each device
        for device in ("cloud-2", "cloud-3"):
            self.happens(PeerUp(device))

    def happens(self, event, after: float = 0.001):
        self.now += after
        commands = step(self.state, event, self.now)
        validate(self.state)
        for one in commands:
            if isinstance(one, AskReady):
                self.questions[one.peer] = one.frame.request_id
        return commands

    def sends(self) -> tuple[SendStage, list[AskReady]]:
        """Bring a request to where its frontier is sent; return that, and what is asked beside."""
        self.count += 1
        run = self.world.only(
            self.world.ask(self.state, request_id=f"r{self.count}", page="cut-4", now=self.now), RunSegment
        )
        forward = tuple(self.world.tensor(one.tensor, "float32", (1, 8), 32) for one in run.forward)
        commands = self.happens(SegmentDone(run.work, run.run, forward=forward))
        return self.world.only(commands, SendStage), [one for one in commands if isinstance(one, AskReady)]

    def told(self, peer: str, error: WireError | None = None, after: float = 0.001) -> None:
        question = self.questions.get(peer, "")
        assert self.happens(ReadyTold(EpochKey("net", 1), peer, "cut-4", question, error), after) == []

    def lost(self, sent: SendStage) -> list[object]:
        return self.happens(StageLost(sent.work, "gone", sent.peer))

    def answered(self, sent: SendStage):
        return self.happens(StageReplied(sent.work, self.world.answer(sent.frame), sent.peer))


@pytest.fixture
def entry(world) -> Entry:
    return Entry(world)


def kinds(commands) -> list[tuple[str, str]]:
    """Return who else is asked, and whether this device runs the rest."""
    return [
        (type(one).__name__, getattr(one, "peer", ""))
        for one in commands
        if isinstance(one, SendStage | RunSegment)
    ]


def test_replicas_are_asked_beside_the_first_request_and_not_again_before_half_a_minute(entry) -> None:
    sent, asked = entry.sends()
    assert [(one.peer, one.frame.page, one.frame.first_block) for one in asked] == [
        ("cloud-2", "cut-4", 4),
        ("cloud-3", "cut-4", 4),
    ]
    assert all(one.frame.epoch == 1 and not one.frame.tensors for one in asked)
    entry.told("cloud-2")
    assert entry.sends()[1] == [], "cloud-3 has not said anything yet, cloud-2 just has"
    entry.now += ASK_EVERY
    assert [one.peer for one in entry.sends()[1]] == ["cloud-2"], "one question at a time"


def test_a_healthy_replica_is_waited_for_alone(entry) -> None:
    sent, _ = entry.sends()
    entry.told("cloud-2")
    assert kinds(entry.lost(sent)) == [("SendStage", "cloud-2")]


def test_beside_one_of_which_nothing_is_known_this_device_begins_at_once(entry) -> None:
    sent, _ = entry.sends()
    assert kinds(entry.lost(sent)) == [("SendStage", "cloud-2"), ("RunSegment", "")]


def test_the_healthy_one_is_asked_first(entry) -> None:
    sent, _ = entry.sends()
    entry.told("cloud-3")
    assert kinds(entry.lost(sent)) == [("SendStage", "cloud-3")]


@pytest.mark.parametrize("ends", ["with a no", "with its link", "after a minute"])
def test_health_ends(entry, ends) -> None:
    entry.sends()
    entry.told("cloud-2")
    if ends == "with its link":
        entry.happens(PeerDown("cloud-2"))
        entry.happens(PeerUp("cloud-2"))
    elif ends == "with a no":
        entry.now += ASK_EVERY
        entry.sends()
        entry.told("cloud-2", DEAD, after=HEALTHY - ASK_EVERY)
    else:
        entry.now += HEALTHY
    sent, _ = entry.sends()
    assert ("RunSegment", "") in kinds(entry.lost(sent))


def test_a_yes_holds_from_when_it_was_asked_for(entry) -> None:
    entry.sends()
    entry.told("cloud-2", after=HEALTHY)
    sent, _ = entry.sends()
    assert ("RunSegment", "") in kinds(entry.lost(sent))


def test_a_word_from_before_the_link_was_lost_says_nothing_of_the_new_one(entry) -> None:
    sent, _ = entry.sends()
    entry.happens(PeerDown("cloud-2"))
    entry.told("cloud-2")
    entry.happens(PeerUp("cloud-2"))
    assert ("RunSegment", "") in kinds(entry.lost(sent))


def test_one_that_answers_requests_need_not_be_asked(entry) -> None:
    sent, _ = entry.sends()
    entry.told("cloud-2")
    entry.now += ASK_EVERY - 1
    stood_in = entry.world.only(entry.lost(sent), SendStage)
    entry.answered(stood_in)
    entry.now += 2
    assert [one.peer for one in entry.sends()[1]] == []


def test_one_of_the_release_before_is_taken_by_its_word(entry) -> None:
    sent, _ = entry.sends()
    entry.told("cloud-2", OLDER)
    assert kinds(entry.lost(sent)) == [("SendStage", "cloud-2")]


def test_one_that_says_no_is_asked_again_soon_then_ever_more_seldom(entry) -> None:
    entry.sends()
    asked = 0
    for _ in range(600):
        entry.told("cloud-2", DEAD, after=0.1)
        sent, questions = entry.sends()
        entry.answered(sent)
        asked += sum(one.peer == "cloud-2" for one in questions)
    assert 8 <= asked <= 15, "in a minute"


def test_where_nobody_stands_in_nobody_is_asked(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, page="cut-4"), RunSegment)
    forward = tuple(world.tensor(one.tensor, "float32", (1, 8), 32) for one in run.forward)
    commands = step(state, SegmentDone(run.work, run.run, forward=forward), 0.0)
    assert not [one for one in commands if isinstance(one, AskReady)]


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.none()),
        st.tuples(st.sampled_from(["lose", "answer", "compute"]), st.integers(0, 3)),
        st.tuples(
            st.just("tell"), st.sampled_from(["cloud-2", "cloud-3"]), st.sampled_from([None, DEAD, OLDER])
        ),
        st.tuples(st.sampled_from(["up", "down"]), st.sampled_from(["cloud-2", "cloud-3"])),
        st.tuples(st.just("wait"), st.sampled_from([0.01, 1.0, 29.0, 31.0, 61.0])),
    ),
    max_size=40,
)


class Anything(Entry):
    """Requests, answers and words in any order; who is relied upon alone was healthy."""

    def __init__(self, world) -> None:
        super().__init__(world)
        self.well: dict[str, float] = {}
        self.asked: dict[str, float] = {}
        self.stages: list[SendStage] = []
        self.runs: list[RunSegment] = []
        self.begun, self.ended = 0, 0

    def note(self, commands) -> None:
        stages = [one for one in commands if isinstance(one, SendStage)]
        self.runs += [one for one in commands if isinstance(one, RunSegment)]
        self.stages += stages
        self.ended += sum(isinstance(one, Reply | Fail) for one in commands)
        for one in commands:
            if isinstance(one, AskReady):
                assert one.peer not in self.asked, "one question at a time"
                self.asked[one.peer] = self.now
        here = any(isinstance(one, RunSegment) for one in commands)
        for one in stages:
            if one.peer != "cloud" and not here and one.work in self.state.works:
                work = self.state.works[one.work]
                alone = work.phase == "remote" and len(work.asks) == 1
                assert not alone or self.now - self.well.get(one.peer, -1e9) <= HEALTHY + 0.01

    def send(self, _) -> None:
        sent, asked = self.sends()
        self.begun += 1
        self.note([sent, *asked])

    def lose(self, place: int) -> None:
        if self.stages:
            self.note(self.lost(self.stages.pop(place % len(self.stages))))

    def answer(self, place: int) -> None:
        if self.stages:
            sent = self.stages.pop(place % len(self.stages))
            used = sent.work in self.state.works
            self.note(self.answered(sent))
            if used:
                self.well[sent.peer] = self.now

    def compute(self, place: int) -> None:
        if self.runs:
            run = self.runs.pop(place % len(self.runs))
            outputs = tuple(self.world.tensor(name, "float32", (1, 5), 20) for name in run.outputs)
            self.note(self.happens(SegmentDone(run.work, run.run, outputs=outputs)))

    def tell(self, peer: str, error: WireError | None) -> None:
        since = self.asked.pop(peer, None)
        self.told(peer, error)
        if since is not None:
            self.well[peer] = since if error is None or error is OLDER else -1e9

    def up(self, peer: str) -> None:
        self.well.pop(peer, None), self.asked.pop(peer, None)
        self.note(self.happens(PeerUp(peer)))

    def down(self, peer: str) -> None:
        self.well.pop(peer, None), self.asked.pop(peer, None)
        self.note(self.happens(PeerDown(peer)))

    def wait(self, seconds: float) -> None:
        self.now += seconds


@settings(max_examples=150, deadline=None)
@given(moves=MOVES)
def test_nobody_waits_alone_for_a_replica_that_was_not_healthy_within_the_minute(world, moves) -> None:
    anything = Anything(world)
    for kind, *rest in moves:
        getattr(anything, kind)(*rest)
    anything.wait(1.0)
    while anything.stages or anything.runs:
        anything.lose(0)
        anything.compute(0)
    assert anything.ended == anything.begun, "each request is answered once"
