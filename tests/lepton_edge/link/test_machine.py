"""The link protocol, without bytes or time: handshake, credits, answers, liveness."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from lepton_edge.core.errors import CorruptFrame, IncompatibleVersion, InvalidInput, Overloaded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from lepton_edge.link import machine, probes
from lepton_edge.link.commands import Answer, Close, Deliver, Fail, Opened, Refuse, Sent, WriteChunk
from lepton_edge.link.events import (
    Abandoned,
    Arrived,
    CloseAsked,
    Ended,
    Greeted,
    Heard,
    Released,
    Submitted,
    Tick,
    Unsendable,
    Wrote,
)
from lepton_edge.link.machine import Phase, State, step
from lepton_edge.link.pacing import START_CHUNK
from tests.lepton_edge.link.frames_by_name import HELLO, LIMITS, frame, request


def ready(hello: LinkHello = HELLO) -> State:
    state = machine.opening(HELLO, LIMITS, 0.0)
    assert step(state, Greeted(hello), 0.0) == [Opened(hello, "")]
    return state


OLD = dataclasses.replace(HELLO, protocol_minor=0)  # a peer that acknowledges nothing


def written(state: State, commands: list[Any], chunks: int = 1) -> list[Frame]:
    """Play the writer: take every WriteChunk, tell that it was written, until nothing more may go."""
    frames = []
    while writes := [one for one in commands if isinstance(one, WriteChunk)]:
        assert len(writes) == 1
        frames.append(writes[0].frame)
        commands = step(state, Wrote(writes[0].ticket, 100, last=True), state.now)
    return frames


def kinds(commands: list[Any]) -> list[type]:
    return [type(command) for command in commands]


# --- handshake --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("major", "minor", "works"), [(0, 0, True), (0, 1, True), (0, 2, False), (1, 0, False)]
)
def test_peers_one_minor_version_apart_understand_each_other(major: int, minor: int, works: bool) -> None:
    hello = dataclasses.replace(
        HELLO, protocol_major=PROTOCOL_MAJOR + major, protocol_minor=PROTOCOL_MINOR + minor
    )
    state = machine.opening(HELLO, LIMITS, 0.0)
    (command,) = step(state, Greeted(hello), 0.0)
    if works:
        assert isinstance(command, Opened)
    else:
        assert isinstance(command, Close)
        assert isinstance(command.error, IncompatibleVersion)
        assert command.goodbye


def test_the_checksum_is_one_that_both_have() -> None:
    ours = dataclasses.replace(HELLO, checksums=("xxh3", "crc32c"))
    for theirs, agreed in ((("crc32c",), "crc32c"), (("md5",), ""), ((), ""), (("crc32c", "xxh3"), "crc32c")):
        state = machine.opening(ours, LIMITS, 0.0)
        (opened,) = step(state, Greeted(dataclasses.replace(HELLO, checksums=theirs)), 0.0)
        assert opened == Opened(state.peer, agreed)  # type: ignore[arg-type]


def test_what_is_submitted_before_the_handshake_goes_after_it() -> None:
    state = machine.opening(HELLO, LIMITS, 0.0)
    assert step(state, Submitted(1, request("a"), 0), 0.0) == []
    assert [type(c) for c in step(state, Greeted(HELLO), 0.0)] == [Opened, WriteChunk]


def test_chunks_are_small_until_the_line_is_known_and_half_of_the_largest_where_it_never_is() -> None:
    limits = dataclasses.replace(LIMITS, chunk=1 << 20)
    for hello, chunk in ((HELLO, START_CHUNK), (OLD, 512 << 10)):
        state = machine.opening(HELLO, limits, 0.0)
        step(state, Greeted(hello), 0.0)
        assert state.outbox.chunk == state.pacing.chunk == chunk


# --- answers ----------------------------------------------------------------------------------------


def test_a_request_gets_its_answer_once() -> None:
    state = ready()
    commands = step(state, Submitted(1, request("a"), 10, expects=True), 0.0)
    assert [f.request_id for f in written(state, commands)] == ["a"]
    reply = frame(FrameKind.REPLY, "a")
    assert step(state, Arrived(reply, 0), 0.1) == [Answer(("a", 0), reply)]  # type: ignore[arg-type]
    assert step(state, Arrived(reply, 0), 0.2) == []


def test_an_answer_to_another_attempt_is_not_taken() -> None:
    state = ready()
    step(state, Submitted(1, request("a", attempt=1), 10, expects=True), 0.0)
    assert step(state, Arrived(frame(FrameKind.REPLY, "a"), 0), 0.1) == []


def test_whoever_gives_up_has_the_peer_told() -> None:
    state = ready()
    written(state, step(state, Submitted(1, request("a"), 10, expects=True), 0.0))
    told = written(state, step(state, Abandoned(("a", 0)), 0.1))  # type: ignore[arg-type]
    assert [(f.kind, f.request_id) for f in told] == [(FrameKind.CANCEL, "a")]
    assert step(state, Arrived(frame(FrameKind.REPLY, "a"), 0), 0.2) == []


def test_what_was_given_up_before_it_went_never_goes() -> None:
    state = ready()
    commands = step(state, Submitted(1, request("a"), 10, expects=True), 0.0)
    step(state, Submitted(2, request("b"), 10, expects=True), 0.0)
    assert step(state, Abandoned(("b", 0)), 0.1) == []  # type: ignore[arg-type]
    assert [f.request_id for f in written(state, commands)] == ["a"]


def test_a_cancel_is_delivered() -> None:
    cancel = frame(FrameKind.CANCEL, "a")
    assert step(ready(), Arrived(cancel, 0), 0.1) == [Deliver(cancel)]


# --- bounds and credits -----------------------------------------------------------------------------


def test_requests_wait_for_credit_and_replies_do_not() -> None:
    state = ready()
    commands = step(state, Submitted(1, request("1"), 10), 0.0)
    for ticket in range(2, 7):
        step(state, Submitted(ticket, request(str(ticket)), 10), 0.0)
    step(state, Submitted(7, frame(FrameKind.REPLY, "r"), 10), 0.0)
    assert [f.request_id for f in written(state, commands)] == ["1", "r", "2", "3", "4"]
    credit = frame(FrameKind.CREDIT, "", credit_frames=1, credit_bytes=10)
    assert [f.request_id for f in written(state, step(state, Arrived(credit, 0), 0.1))] == ["5"]


def test_bytes_are_credit_too() -> None:
    state = ready()
    commands = step(state, Submitted(1, request("1"), 600), 0.0)
    step(state, Submitted(2, request("2"), 500), 0.0)
    assert [f.request_id for f in written(state, commands)] == ["1"]
    credit = frame(FrameKind.CREDIT, "", credit_frames=1, credit_bytes=600)
    assert [f.request_id for f in written(state, step(state, Arrived(credit, 0), 0.1))] == ["2"]


def test_credit_goes_back_when_work_begins_and_rides_on_what_goes_anyway() -> None:
    state = ready(dataclasses.replace(HELLO, window_frames=9))
    state.ours = dataclasses.replace(HELLO, window_frames=9)
    (deliver,) = step(state, Arrived(request("a"), 30), 0.0)
    assert (
        step(state, Released(deliver.serial), 0.1) == []
    )  # a ninth of the window: worth no frame of its own
    assert step(state, Released(deliver.serial), 0.1) == []  # twice is once
    (write,) = step(state, Submitted(1, frame(FrameKind.REPLY, "a"), 0), 0.2)
    assert (write.credit_frames, write.credit_bytes) == (1, 30)


def test_credit_that_nothing_carries_goes_by_itself() -> None:
    state = ready()
    (deliver,) = step(state, Arrived(request("a"), 10), 0.0)
    (write,) = step(state, Released(deliver.serial), 0.1)  # a quarter of the window of four
    assert (write.frame.kind, write.credit_frames, write.credit_bytes) == (FrameKind.CREDIT, 1, 10)


def test_little_credit_goes_with_the_next_tick() -> None:
    state = ready()
    state.ours = dataclasses.replace(HELLO, window_frames=100)
    (deliver,) = step(state, Arrived(request("a"), 10), 0.0)
    assert step(state, Released(deliver.serial), 0.1) == []
    (write,) = step(state, Tick(), 0.2)
    assert (write.credit_frames, write.credit_bytes) == (1, 10)


def test_a_peer_that_sends_without_credit_is_left() -> None:
    state = ready()
    for name in "abcd":
        assert kinds(step(state, Arrived(request(name), 10), 0.0)) == [Deliver]
    (close,) = step(state, Arrived(request("e"), 10), 0.0)
    assert isinstance(close.error, CorruptFrame)


def test_what_waits_to_be_sent_is_bounded() -> None:
    state = ready()
    refused = []
    for ticket in range(1, 15):
        commands = step(state, Submitted(ticket, request(str(ticket)), 10), 0.0)
        refused += [c.error for c in commands if isinstance(c, Refuse)]
    assert len(refused) == 14 - LIMITS.queue_frames
    assert isinstance(refused[0], Overloaded)
    state = ready()
    outcomes = [kinds(step(state, Submitted(t, request(str(t)), 600), 0.0)) for t in range(1, 5)]
    assert outcomes == [[WriteChunk], [], [], [Refuse]]


def test_an_answer_is_never_refused_for_want_of_room() -> None:
    state = ready()
    for ticket in range(1, 14):
        assert Refuse not in kinds(
            step(state, Submitted(ticket, frame(FrameKind.REPLY, str(ticket)), 600), 0.0)
        )


def test_who_asks_and_never_reads_its_answers_gets_no_credit_back_and_is_left() -> None:
    state = ready()
    step(state, Arrived(request("a"), 30), 0.0)
    for ticket in range(1, 5):
        step(state, Submitted(ticket, frame(FrameKind.REPLY, str(ticket)), 600), 0.0)
    step(state, Released(1), 0.1)
    assert all(one.frame.kind is not FrameKind.CREDIT for one in pass_time(state, 0.6))
    assert (state.owed_frames, state.owed_bytes) == (1, 30)
    commands: list[Any] = []
    while not commands or Close not in kinds(commands):
        ticket += 1
        commands = step(state, Submitted(ticket, frame(FrameKind.REPLY, str(ticket)), 600), 0.7)
        assert ticket < 16
    (close,) = [one for one in commands if isinstance(one, Close)]
    assert isinstance(close.error, Overloaded)
    assert close.goodbye


def test_requests_that_wait_for_an_answer_are_bounded_and_distinct() -> None:
    state = ready()
    commands = step(state, Submitted(1, request("1"), 0, expects=True), 0.0)
    for ticket in range(2, 6):
        step(state, Submitted(ticket, request(str(ticket)), 0, expects=True), 0.0)
    (refused,) = step(state, Submitted(6, request("6"), 0, expects=True), 0.0)
    assert isinstance(refused.error, Overloaded)
    written(state, commands)
    (answer,) = step(state, Arrived(frame(FrameKind.REPLY, "1"), 0), 0.0)
    assert answer.key == ("1", 0)
    assert kinds(step(state, Submitted(7, request("2"), 0, expects=True), 0.0)) == [Refuse]


def test_a_frame_larger_than_the_peer_accepts_is_refused_here() -> None:
    (refused,) = step(ready(), Submitted(1, request("a"), 601), 0.0)
    assert isinstance(refused.error, InvalidInput)


# --- liveness and the end ---------------------------------------------------------------------------


def pass_time(state: State, until: float) -> list[Any]:
    """Tick on until `until`, playing the writer; return the commands that were not writes."""
    others: list[Any] = []
    while state.now < until and state.phase is Phase.READY:
        commands = step(state, Tick(), min(state.now + 0.5, until))
        others += [one for one in commands if not isinstance(one, WriteChunk)]
        others += written(state, commands)
    return others


def test_a_silent_peer_is_asked_then_left() -> None:
    state = ready()
    assert pass_time(state, 3.0) == []
    (ping,) = pass_time(state, 7.9)
    assert ping.kind is FrameKind.PROBE
    (close,) = pass_time(state, 9.0)
    assert isinstance(close.error, Unavailable)
    assert not close.goodbye


def test_a_word_of_any_kind_is_a_sign_of_life() -> None:
    state = ready(OLD)
    pass_time(state, 7.5)
    assert step(state, Heard(), 7.5) == []
    assert pass_time(state, 10.0) == []


def test_who_slept_itself_does_not_blame_the_peer() -> None:
    state = ready()
    assert step(state, Tick(), 60.0) == []
    assert Close not in kinds(pass_time(state, 67.5))
    assert Close in kinds(pass_time(state, 69.5))


def test_a_slow_link_is_not_a_dead_one() -> None:
    state = ready()
    (write,) = step(state, Submitted(1, request("a"), 600), 0.0)
    step(state, Wrote(write.ticket, 1_000_000, last=True), 0.1)  # 20 s at the slowest accepted rate
    assert Close not in kinds(pass_time(state, 23.0))
    assert Close in kinds(pass_time(state, 26.0))


def test_a_peer_that_owes_an_answer_is_asked_after_a_second_and_left_after_four() -> None:
    state = ready()
    pass_time(state, 2.9)  # an idle link is not suspicious, nor does its silence count later
    written(state, step(state, Submitted(1, request("a"), 10, expects=True), 2.9))
    (ping,) = pass_time(state, 5.9)
    assert ping.kind is FrameKind.PROBE
    fail, close = pass_time(state, 7.0)
    assert isinstance(fail, Fail)
    assert isinstance(close.error, Unavailable)


def test_a_peer_that_computes_for_long_lives_as_long_as_it_says_so() -> None:
    state = ready(OLD)
    written(state, step(state, Submitted(1, request("a"), 10, expects=True), 0.0))
    for second in range(1, 60):
        (ping,) = pass_time(state, second * 2.0)
        assert ping.kind is FrameKind.PROBE
        step(state, Arrived(frame(FrameKind.PROBE_REPLY, ""), 0), second * 2.0)
    assert state.pending


def test_a_ping_is_answered() -> None:
    state = ready()
    (write,) = step(state, Arrived(frame(FrameKind.PROBE, ""), 0), 1.0)
    assert write.frame.kind is FrameKind.PROBE_REPLY


def test_a_probe_is_answered_with_what_it_wants_and_how_long_it_lay_here() -> None:
    state = ready()
    (first,) = step(state, Submitted(1, frame(FrameKind.REPLY, "r"), 0), 1.0)
    assert step(state, Arrived(probes.probe("p", 10, 300), 10), 1.0) == []  # type: ignore[arg-type]
    sent, write = step(state, Wrote(first.ticket, 10, last=True), 1.5)
    assert sent == Sent(first.ticket)
    assert len(write.frame.tensors[0].payload) == 300
    assert probes.far_seconds(write.frame) == 0.5


def test_everything_that_waits_hears_of_the_end_once() -> None:
    state = ready()
    step(state, Submitted(1, request("a"), 10, expects=True), 0.0)
    step(state, Submitted(2, request("b"), 10), 0.0)
    step(state, Submitted(3, frame(FrameKind.REPLY, "c"), 10), 0.0)
    error = Unavailable("cut")
    commands = step(state, Ended(error), 1.0)
    assert Counter(kinds(commands)) == {Fail: 1, Refuse: 2, Close: 1}
    assert {c.ticket for c in commands if isinstance(c, Refuse)} == {2, 3}
    assert step(state, Ended(error), 1.1) == []
    assert kinds(step(state, Submitted(4, request("d"), 0, expects=True), 1.2)) == [Refuse]
    assert step(state, Arrived(request("x"), 1), 1.3) == []


def test_closing_says_goodbye() -> None:
    (close,) = step(ready(), CloseAsked(), 0.0)
    assert close.goodbye


def test_what_cannot_be_encoded_gives_back_its_credit_and_the_credits_it_carried() -> None:
    ours = dataclasses.replace(HELLO, window_frames=40, window_bytes=4000)
    state = machine.opening(ours, LIMITS, 0.0)
    step(state, Greeted(HELLO), 0.0)
    error = InvalidInput("no text")
    step(state, Arrived(request("theirs"), 100), 0.0)
    step(state, Released(1), 0.0)
    for number in range(9):  # more often than the peer's window allows
        asked = request(f"odd {number}")
        (write,) = step(state, Submitted(number + 1, asked, 300, expects=True), 0.0)
        assert isinstance(write, WriteChunk)
        owed = (write.credit_frames, write.credit_bytes)
        assert owed == (1, 100)
        assert step(state, Unsendable(write.ticket, error, *owed), 0.0) == [Refuse(number + 1, error)]
    assert not state.pending
