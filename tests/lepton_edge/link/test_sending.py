"""What leaves a link: deadlines that pass while a frame waits, acknowledgements, credits of others."""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.core.errors import DeadlineExceeded
from lepton_edge.core.frames import FrameKind
from lepton_edge.link.commands import Refuse, Sent, WriteAck, WriteChunk
from lepton_edge.link.events import Abandoned, Acked, Arrived, Greeted, Heard, Submitted, Tick, Wrote
from lepton_edge.link.machine import opening, step
from tests.lepton_edge.link.frames_by_name import HELLO, LIMITS, frame, request
from tests.lepton_edge.link.test_machine import OLD, kinds, ready


def submit(state: Any, ticket: int, size: int = 10, at: float = 0.0, **fields: Any) -> list[Any]:
    return step(state, Submitted(ticket, request(str(ticket), **fields), size, expects=True), at)


def test_a_request_tells_what_is_left_of_its_deadline_after_the_wait_here() -> None:
    state = ready()
    (first,) = submit(state, 1, remaining_ms=500)
    assert first.frame.remaining_ms == 500
    submit(state, 2, remaining_ms=500)
    submit(state, 3)
    _, second = step(state, Wrote(1, 50, last=True), 0.2)
    assert second.frame.remaining_ms == 300
    _, third = step(state, Wrote(2, 50, last=True), 0.3)
    assert third.frame.remaining_ms == 0, "none was given"


def test_a_request_whose_deadline_passed_while_it_waited_is_not_sent() -> None:
    state = ready()
    submit(state, 1)
    submit(state, 2, remaining_ms=100)
    submit(state, 3)
    _, refused, write = step(state, Wrote(1, 50, last=True), 0.2)
    assert (refused.ticket, type(refused.error)) == (2, DeadlineExceeded)
    assert write.ticket == 3
    assert ("2", 0) not in state.pending


def test_a_deadline_that_passes_without_credit_ends_the_request_with_the_tick() -> None:
    state = ready()
    for ticket in range(1, HELLO.window_frames + 1):
        submit(state, ticket)
        step(state, Wrote(ticket, 50, last=True), 0.0)
    assert submit(state, 9, remaining_ms=300) == []
    assert kinds(step(state, Tick(), 0.25)) == []
    (refused,) = [one for one in step(state, Tick(), 0.5) if isinstance(one, Refuse)]
    assert isinstance(refused.error, DeadlineExceeded)


def test_an_acknowledgement_goes_before_everything_and_counts_what_came() -> None:
    state = ready()
    (write,) = submit(state, 1)
    submit(state, 2)
    assert step(state, Heard(140, asks=True), 0.1) == []
    assert step(state, Arrived(frame(FrameKind.REPLY, "x"), 10, 60, asks=True), 0.1) == []
    *_, ack = step(state, Wrote(write.ticket, 50, last=True), 0.1)
    assert ack == WriteAck(200, 0)
    (second,) = step(state, Wrote(0, 40, last=True), 0.1)
    assert second.ticket == 2


def test_a_peer_of_protocol_1_0_is_told_no_count() -> None:
    state = ready(OLD)
    assert step(state, Heard(140, asks=True), 0.1) == []


def test_a_count_may_be_back_before_this_side_knows_that_it_wrote() -> None:
    state = ready()
    (write,) = submit(state, 1)
    assert step(state, Acked(60), 0.1) == []
    assert kinds(step(state, Wrote(write.ticket, 60, last=True), 0.1)) == [Sent]
    assert state.pacing.acked == 60


def test_an_answer_proves_that_its_request_came() -> None:
    state = ready()
    (write,) = submit(state, 1)
    step(state, Wrote(write.ticket, 60, last=True), 0.0)
    assert state.pacing.under_way == 60
    step(state, Arrived(frame(FrameKind.REPLY, "1"), 0, 40), 0.1)
    assert state.pacing.under_way == 0


def test_large_frames_wait_for_the_window_and_small_ones_pass() -> None:
    state = ready()
    state.pacing.chunk = state.outbox.chunk = 100
    (write,) = submit(state, 1, size=500)
    step(state, Wrote(write.ticket, 140, last=False), 0.0)
    state.pacing.window = 150
    step(state, Wrote(1, 140, last=False), 0.0)
    assert state.writing is None, "the window is full"
    (small,) = submit(state, 2, size=20)
    assert isinstance(small, WriteChunk)
    step(state, Wrote(2, 60, last=True), 0.0)
    assert state.writing is None
    (again,) = step(state, Acked(280), 0.1)
    assert again.ticket == 1


def test_credits_of_another_link_are_not_given_again() -> None:
    state = ready()
    (write,) = step(state, Submitted(1, frame(FrameKind.REPLY, "a", credit_frames=3, credit_bytes=9), 0), 0.0)
    assert (write.frame.credit_frames, write.frame.credit_bytes) == (0, 0)


def test_the_rest_of_a_frame_that_nobody_wants_is_not_sent() -> None:
    state = ready()
    submit(state, 1, size=500)
    (second,) = step(state, Wrote(1, 140, last=False), 0.0)
    assert step(state, Abandoned(("1", 0)), 0.0) == []  # type: ignore[arg-type]
    (end,) = step(state, Wrote(second.ticket, 140, last=False), 0.0)
    assert end.unwanted
    assert step(state, Wrote(1, 40, last=True), 0.0) == []
    assert not state.outbox.size


def test_a_peer_of_protocol_1_0_gets_the_rest_and_then_the_cancel() -> None:
    state = ready(OLD)
    submit(state, 1, size=250)
    step(state, Wrote(1, 140, last=False), 0.0)
    step(state, Abandoned(("1", 0)), 0.0)  # type: ignore[arg-type]
    (third,) = step(state, Wrote(1, 140, last=False), 0.0)
    assert not third.unwanted
    *_, cancel = step(state, Wrote(1, 90, last=True), 0.0)
    assert cancel.frame.kind is FrameKind.CANCEL


def test_a_link_that_is_not_paced_asks_nothing_and_answers_what_it_is_asked() -> None:
    state = opening(HELLO, dataclasses.replace(LIMITS, paced=False), 0.0)
    step(state, Greeted(HELLO), 0.0)
    (write,) = submit(state, 1, size=80)
    assert not write.asks
    step(state, Wrote(1, 120, last=True), 0.0)
    assert step(state, Heard(40, asks=True), 0.1) == [WriteAck(40, 0)]
