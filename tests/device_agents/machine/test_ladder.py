"""Who answers when a far side fails a request: rung by rung."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import step
from device_agents.machine.commands import (
    AskReady,
    CancelStage,
    Fail,
    Release,
    Reply,
    RunSegment,
    SendStage,
    SetTimer,
)
from device_agents.machine.events import (
    CancelArrived,
    CoordinatorSaid,
    EpochKey,
    EpochOpened,
    LinksSeen,
    PeerDown,
    PeerUp,
    ReadyTold,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
)
from device_agents.machine.state import load_reports, validate
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.messages import Activate, LinkReport, Peer, Prepare
from partitioner.plan import CodecChoice, Page, Prediction, Replica, Stage

FAR = Prediction(0.1, 0.02, 0.01, 0.04, 0.03, 1000, 60)
BROKEN = WireError("compute_failed", "broken", fault="device", retryable=True)
LATE = 1.0


class Board:
    """A board whose cut-4 leads to the cloud, with whatever else a test gives it."""

    def __init__(self, world, hold=(0, 1, 2, 3, 4), **book) -> None:
        self.world = world
        self.state = world.agent(hold=hold, book=dataclasses.replace(world.book(), **book))
        self.now = 0.0

    def happens(self, event, after: float = 0.01):
        self.now += after
        commands = step(self.state, event, self.now)
        validate(self.state)
        return commands

    def up(self, *devices: str) -> None:
        for device in devices:
            self.happens(PeerUp(device))

    def sends(self, name: str = "r1", **fields):
        """Bring a request to where its frontier is sent, and return what is done then."""
        run = self.world.only(self.world.ask(self.state, request_id=name, now=self.now, **fields), RunSegment)
        return self.computed(run)

    def computed(self, run: RunSegment):
        forward = tuple(self.world.tensor(one.tensor, "float32", (1, 8), 32) for one in run.forward)
        outputs = tuple(self.world.tensor(name, "float32", (1, 5), 20) for name in run.outputs)
        return self.happens(SegmentDone(run.work, run.run, forward=forward, outputs=outputs))

    def only(self, commands, kind):
        return self.world.only(commands, kind)

    def answers(self, sent: SendStage, after: float = 0.01):
        return self.happens(StageReplied(sent.work, self.world.answer(sent.frame), sent.peer), after)


@pytest.fixture
def replicated(world) -> Board:
    board = Board(world, replicas=(Replica("cloud-2", "cloud"), Replica("cloud-3", "cloud")))
    board.up("cloud-2")
    return board


def names(commands) -> list[str]:
    return [type(command).__name__ for command in commands]


# --- a warm replica ---------------------------------------------------------------------------------


def test_a_replica_is_sent_the_same_frontier_as_another_attempt(replicated) -> None:
    first = replicated.only(replicated.sends(), SendStage)
    commands = replicated.happens(StageLost(first.work, "the link to cloud was lost", "cloud"))
    second = replicated.only(commands, SendStage)
    assert (second.peer, second.frame.tensors) == ("cloud-2", first.frame.tensors)
    assert second.frame.attempt != first.frame.attempt
    assert dataclasses.replace(second.frame, attempt=first.frame.attempt) == first.frame
    reply = replicated.only(replicated.answers(second), Reply)
    assert reply.frame.reason == "cloud-2 stood in for cloud: the link to cloud was lost"
    assert reply.frame.page == "cut-4"


def test_a_replica_out_of_reach_is_not_asked_and_each_is_asked_once(replicated) -> None:
    commands = replicated.sends()
    first, asked = replicated.only(commands, SendStage), replicated.only(commands, AskReady)
    replicated.happens(ReadyTold(asked.key, asked.peer, asked.frame.page, asked.frame.request_id))
    second = replicated.only(replicated.happens(StageLost(first.work, "gone", "cloud")), SendStage)
    here = replicated.only(replicated.happens(StageLost(second.work, "gone too", "cloud-2")), RunSegment)
    assert (here.first, here.last) == (4, 5), "cloud-3 is not there"
    assert replicated.only(replicated.computed(here), Reply).frame.reason == "fallback: gone too"


def test_a_late_far_side_its_replica_and_this_device_race(replicated) -> None:
    commands = replicated.sends()
    first, timer = replicated.only(commands, SendStage), replicated.only(commands, SetTimer)
    late = replicated.happens(TimerFired(first.work, timer.timer), LATE)
    assert names(late) == ["SendStage", "SetTimer", "RunSegment"]
    second = replicated.only(late, SendStage)
    won = replicated.answers(second)
    assert replicated.only(won, Reply).frame.page == "cut-4"
    assert replicated.only(won, CancelStage).peer == "cloud"
    assert replicated.state.far_sides["cloud"].suspected
    assert not replicated.state.far_sides["cloud-2"].suspected


def test_the_first_one_may_still_win(replicated) -> None:
    first = replicated.only(replicated.sends(), SendStage)
    replicated.happens(TimerFired(first.work, "patience"), LATE)
    won = replicated.answers(first)
    assert replicated.only(won, Reply).frame.reason == "answered late, before the fallback"
    assert replicated.only(won, CancelStage).peer == "cloud-2"
    assert not replicated.state.far_sides["cloud"].suspected


def test_a_board_without_the_rest_asks_one_replica_after_the_other(world) -> None:
    board = Board(world, (0, 1, 2, 3), replicas=(Replica("cloud-2", "cloud"), Replica("cloud-3", "cloud")))
    board.up("cloud-2", "cloud-3")
    first = board.only(board.sends(), SendStage)
    second = board.only(board.happens(StageLost(first.work, "gone", "cloud")), SendStage)
    busy = WireError("overloaded", "full", retryable=True)
    refused = Frame(FrameKind.ERROR, "r1", error=busy)
    third = board.only(board.happens(StageReplied(second.work, refused, "cloud-2")), SendStage)
    assert third.peer == "cloud-3"
    failed = board.only(board.happens(StageReplied(third.work, refused, "cloud-3")), Fail)
    assert failed.frame.error.code == "overloaded", "what the last one said"


def test_a_replica_plays_the_stages_of_the_one_it_stands_in_for(world) -> None:
    book = dataclasses.replace(world.book(), replicas=(Replica("cloud-2", "cloud"),))
    state = world.agent("cloud-2", hold=(2, 3, 4), book=book)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    asked = {"page": "cut-4", "first_block": 4, "outputs": ("y@scores", "y@indices")}
    run = world.only(world.ask(state, tensors=(mid,), epoch=1, **asked), RunSegment)
    assert (run.first, run.last, run.forward) == (4, 5, ())


# --- another page -----------------------------------------------------------------------------------


@pytest.fixture
def two_ways(world) -> Board:
    """Besides the cloud there is a gateway, to which a page cut later leads."""
    mid = CodecChoice("mid", "f16")
    gate = Page("gate", (Stage("board", 0, 4, (mid,)), Stage("gateway", 4, 5)), FAR, reason="by the gateway")
    jpeg = Page(
        "first", (Stage("board", 0, 2, (CodecChoice("x@resized", "raw"),)), Stage("cloud", 2, 5)), FAR
    )
    board = Board(world, pages=(*world.book().pages, gate, jpeg))
    board.up("gateway")
    return board


def test_another_page_goes_on_from_where_the_request_is(two_ways) -> None:
    first = two_ways.only(two_ways.sends(page="first"), SendStage)
    run = two_ways.only(two_ways.happens(StageLost(first.work, "the link broke", "cloud")), RunSegment)
    assert (run.first, run.last, run.tensors) == (2, 4, ()), "the board's part of the other page"
    assert [(one.tensor, one.codec) for one in run.forward] == [("mid", "f16")]
    second = two_ways.only(two_ways.computed(run), SendStage)
    assert (second.peer, second.frame.page, second.frame.first_block) == ("gateway", "gate", 4)
    reply = two_ways.only(two_ways.answers(second), Reply).frame
    assert (reply.page, reply.reason) == ("gate", "went on by gate: the link broke")
    assert (reply.hops[0].first_block, reply.hops[0].last_block) == (0, 4)


def test_a_page_whose_device_is_away_is_no_way(two_ways) -> None:
    two_ways.happens(PeerDown("gateway"))
    first = two_ways.only(two_ways.sends(page="first"), SendStage)
    run = two_ways.only(two_ways.happens(StageLost(first.work, "the link broke", "cloud")), RunSegment)
    assert (run.first, run.last) == (2, 5), "so the rest runs here"


def test_when_the_other_page_fails_here_too_the_rest_runs_here(two_ways) -> None:
    first = two_ways.only(two_ways.sends(page="first"), SendStage)
    run = two_ways.only(two_ways.happens(StageLost(first.work, "the link broke", "cloud")), RunSegment)
    here = two_ways.only(two_ways.happens(SegmentFailed(run.work, run.run, BROKEN)), RunSegment)
    assert (here.first, here.last) == (2, 5)
    failed = two_ways.only(two_ways.happens(SegmentFailed(here.work, here.run, BROKEN)), Fail)
    assert failed.frame.error.code == "compute_failed"


def test_a_late_answer_counts_for_what_it_was_asked(two_ways) -> None:
    first = two_ways.only(two_ways.sends(page="first"), SendStage)
    two_ways.state.epochs[EpochKey("net", 1)].hold = (0, 1, 2, 3)
    run = two_ways.only(two_ways.happens(TimerFired(first.work, "patience"), LATE), RunSegment)
    assert (run.first, run.last) == (2, 4), "it lacks the last block"
    reply = two_ways.only(two_ways.answers(first), Reply).frame
    assert (reply.page, len(reply.tensors), reply.hops[0].last_block) == ("first", 2, 2)


# --- the rest here ----------------------------------------------------------------------------------


def test_what_fails_here_waits_for_those_who_are_still_at_work(world) -> None:
    board = Board(world)
    first = board.only(board.sends(), SendStage)
    here = board.only(board.happens(TimerFired(first.work, "patience"), LATE), RunSegment)
    assert board.happens(SegmentFailed(here.work, here.run, BROKEN)) == []
    assert board.only(board.answers(first), Reply).frame.page == "cut-4"


def test_what_fails_here_and_there_is_one_error(world) -> None:
    board = Board(world)
    first = board.only(board.sends(), SendStage)
    here = board.only(board.happens(TimerFired(first.work, "patience"), LATE), RunSegment)
    board.happens(SegmentFailed(here.work, here.run, BROKEN))
    failed = board.happens(StageLost(first.work, "the link to cloud was lost", "cloud"))
    assert board.only(failed, Fail).frame.error.code == "unavailable"


def test_what_changes_a_state_is_not_hedged(world) -> None:
    board = Board(world)
    commands = board.sends(state_position=3)
    assert names(commands) == ["SendStage"], "nobody else may answer, so nobody looks at the clock"
    lost = board.happens(StageLost(board.only(commands, SendStage).work, "gone", "cloud"))
    assert board.only(lost, Fail).frame.error.retryable


# --- a far side that seems frozen -------------------------------------------------------------------


@pytest.fixture
def frozen(world) -> Board:
    """A request was late and answered here; nothing was heard of the cloud since."""
    board = Board(world)
    first = board.only(board.sends("r0"), SendStage)
    here = board.only(board.happens(TimerFired(first.work, "patience"), LATE), RunSegment)
    board.computed(here)
    return board


def test_the_next_request_is_the_trial_and_runs_here_at_once(frozen) -> None:
    commands = frozen.sends("trial")
    assert names(commands) == ["SendStage", "SetTimer", "RunSegment"]
    here = frozen.only(commands, RunSegment)
    answered = frozen.computed(here)
    assert frozen.only(answered, Reply).frame.reason == "fallback: cloud does not answer"
    assert frozen.only(answered, Release).heed == "cloud", "its answer is still listened for"
    assert "CancelStage" not in names(answered)


def test_one_trial_at_a_time_with_growing_pauses(frozen) -> None:
    tried = []
    for number in range(400):
        frozen.now += 0.05
        commands = frozen.sends(f"n{number}")
        if "SendStage" in names(commands):
            tried.append(frozen.now)
        frozen.computed(frozen.only(commands, RunSegment))
    pauses = [b - a for a, b in zip(tried, tried[1:], strict=False)]
    assert pauses[0] < 0.5
    assert max(pauses) == pytest.approx(2.0, abs=0.2)
    assert sorted(pauses) == pytest.approx(pauses, abs=0.1)


def test_a_trial_that_its_caller_gives_up_is_made_by_the_next_request(frozen) -> None:
    frozen.sends("trial")
    (work,) = frozen.state.works.values()
    assert "SendStage" not in names(frozen.sends("meanwhile"))
    frozen.happens(CancelArrived(work.link, "trial"))
    assert "SendStage" in names(frozen.sends("next")), "no answer to the other will tell"


@pytest.mark.parametrize("how", ["before the local answer", "after it", "a new link"])
def test_whatever_it_answers_clears_the_suspicion(frozen, how: str) -> None:
    commands = frozen.sends("trial")
    sent, here = frozen.only(commands, SendStage), frozen.only(commands, RunSegment)
    if how == "before the local answer":
        won = frozen.only(frozen.answers(sent), Reply).frame
        assert (won.page, won.reason) == ("cut-4", "cut-4 is quickest")
    else:
        frozen.computed(here)
        if how == "after it":
            assert frozen.answers(sent) == []
        else:
            frozen.happens(PeerDown("cloud"))
            frozen.up("cloud")
    assert names(frozen.sends("next")) == ["SendStage", "SetTimer"]


def test_one_that_takes_seconds_now_is_not_frozen_for_ever(frozen) -> None:
    first = frozen.sends("trial")
    frozen.computed(frozen.only(first, RunSegment))
    for number in range(12):  # others are tried meanwhile
        frozen.now += 0.3
        commands = frozen.sends(f"n{number}")
        if frozen.state.far_sides["cloud"].suspected:
            frozen.computed(frozen.only(commands, RunSegment))
    called_off = frozen.answers(frozen.only(first, SendStage))
    assert names(called_off) == ["CancelStage"] * 4, "the other trials keep it busy for nobody"
    again = frozen.sends("next")
    assert names(again) == ["SendStage", "SetTimer"]
    assert frozen.only(again, SetTimer).delay < 0.2, "it may have stood still, once"
    sent = frozen.only(again, SendStage)
    frozen.computed(frozen.only(frozen.happens(TimerFired(sent.work, "patience"), LATE), RunSegment))
    tried = frozen.sends("another trial")
    frozen.computed(frozen.only(tried, RunSegment))
    frozen.now += 3.6
    frozen.answers(frozen.only(tried, SendStage))
    waited = frozen.only(frozen.sends("known"), SetTimer).delay
    assert 3.6 < waited < 5.0, "twice in a row, with nothing quick between: it is known how long it takes"


def test_a_link_that_seems_ever_slower_makes_no_trial_longer(frozen) -> None:
    slow = LinkReport("cloud", up=10.0, down=1e6, round_trip=0.01)
    frozen.happens(LinksSeen((slow,)))
    frozen.computed(frozen.only(frozen.sends("trial"), RunSegment))
    frozen.now += 0.4
    assert "SendStage" in names(frozen.sends("next"))


def test_one_that_acknowledges_again_is_tried_at_once(frozen) -> None:
    for number in range(5):
        frozen.now += 0.5
        frozen.computed(frozen.only(frozen.sends(f"n{number}"), RunSegment))
    frozen.happens(LinksSeen((LinkReport("cloud", round_trip=0.01, under_way=400),)))
    assert "SendStage" not in names(frozen.sends("still"))
    frozen.happens(LinksSeen((LinkReport("cloud", round_trip=0.01, under_way=400),)))
    assert "SendStage" not in names(frozen.sends("and still"))
    frozen.happens(LinksSeen((LinkReport("cloud", round_trip=0.01, under_way=0),)))
    assert "SendStage" in names(frozen.sends("now"))


def test_a_board_that_lacks_the_rest_goes_on_asking(world) -> None:
    board = Board(world, (0, 1, 2, 3))
    for number in range(3):
        sent = board.only(board.sends(f"n{number}"), SendStage)
        assert board.happens(TimerFired(sent.work, "patience"), LATE) == []
    assert len(board.state.works) == 3
    assert board.only(board.answers(sent), Reply)


def test_others_that_answer_meanwhile_show_that_it_is_only_busy(world) -> None:
    board = Board(world)
    slow = board.only(board.sends("slow"), SendStage)
    quick = board.only(board.sends("quick"), SendStage)
    board.answers(quick, 0.5)
    board.happens(TimerFired(slow.work, "patience"), 0.5)
    assert not board.state.far_sides["cloud"].suspected
    assert "RunSegment" not in names(board.sends("next"))


# --- several that wait for one, and one thread ------------------------------------------------------

EARLY = 0.19  # seconds: beyond what is expected (0.08) and half of the margin, not all of it


def test_an_idle_board_begins_early_and_suspects_nobody_yet(world) -> None:
    board = Board(world)
    board.state.workers = 2
    sent = board.only(board.sends(), SendStage)
    began = board.happens(TimerFired(sent.work, "patience"), EARLY)
    assert names(began) == ["RunSegment", "SetTimer"]
    assert board.only(began, SetTimer).delay == pytest.approx(0.28 - EARLY)
    assert not board.state.far_sides["cloud"].suspected
    assert "RunSegment" not in names(board.happens(TimerFired(sent.work, "patience"))), "once is enough"
    reply = board.answers(sent, 0.05)
    assert names(reply)[:2] == ["Reply", "Release"], "which gives up what runs or waits here"
    assert board.only(reply, Reply).frame.reason == "cut-4 is quickest", "it was not late"


def test_a_busy_board_waits_all_of_it(world) -> None:
    board = Board(world)
    sent = board.only(board.sends(), SendStage)
    world.ask(board.state, request_id="r2", now=board.now, page="local")
    held = board.happens(TimerFired(sent.work, "patience"), EARLY)
    assert names(held) == ["SetTimer"]
    assert "RunSegment" in names(board.happens(TimerFired(sent.work, "patience"), 0.28 - EARLY))


def test_what_began_early_still_finds_out_that_the_far_side_is_silent(world) -> None:
    board = Board(world)
    sent = board.only(board.sends(), SendStage)
    board.happens(TimerFired(sent.work, "patience"), EARLY)
    assert board.happens(TimerFired(sent.work, "patience"), 0.28 - EARLY) == []
    assert board.state.far_sides["cloud"].suspected


def test_what_failed_early_is_not_begun_again(world) -> None:
    board = Board(world)
    sent = board.only(board.sends(), SendStage)
    here = board.only(board.happens(TimerFired(sent.work, "patience"), EARLY), RunSegment)
    assert board.happens(SegmentFailed(here.work, here.run, BROKEN)) == []
    assert board.happens(TimerFired(sent.work, "patience"), LATE) == []
    assert board.only(board.answers(sent), Reply).frame.page == "cut-4"


def test_a_replica_is_asked_before_an_idle_board_begins(replicated) -> None:
    commands = replicated.sends()
    assert replicated.only(commands, SetTimer).delay == pytest.approx(0.28)


def test_who_waits_for_a_suspected_far_side_begins_with_the_first_in_order(world) -> None:
    board = Board(world)
    sent = [board.only(board.sends(f"r{number}"), SendStage) for number in range(4)]
    late = board.happens(TimerFired(sent[0].work, "patience"), 0.5)
    runs = [command for command in late if isinstance(command, RunSegment)]
    assert [run.work for run in runs] == [one.work for one in sent]
    assert board.happens(TimerFired(sent[2].work, "patience"), 0.5) == [], "once each"
    won = board.answers(sent[3])
    assert board.only(won, Reply).work == sent[3].work, "what comes late still wins"


def test_who_asked_a_replica_meanwhile_is_left_to_it(replicated) -> None:
    """Its first far side is still listened for, but it is the replica that it waits for."""
    waiting = replicated.only(replicated.sends("one"), SendStage)
    held = replicated.state.epochs[EpochKey("net", 1)]
    held.hold = (0, 1, 2, 3)  # so that nothing runs here beside the replica
    asked = replicated.only(replicated.happens(TimerFired(waiting.work, "patience"), LATE), SendStage)
    assert asked.peer == "cloud-2"
    held.hold = (0, 1, 2, 3, 4)
    replicated.up("cloud")  # a new link
    next_one = replicated.only(replicated.sends("two"), SendStage)
    assert next_one.peer == "cloud"
    late = replicated.happens(TimerFired(next_one.work, "patience"), LATE)
    assert {command.work for command in late if isinstance(command, RunSegment)} == {next_one.work}


def test_what_has_a_state_waits_for_its_far_side_whoever_suspects_it(world) -> None:
    board = Board(world)
    stateful = board.only(board.sends("keeps", state_position=1), SendStage)
    first = board.only(board.sends("first"), SendStage)
    late = board.happens(TimerFired(first.work, "patience"), LATE)
    assert board.only(late, RunSegment).work == first.work
    assert board.state.works[stateful.work].phase == "remote"


# --- a smaller model --------------------------------------------------------------------------------


@pytest.fixture
def modest(world) -> Board:
    """A board that lacks the model's last block, and has a small model of the same inputs and outputs."""
    board = Board(world, (0, 1, 2, 3), smaller="tiny")
    own = Page("local", (Stage("board", 0, 5),), Prediction(0.02, 0.02, 0, 0, 0, 0, 0))
    tiny = dataclasses.replace(world.book(), model="tiny", pages=(own,), active="local")
    for event in (
        CoordinatorSaid(Prepare("p", 7, tiny, (0, 1, 2, 3, 4), (Peer("board", ()),))),
        EpochOpened(EpochKey("tiny", 7)),
        CoordinatorSaid(Activate("a", "tiny", 7)),
    ):
        board.happens(event)
    return board


