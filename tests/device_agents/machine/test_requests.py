"""The life of a request, told event by event."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import State, step
from device_agents.machine.commands import (
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
    LinkClosed,
    PeerDown,
    PeerUp,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
    Timing,
)
from device_agents.machine.state import validate
from lepton_edge.core.frames import Frame, FrameKind, Hop, WireError
from partitioner.plan import Stage


def _sent(world, state: State, **fields) -> SendStage:
    """Bring a request to where its frontier is under way."""
    run = world.only(world.ask(state, **fields), RunSegment)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    done = SegmentDone(run.work, run.run, Timing(compute=0.02), forward=(mid,))
    return world.only(step(state, done, 0.03), SendStage)


def _far_reply(world, total: float = 0.01) -> Frame:
    tensors = (
        world.tensor("y@indices", "int64", (1, 5), 40),
        world.tensor("y@scores", "float32", (1, 5), 20),
    )
    return Frame(FrameKind.REPLY, "r1", tensors=tensors, hops=(Hop("cloud", 4, 5, total=total),))


def test_metadata_goes_to_the_next_stage_and_comes_back_in_the_reply(world) -> None:
    state, given = world.agent(), {"camera": "north", "shot": "7"}
    sent = _sent(world, state, metadata=given)
    assert sent.frame.metadata == given
    answer = world.only(step(state, StageReplied(sent.work, _far_reply(world)), 0.1), Reply)
    assert answer.frame.metadata == given


def test_a_request_runs_here_then_there_and_is_answered(world) -> None:
    state = world.agent()
    commands = world.ask(state)
    run = world.only(commands, RunSegment)
    assert (run.first, run.last, run.outputs) == (0, 4, ())
    assert [tensor.name for tensor in run.tensors] == ["x@encoded"]
    assert [choice.codec for choice in run.forward] == ["u8+zstd"]
    assert run.keep == ("mid",), "what a fallback would go on from"
    assert world.only(commands, SetTimer).timer == "deadline"

    send = _sent(world, world.agent())
    assert (send.peer, send.frame.first_block, send.frame.page, send.frame.epoch) == ("cloud", 4, "cut-4", 1)
    assert send.frame.outputs == ("y@scores", "y@indices")


def test_network_time_is_the_round_trip_less_what_the_far_side_reports(world) -> None:
    state = world.agent()
    send = _sent(world, state)
    answered = step(state, StageReplied(send.work, _far_reply(world, total=0.01)), 0.13)
    reply = world.only(answered, Reply)
    board, cloud = reply.frame.hops
    assert board.network == pytest.approx(0.13 - 0.03 - 0.01)
    assert (board.first_block, board.last_block, board.compute, board.total) == (0, 4, 0.02, 0.13)
    assert (board.bytes_out, board.bytes_in) == (32, 60)
    assert cloud.device == "cloud"
    assert [tensor.name for tensor in reply.frame.tensors] == ["y@scores", "y@indices"]
    assert (reply.frame.page, reply.frame.reason, reply.labelled) == ("cut-4", "cut-4 is quickest", True)
    assert world.only(answered, Release).work == send.work
    assert not [command for command in answered if isinstance(command, CancelStage)]


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (lambda work: StageLost(work, "the link to cloud was lost"), "fallback: the link to cloud was lost"),
        (lambda work: TimerFired(work, "patience"), "fallback: cloud did not answer within 0.07 s"),
        (
            lambda work: StageReplied(
                work, Frame(FrameKind.ERROR, "r1", error=WireError("stale_epoch", "gone", retryable=True))
            ),
            "fallback: cloud answered stale_epoch: gone",
        ),
    ],
)
def test_the_board_answers_the_request_that_noticed_the_loss(world, happens, says) -> None:
    state = world.agent()
    send = _sent(world, state)
    run = world.only(step(state, happens(send.work), 0.1), RunSegment)
    assert (run.first, run.last, run.tensors, run.run) == (4, 5, (), 2)
    assert run.outputs == ("y@scores", "y@indices")
    reply = world.only(step(state, SegmentDone(run.work, 2, outputs=run_outputs(world)), 0.2), Reply)
    assert (reply.frame.page, reply.frame.reason) == ("local", says)
    assert reply.frame.hops[0].last_block == 5


def run_outputs(world):
    return (world.tensor("y@scores", "float32", (1, 5)), world.tensor("y@indices", "int64", (1, 5)))


def test_without_a_link_the_fallback_starts_at_once(world) -> None:
    state = world.agent()
    step(state, PeerDown("cloud"), 0.0)
    run = world.only(world.ask(state), RunSegment)
    commands = step(state, SegmentDone(run.work, 1), 0.1)
    assert world.only(commands, RunSegment).first == 4
    assert not [command for command in commands if isinstance(command, SendStage | CancelStage)]
    answered = step(state, SegmentDone(run.work, 2, outputs=run_outputs(world)), 0.2)
    assert [type(command) for command in answered] == [Reply, Release], "nobody to call off"


def test_a_board_that_lacks_the_rest_fails_with_a_retryable_error(world) -> None:
    state = world.agent(hold=(0, 1, 2, 3))
    assert world.only(world.ask(state, request_id="other"), RunSegment).keep == ()
    send = _sent(world, state)
    assert step(state, TimerFired(send.work, "patience"), 2.0) == []  # nobody else can answer
    fail = world.only(step(state, StageLost(send.work, "the link to cloud was lost"), 2.1), Fail)
    assert (fail.frame.error.code, fail.frame.error.retryable, fail.frame.error.device) == (
        "unavailable",
        True,
        "board",
    )


def test_the_callers_own_fault_is_not_tried_again_here(world) -> None:
    state = world.agent()
    send = _sent(world, state)
    broken = WireError("invalid_input", "not a JPEG", fault="caller", device="cloud")
    fail = world.only(
        step(state, StageReplied(send.work, Frame(FrameKind.ERROR, "r1", error=broken)), 0.1), Fail
    )
    assert fail.frame.error == broken


def test_a_late_answer_of_the_far_side_still_wins(world) -> None:
    state = world.agent()
    send = _sent(world, state)
    run = world.only(step(state, TimerFired(send.work, "patience"), 1.1), RunSegment)
    reply = world.only(step(state, StageReplied(send.work, _far_reply(world)), 1.2), Reply)
    assert (reply.frame.page, len(reply.frame.tensors)) == ("cut-4", 2)
    assert step(state, SegmentDone(run.work, 2, outputs=run_outputs(world)), 1.3) == []


def test_a_finished_fallback_calls_off_the_far_side(world) -> None:
    state = world.agent()
    send = _sent(world, state)
    run = world.only(step(state, TimerFired(send.work, "patience"), 1.1), RunSegment)
    commands = step(state, SegmentDone(run.work, 2, outputs=run_outputs(world)), 1.3)
    assert world.only(commands, CancelStage).peer == "cloud"


def test_callers_are_not_charged_for_a_moment_in_which_the_device_stood_still(world) -> None:
    held = next(iter(world.agent().epochs.values()))
    for _ in range(20):
        held.note_cost(0, 4, 0.02)
    for _ in range(10):
        held.note_cost(0, 4, 0.5)
    assert held.cost(0, 4) < 0.023
    for _ in range(500):
        held.note_cost(0, 4, 0.04)
    assert held.cost(0, 4) == pytest.approx(0.04, rel=0.05), "but what lasts is learned"
    for _ in range(20):
        held.note_cost(0, 4, 0.02)
    assert held.cost(0, 4) == pytest.approx(0.02, rel=0.05)


def test_with_a_deadline_patience_leaves_time_to_answer_here(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, remaining_ms=480), RunSegment)
    commands = step(state, SegmentDone(run.work, 1), 0.03)
    assert world.only(commands, SetTimer).delay == pytest.approx(
        (0.48 - 0.03) * 0.9 - 0.24
    )  # and for the way home
    assert world.only(commands, SendStage).frame.remaining_ms == 450


def test_a_passed_deadline_ends_a_request_wherever_it_is(world) -> None:
    state = world.agent()
    send = _sent(world, state, remaining_ms=200)
    commands = step(state, TimerFired(send.work, "deadline"), 0.2)
    assert world.only(commands, Fail).frame.error.code == "deadline_exceeded"
    assert world.only(commands, CancelStage).frame.kind is FrameKind.CANCEL
    assert state.works == {}


@pytest.mark.parametrize("happens", [CancelArrived(1, "r1"), LinkClosed(1)])
def test_a_caller_that_is_gone_frees_its_work_at_both_places(world, happens) -> None:
    state = world.agent()
    _sent(world, state)
    commands = step(state, happens, 0.1)
    assert world.only(commands, Fail).frame.error.code == "cancelled"
    world.only(commands, Release)
    world.only(commands, CancelStage)
    assert world.only(world.ask(state), RunSegment), "asked again, it runs again"


def test_an_engine_that_fails_ends_the_request(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state), RunSegment)
    error = WireError("compute_failed", "Conv broke", fault="device", retryable=True)
    fail = world.only(step(state, SegmentFailed(run.work, 1, error), 0.1), Fail)
    assert (fail.frame.error.code, state.failed) == ("compute_failed", 1)


def test_the_cloud_answers_a_stage(world) -> None:
    state = world.agent("cloud", hold=(2, 3, 4))
    mid = world.tensor("mid", "float32", (1, 8), 32)
    commands = world.ask(
        state, tensors=(mid,), epoch=1, page="cut-4", first_block=4, outputs=("y@scores", "y@indices")
    )
    run = world.only(commands, RunSegment)
    assert (run.first, run.last, run.forward) == (4, 5, ())
    reply = world.only(step(state, SegmentDone(run.work, 1, outputs=run_outputs(world)), 0.01), Reply)
    assert (reply.labelled, reply.frame.hops[0].total) == (False, 0.01)
    validate(state)


@pytest.mark.parametrize(
    "late",
    [
        lambda work: SegmentDone(work, 1),
        lambda work: SegmentFailed(work, 1, WireError("compute_failed", "late")),
        lambda work: StageLost(work, "late"),
        lambda work: StageReplied(work, Frame(FrameKind.ERROR, "r1", error=WireError("stale_epoch", "late"))),
        lambda work: TimerFired(work, "patience"),
    ],
)
def test_nothing_that_comes_late_disturbs_a_fallback(world, late) -> None:
    state = world.agent()
    send = _sent(world, state)
    step(state, TimerFired(send.work, "patience"), 1.1)
    assert step(state, late(send.work), 1.2) == []
    world.only(step(state, SegmentDone(send.work, 2, outputs=run_outputs(world)), 1.3), Reply)


def test_only_who_asked_can_call_off(world) -> None:
    state = world.agent()
    _sent(world, state)
    assert step(state, CancelArrived(2, "r1"), 0.1) == []
    assert len(state.works) == 1


def test_an_attempt_that_is_called_off_late_leaves_the_next_one_alone(world) -> None:
    state = world.agent()
    _sent(world, state, attempt=1)
    assert step(state, CancelArrived(1, "r1", attempt=0), 0.1) == []
    world.only(step(state, CancelArrived(1, "r1", attempt=1), 0.1), Fail)


def test_a_stage_in_the_middle_leaves_the_fallback_to_the_entry(world) -> None:
    book = world.book()
    stages = (Stage("board", 0, 2), Stage("cloud", 2, 4), Stage("far", 4, 5))
    book = dataclasses.replace(
        book, pages=(*book.pages, dataclasses.replace(book.pages[3], name="three", stages=stages))
    )
    state = world.agent("cloud", book=book)
    step(state, PeerUp("far"), 0.0)
    given = (world.tensor("x@resized", "uint8", (224, 224, 3)),)
    run = world.only(world.ask(state, tensors=given, epoch=1, page="three", first_block=2), RunSegment)
    assert (run.first, run.last, run.keep) == (2, 4, ())
    send = world.only(step(state, SegmentDone(run.work, 1), 0.1), SendStage)
    assert send.peer == "far"
    fail = world.only(step(state, StageLost(send.work, "the link to far was lost"), 0.2), Fail)
    assert fail.frame.error.code == "unavailable"


@pytest.mark.parametrize("which", ["nothing", "one too few", "one twice", "another name", "another dtype"])
def test_what_is_not_what_was_asked_for_is_no_answer(world, which: str) -> None:
    state = world.agent()
    sent = _sent(world, state)
    indices, scores = _far_reply(world).tensors
    odd = {
        "nothing": (),
        "one too few": (scores,),
        "one twice": (scores, scores),
        "another name": (scores, dataclasses.replace(indices, name="z")),
        "another dtype": (scores, dataclasses.replace(indices, dtype="int32")),
    }
    frame = dataclasses.replace(_far_reply(world), tensors=odd[which])
    run = world.only(step(state, StageReplied(sent.work, frame), 0.1), RunSegment)
    assert (run.first, run.last) == (4, 5), "so the rest runs here"
    assert step(state, StageReplied(sent.work, frame), 0.2) == [], "and nothing is asked of it any more"
    here = step(state, SegmentDone(run.work, run.run, outputs=run_outputs(world)), 0.3)
    assert world.only(here, Reply).frame.page == "local"


@pytest.mark.parametrize("which", ["nothing", "another dtype"])
def test_an_odd_answer_that_comes_late_is_none_either(world, which: str) -> None:
    state = world.agent()
    sent = _sent(world, state)
    run = world.only(step(state, TimerFired(sent.work, "patience"), 1.1), RunSegment)
    indices, scores = _far_reply(world).tensors
    odd = () if which == "nothing" else (scores, dataclasses.replace(indices, dtype="int32"))
    assert (
        step(state, StageReplied(sent.work, dataclasses.replace(_far_reply(world), tensors=odd)), 1.2) == []
    )
    here = step(state, SegmentDone(run.work, run.run, outputs=run_outputs(world)), 1.3)
    assert world.only(here, Reply).frame.page == "local"


def test_an_odd_answer_where_nobody_else_can_answer_is_a_typed_error(world) -> None:
    state = world.agent(hold=(0, 1, 2, 3))
    sent = _sent(world, state)
    frame = dataclasses.replace(_far_reply(world), tensors=())
    fail = world.only(step(state, StageReplied(sent.work, frame), 0.1), Fail)
    assert (fail.frame.error.code, fail.frame.error.retryable) == ("protocol_error", True)
