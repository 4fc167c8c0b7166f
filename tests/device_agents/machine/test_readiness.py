"""A page is taken when its blocks are open, here and at the far side; until then requests go on as before."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from device_agents.machine import step
from device_agents.machine.commands import (
    Answer,
    AskReady,
    CloseBlocks,
    Fail,
    OpenPieces,
    Refuse,
    Reply,
    RunSegment,
    SendStage,
)
from device_agents.machine.events import (
    CancelArrived,
    CoordinatorSaid,
    EpochKey,
    LinkClosed,
    LinksSeen,
    PeerDown,
    PeerUp,
    PiecesOpened,
    ReadyTold,
    RequestArrived,
    SegmentDone,
    StageLost,
    StageReplied,
)
from device_agents.machine.opening import KEPT, needed_by_all
from device_agents.machine.readiness import BELIEVED, MAX_ASKERS
from device_agents.machine.state import State, validate
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.messages import LinkReport, Retire
from partitioner.plan import Prediction, TurnRule
from tests.device_agents.machine.test_opening import weighing

KEY = EpochKey("net", 1)
BROKEN = WireError("prepare_failed", "broken", device="cloud")
PAGES = ("cloud-encoded", "cloud-jpeg", "cut-4")


def turning_book(world, model="net", active="cut-4"):
    """A quick link makes `cloud-encoded` the best page, a slow one `cut-4`."""
    book = weighing(world.book(active), 0, 10, 20, 30, 20, model=model)
    sizes = {"cloud-encoded": (100_000, 0.01), "cloud-jpeg": (30_000, 0.04), "cut-4": (1000, 0.1)}
    pages = tuple(
        dataclasses.replace(page, prediction=Prediction(0.1, sizes[page.name][1], 0.01, 0.02, 0.01, up, 60))
        for page in book.pages
        if page.name in sizes
        for up in [sizes[page.name][0]]
    )
    return dataclasses.replace(book, pages=pages, turning=TurnRule(PAGES))


def board_of(world, later=True, **fields) -> State:
    state = world.agent(book=turning_book(world), **fields)
    step(state, PeerUp("cloud", later), 0.0)
    return state


def link(state: State, rate: float, now: float) -> None:
    report = LinkReport("cloud", up=rate, down=rate, round_trip=0.01, samples=9)
    step(state, LinksSeen((report,)), now)


def word(question: int, error: WireError | None = None) -> ReadyTold:
    """Return what the cloud says to the so manieth question of the board."""
    return ReadyTold(KEY, "cloud", "cloud-encoded", f"ready-board-{question}", error)


def ask(world, state, now, **fields):
    """Ask once; return the page that is taken, and what is asked of the cloud beside it."""
    commands = world.ask(state, now=now, request_id=f"r{now}", **fields)
    (work,) = [one for key, one in state.works.items() if key.request_id == f"r{now}"]
    validate(state)
    return work.page, [one for one in commands if isinstance(one, AskReady)]


# --- the entry ------------------------------------------------------------------------------------


def test_a_far_side_that_has_opened_everything_is_not_asked(world) -> None:
    board = board_of(world, later=False)
    link(board, 1e8, 0.0)
    assert ask(world, board, 0.0) == ("cloud-encoded", [])


def test_requests_go_on_as_before_until_the_far_side_is_ready(world) -> None:
    board = board_of(world)
    link(board, 1e8, 0.0)
    page, (asked,) = ask(world, board, 0.0)
    assert page == "cut-4", "which is always open there"
    frame = asked.frame
    assert (frame.page, frame.first_block, frame.epoch, frame.tensors) == ("cloud-encoded", 0, 1, ())
    assert ask(world, board, 0.3) == ("cut-4", []), "it is asked once"
    step(board, word(1), 0.4)
    assert ask(world, board, 0.5) == ("cloud-encoded", [])


def test_a_far_side_that_said_no_is_asked_again_after_a_pause(world) -> None:
    board = board_of(world)
    link(board, 1e8, 0.0)
    ask(world, board, 0.0)
    step(board, word(1, BROKEN), 1.0)
    assert ask(world, board, 1.1) == ("cut-4", [])
    page, again = ask(world, board, 1.6)
    assert (page, len(again)) == ("cut-4", 1)


def test_a_word_is_believed_for_a_while_and_longer_where_requests_go_there(world) -> None:
    board = board_of(world)
    link(board, 1e8, 0.0)
    ask(world, board, 0.0)
    step(board, word(1), 0.4)
    for turn in range(1, 5):
        now = turn * (BELIEVED - 5)
        link(board, 1e8, now)
        assert ask(world, board, now)[0] == "cloud-encoded"
    now += BELIEVED + 1
    link(board, 1e8, now)
    page, asked = ask(world, board, now)
    assert (page, len(asked)) == ("cut-4", 1)


def test_a_new_link_may_lead_to_another_process(world) -> None:
    board = board_of(world)
    link(board, 1e8, 0.0)
    ask(world, board, 0.0)
    step(board, word(1), 0.4)
    step(board, PeerDown("cloud"), 0.5)
    step(board, PeerUp("cloud", True), 0.6)
    page, asked = ask(world, board, 0.7)
    assert (page, len(asked)) == ("cut-4", 1)
    step(board, PeerDown("cloud"), 0.8)
    step(board, PeerUp("cloud", True), 0.9)
    step(board, word(2), 1.0)
    assert ask(world, board, 1.1)[0] == "cut-4", "that was the word of the one before"


def test_the_word_of_an_earlier_process_is_no_answer_to_what_the_next_one_is_asked(world) -> None:
    board = board_of(world)
    link(board, 1e8, 0.0)
    ask(world, board, 0.0)
    step(board, PeerDown("cloud"), 0.1)
    step(board, PeerUp("cloud", True), 0.2)
    assert len(ask(world, board, 0.3)[1]) == 1, "a new link is asked anew"
    step(board, word(1), 0.4)
    assert ask(world, board, 0.5) == ("cut-4", []), "the first process had it open, the second one may not"
    step(board, word(1, BROKEN), 0.6)
    step(board, word(2), 0.7)
    assert ask(world, board, 0.8)[0] == "cloud-encoded"


def test_a_page_that_is_nearly_the_best_is_made_ready_ahead(world) -> None:
    board = board_of(world)
    link(board, 4.4e5, 0.0)  # 0.118 s, where the best one takes 0.112 s
    page, asked = ask(world, board, 0.0)
    assert page == "cut-4"
    assert [one.frame.page for one in asked] == ["cloud-jpeg"]
    far = board_of(world)
    link(far, 2e5, 0.0)
    assert ask(world, far, 0.0) == ("cut-4", []), "0.2 s against 0.115 s"


def test_a_page_that_somebody_names_is_not_waited_for(world) -> None:
    cloud = world.agent("cloud", book=turning_book(world), budget=100)
    picture = world.tensor("x@encoded")
    frame = dataclasses.replace(world.request(tensors=(picture,), page="cloud-encoded"), epoch=1)
    refused, opening = step(cloud, RequestArrived(1, frame), 0.0)
    assert isinstance(refused, Refuse)
    assert (refused.frame.error.retryable, refused.frame.error.retry_after_ms) == (True, 200)
    assert opening.blocks == (1, 2, 3), "the next one will find it"
    step(cloud, PiecesOpened(KEY, 0, 5, (1, 2, 3)), 0.1)
    world.only(step(cloud, RequestArrived(1, frame), 0.2), RunSegment)


def test_a_mistake_of_the_caller_opens_nothing(world) -> None:
    cloud = world.agent("cloud", book=turning_book(world), budget=100)
    frame = dataclasses.replace(world.request(page="cloud-encoded"), epoch=1)
    assert [type(one) for one in step(cloud, RequestArrived(1, frame), 0.0)] == [Refuse]


# --- who is asked ---------------------------------------------------------------------------------


def question(page="cloud-encoded", first=0, request_id="q", **fields) -> Frame:
    named = {"model": "net", "epoch": 1, "page": page, "first_block": first, **fields}
    return Frame(FrameKind.REQUEST, request_id, **named)


@pytest.fixture
def cloud(world) -> State:
    return world.agent("cloud", book=turning_book(world), budget=100)


def test_what_is_open_is_answered_at_once(world, cloud: State) -> None:
    (said,) = step(cloud, RequestArrived(7, question("cut-4", 4)), 0.0)
    assert (said.link, said.frame.kind, said.frame.request_id) == (7, FrameKind.REPLY, "q")
    everything = world.agent("cloud", book=turning_book(world))
    assert isinstance(world.only(step(everything, RequestArrived(7, question()), 0.0), Answer), Answer)
    assert not cloud.works, "a question is no work"


def test_what_is_not_open_is_answered_when_it_is(world, cloud: State) -> None:
    (opening,) = step(cloud, RequestArrived(7, question("cloud-jpeg", 2)), 0.0)
    assert opening.blocks == (2, 3)
    assert step(cloud, RequestArrived(7, question(request_id="q2")), 0.1) == [], "one run at a time"
    said, opening = step(cloud, PiecesOpened(KEY, 2, 5, (2, 3)), 0.2)
    assert said.frame.request_id == "q"
    assert opening.blocks == (1,)
    (said,) = step(cloud, PiecesOpened(KEY, 0, 5, (1,)), 0.3)
    assert said.frame.request_id == "q2"
    assert said.frame.error is None


def test_what_cannot_be_opened_is_said(world, cloud: State) -> None:
    step(cloud, RequestArrived(7, question()), 0.0)
    said = world.only(step(cloud, PiecesOpened(KEY, 0, 5, error=BROKEN), 0.2), Answer)
    assert said.frame.error.code == "prepare_failed"
    cloud.budget = 30
    late = 100.0
    said = world.only(step(cloud, RequestArrived(7, question()), late), Answer)
    assert said.frame.error.code == Unavailable.code
    assert not cloud.epochs[KEY].memory.askers


@pytest.mark.parametrize(
    "wrong", [{"epoch": 9}, {"page": "no-such"}, {"first": 99}, {"first": -1}, {"model": "none"}]
)
def test_a_question_about_nothing_is_refused(world, cloud: State, wrong) -> None:
    (said,) = step(cloud, RequestArrived(7, question(**wrong)), 0.0)
    assert isinstance(said, Refuse)


def test_blocks_of_others_are_not_opened(world) -> None:
    part = world.agent("cloud", hold=(2, 3, 4), book=turning_book(world), budget=100)
    (said,) = step(part, RequestArrived(7, question()), 0.0)
    assert said.frame.error.code == "unavailable"


def test_so_many_may_wait_and_those_who_left_are_forgotten(world, cloud: State) -> None:
    for number in range(MAX_ASKERS):
        step(cloud, RequestArrived(number % 2, question(request_id=f"q{number}")), 0.0)
    (said,) = step(cloud, RequestArrived(7, question(request_id="one more")), 0.0)
    assert said.frame.error.code == "overloaded"
    step(cloud, LinkClosed(1), 0.1)
    step(cloud, CancelArrived(0, "q0"), 0.1)
    answers = step(cloud, PiecesOpened(KEY, 0, 5, (1, 2, 3)), 0.2)
    assert {one.frame.request_id for one in answers} == {f"q{number}" for number in range(2, MAX_ASKERS, 2)}


def test_the_end_of_an_epoch_is_told_to_those_who_wait(world, cloud: State) -> None:
    step(cloud, RequestArrived(7, question()), 0.0)
    said = world.only(step(cloud, CoordinatorSaid(Retire("x", "net", 1)), 1.0), Answer)
    assert said.frame.error.code == "stale_epoch"


# --- both, in any order ---------------------------------------------------------------------------


class Pair:
    """A board and a cloud with little memory and two models, and the words and works that are on their way."""

    def __init__(self, world) -> None:
        self.world, self.now, self.count = world, 0.0, 0
        self.cloud = State("cloud", budget=110)
        self.board = State("board")
        for model in ("net", "other"):
            for state in (self.cloud, self.board):
                world.deploy(state, book=turning_book(world, model))
        step(self.board, PeerUp("cloud", True), 0.0)
        self.way: list[tuple[str, object]] = []
        self.accepted: list[str] = []
        self.ended: Counter[str] = Counter()
        self.asked: dict[str, AskReady] = {}

    def ask(self, rate: float, model: str) -> None:
        self.count += 1
        link(self.board, rate, self.now)
        frame = dataclasses.replace(self.world.request(f"r{self.count}"), model=model)
        commands = step(self.board, RequestArrived(1, frame), self.now)
        assert not any(isinstance(one, Refuse) for one in commands)
        assert any(isinstance(one, (RunSegment, SendStage)) for one in commands), "nothing is waited for"
        self.accepted.append(f"r{self.count}")
        self.take("board", commands)

    def take(self, who: str, commands) -> None:
        for command in commands:
            self._take(who, command)
        for state in (self.board, self.cloud):
            validate(state)

    def _take(self, who: str, command) -> None:
        match command:
            case CloseBlocks():
                held = self.cloud.epochs[command.key]
                assert not set(command.blocks) & needed_by_all(held.book, "cloud")
                assert all(self.now - held.memory.used.get(one, 0.0) > KEPT for one in command.blocks)
                busy = {work.route.first for work in self.cloud.works.values() if work.epoch == command.key}
                assert not [one for one in command.blocks if any(first <= one for first in busy)]
            case OpenPieces() if command.blocks:
                assert self._weight() + self._more(command) <= self.cloud.budget
                self.way.append((who, command))
            case RunSegment() | SendStage() | AskReady():
                self.way.append((who, command))
            case Answer():
                self.way.append(("answer", command.frame))
            case Refuse():
                raise AssertionError(f"a request met a block that was not open: {command.frame.error}")
            case Reply() | Fail() if who == "board":
                self.ended[command.work.request_id] += 1
            case Reply() | Fail():
                self.way.append(("reply", command))

    def _weight(self) -> int:
        refs = {
            ref
            for held in self.cloud.epochs.values()
            for index in held.hold
            for ref in held.book.blocks[index].weights
        }
        return sum(ref.length for ref in refs)

    def _more(self, command: OpenPieces) -> int:
        blocks = self.cloud.epochs[command.key].book.blocks
        return sum(ref.length for index in command.blocks for ref in blocks[index].weights)

    def go_on(self, place: int) -> None:
        who, what = self.way.pop(place % len(self.way))
        state = self.board if who == "board" else self.cloud
        match what:
            case RunSegment():
                forward = tuple(self.world.tensor(one.tensor, "float32", (1, 8), 32) for one in what.forward)
                outputs = tuple(self.world.tensor(name, "float32", (1, 5), 20) for name in what.outputs)
                event = SegmentDone(what.work, what.run, forward=forward, outputs=outputs)
                self.take(who, step(state, event, self.now))
            case SendStage():
                specs = self.board.epochs[EpochKey(what.frame.model, 1)].book.frontiers
                tensors = tuple(
                    self.world.tensor(spec.name, spec.dtype, tuple(d or 1 for d in spec.shape), 32)
                    for spec in specs[what.frame.first_block].tensors
                )
                frame = dataclasses.replace(what.frame, tensors=tensors)
                self.take("cloud", step(self.cloud, RequestArrived(5, frame), self.now))
            case AskReady():
                self.asked[what.frame.request_id] = what
                self.take("cloud", step(self.cloud, RequestArrived(5, what.frame), self.now))
            case OpenPieces():
                event = PiecesOpened(what.key, what.first, what.last, what.blocks)
                self.take("cloud", step(self.cloud, event, self.now))
            case Reply():
                for key in [one for one in self.board.works if one.request_id == what.work.request_id]:
                    self.take("board", step(self.board, StageReplied(key, what.frame, "cloud"), self.now))
            case Fail():
                for key in [one for one in self.board.works if one.request_id == what.work.request_id]:
                    self.take("board", step(self.board, StageLost(key, "failed", "cloud"), self.now))
            case Frame():
                asked = self.asked.pop(what.request_id)
                event = ReadyTold(asked.key, "cloud", asked.frame.page, what.request_id, what.error)
                self.take("board", step(self.board, event, self.now))


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from([2e5, 1e6, 1e8]), st.sampled_from(["net", "other"])),
        st.tuples(st.just("on"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 60.0, 200.0])),
    ),
    max_size=60,
)


PRESSED = [("ask", 1e8, "net"), ("wait", 60.0), ("ask", 1e8, "other"), ("wait", 1.0), ("ask", 1e8, "net")]


@settings(max_examples=60, deadline=None)
@given(moves=MOVES)
@example(moves=PRESSED)
@example(moves=[*PRESSED, *[("wait", 200.0)] * 2, *PRESSED[2:]])
def test_no_request_ever_meets_a_block_that_is_not_open(world, moves) -> None:
    pair = Pair(world)
    for kind, *rest in moves:
        if kind == "ask":
            pair.ask(*rest)
        elif kind == "wait":
            while pair.way:  # what is on its way arrives within seconds, not minutes
                pair.go_on(0)
            pair.now += rest[0]
        elif pair.way:
            pair.go_on(rest[0])
    while pair.way:
        pair.go_on(0)
    assert pair.ended == Counter(pair.accepted)
    assert not pair.asked, "every question is answered"


def test_strangers_that_come_and_go_leave_nothing_behind() -> None:
    state = State("board")
    for number in range(100):
        step(state, PeerUp(f"stranger-{number}", True), float(number))
        step(state, PeerDown(f"stranger-{number}"), number + 0.5)
    assert state.openers == set()