def test_a_smaller_model_answers_from_the_input_and_says_so(modest) -> None:
    sent = modest.only(modest.sends(degraded=True, metadata={"camera": "north"}), SendStage)
    run = modest.only(modest.happens(StageLost(sent.work, "the link broke", "cloud")), RunSegment)
    assert (run.epoch, run.first, run.last, run.fresh) == (EpochKey("tiny", 7), 0, 5, True)
    assert [tensor.name for tensor in run.tensors] == ["x@encoded"]
    reply = modest.only(modest.computed(run), Reply)
    assert (reply.frame.degraded, reply.frame.model, reply.frame.epoch, reply.frame.page) == (
        True,
        "tiny",
        7,
        "local",
    )
    assert reply.epoch == EpochKey("tiny", 7), "whose labels they are"
    assert reply.frame.reason == "tiny answered in place of net: the link broke"
    assert reply.frame.metadata == {"camera": "north"}


def test_who_wants_no_degraded_answer_gets_an_error(modest) -> None:
    sent = modest.only(modest.sends(), SendStage)
    failed = modest.only(modest.happens(StageLost(sent.work, "the link broke", "cloud")), Fail)
    assert (failed.frame.error.code, failed.frame.error.retryable) == ("unavailable", True)


def test_a_smaller_model_that_is_not_here_is_no_rung(world) -> None:
    board = Board(world, (0, 1, 2, 3), smaller="tiny")
    sent = board.only(board.sends(degraded=True), SendStage)
    assert board.only(board.happens(StageLost(sent.work, "the link broke", "cloud")), Fail)


def test_a_right_answer_beats_the_smaller_model_that_runs(modest) -> None:
    sent = modest.only(modest.sends(degraded=True), SendStage)
    modest.only(modest.happens(TimerFired(sent.work, "patience"), LATE), RunSegment)
    reply = modest.only(modest.answers(sent), Reply).frame
    assert (reply.degraded, reply.model, reply.page) == (False, "net", "cut-4")


def test_the_input_that_is_kept_takes_room(modest) -> None:
    modest.sends(degraded=True)
    (work,) = modest.state.works.values()
    assert work.size == 100 + work.terms.kept
    assert work.original


def test_the_smaller_models_epoch_outlives_the_request(modest) -> None:
    sent = modest.only(modest.sends(degraded=True), SendStage)
    run = modest.only(modest.happens(StageLost(sent.work, "the link broke", "cloud")), RunSegment)
    assert modest.state.working_on(EpochKey("tiny", 7))
    modest.computed(run)
    assert not modest.state.working_on(EpochKey("tiny", 7))


@pytest.mark.parametrize(("left", "who"), [(1000, "net"), (200, "tiny")])
def test_with_too_little_time_for_the_rest_the_smaller_model_answers(world, modest, left, who) -> None:
    held = modest.state.epochs[EpochKey("net", 1)]
    held.hold = (0, 1, 2, 3, 4)  # the rest is here, and takes 0.24 s by the plan
    sent = modest.only(modest.sends(degraded=True, remaining_ms=left), SendStage)
    run = modest.only(modest.happens(StageLost(sent.work, "the link broke", "cloud")), RunSegment)
    assert run.epoch.model == who


def test_what_runs_after_the_smaller_model_failed_is_the_models_own_load(modest) -> None:
    modest.state.epochs[EpochKey("net", 1)].hold = (0, 1, 2, 3, 4)
    sent = modest.only(modest.sends(degraded=True, remaining_ms=200), SendStage)
    run = modest.only(modest.happens(StageLost(sent.work, "the link broke", "cloud")), RunSegment)
    rest = modest.only(modest.happens(SegmentFailed(run.work, run.run, BROKEN)), RunSegment)
    assert (run.epoch.model, rest.epoch.model) == ("tiny", "net")
    modest.computed(rest)
    assert [(told.model, told.runs) for told in load_reports(modest.state)] == [("net", 2)]
