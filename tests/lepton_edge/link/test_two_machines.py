"""Two link machines and a network between them that delays, breaks, repeats and reorders: no request is lost.

TCP neither loses nor reorders: what a link sees of a bad network is delay, and its end. Repeated and reordered
chunks come from a peer that is hostile or broken; against it the bounds must hold, and the end be typed.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.core.links import LinkHello
from lepton_edge.link import machine
from lepton_edge.link.commands import Answer, Close, Deliver, Fail, Refuse, WriteAck, WriteChunk
from lepton_edge.link.events import (
    Abandoned,
    Acked,
    Arrived,
    Ended,
    Event,
    Greeted,
    Heard,
    Released,
    Submitted,
    Tick,
    Wrote,
)
from lepton_edge.link.machine import Phase, step
from tests.lepton_edge.link.frames_by_name import HELLO, LIMITS, frame, request

OLD = dataclasses.replace(HELLO, protocol_minor=0)
PREFIX = 40
REPLIES = {FrameKind.REPLY, FrameKind.ERROR}


class Peer:
    """One end with a writer and a handler, both of which act only when told."""

    def __init__(self, hello: LinkHello = HELLO) -> None:
        self.state = machine.opening(hello, LIMITS, 0.0)
        self.write: WriteChunk | WriteAck | None = None
        self.wrote: Wrote | None = None
        self.left: dict[
            int, tuple[int, Frame]
        ] = {}  # ticket: bytes of it that are not written, and its header
        self.wire: deque[Event] = deque()  # what the other end will be told
        self.inbox: deque[Deliver] = deque()
        self.outcomes: Counter[int] = Counter()
        self.asked: dict[Any, int] = {}
        self.given_up: set[int] = set()
        self.ticket = 0
        self.now = 0.0
        self.closes: list[Close] = []

    def do(self, event: Event) -> None:
        for command in step(self.state, event, self.now):
            self.obey(command)
        self.validate()

    def obey(self, command: Any) -> None:
        if isinstance(command, WriteChunk | WriteAck):
            assert self.write is None and self.wrote is None, "one chunk at a time"  # noqa: PT018
            self.write = command
        elif isinstance(command, Deliver):
            self.inbox.append(command)
        elif isinstance(command, Answer | Fail):
            self.outcomes[self.asked.pop(command.key)] += 1
        elif isinstance(command, Refuse):
            self.outcomes[command.ticket] += 1
            self.asked = {key: ticket for key, ticket in self.asked.items() if ticket != command.ticket}
        elif isinstance(command, Close):
            self.closes.append(command)

    def validate(self) -> None:
        """What must hold after every step."""
        state = self.state
        if state.phase is not Phase.READY:
            return
        outbox, pacing, peer = state.outbox, state.pacing, state.peer
        assert peer is not None
        assert 0 <= outbox.credit_frames <= peer.window_frames
        assert 0 <= outbox.credit_bytes <= peer.window_bytes
        assert 0 <= pacing.acked <= pacing.sent
        assert len(pacing._asks) <= 64
        assert 0 <= state.held_bytes == sum(state.held.values()) <= state.ours.window_bytes
        assert len(state.held) <= state.ours.window_frames
        assert outbox.size == sum(one.size for one in waiting_in(outbox))
        assert outbox._frames == len(waiting_in(outbox))
        assert len(state.pending) <= LIMITS.pending

    def ask(self, size: int, priority: int = 0, remaining_ms: int = 0) -> None:
        self.ticket += 1
        asked = request(
            f"{self.ticket:032x}", tensors=payload(size), priority=priority, remaining_ms=remaining_ms
        )
        self.asked[machine.key_of(asked)] = self.ticket
        self.do(Submitted(self.ticket, asked, size, expects=True))

    def give_up(self) -> None:
        """Stop waiting for the oldest request."""
        if self.asked:
            key = next(iter(self.asked))
            self.given_up.add(self.asked.pop(key))
            self.do(Abandoned(key))

    def write_chunk(self) -> None:
        """Put the chunk on the wire; the machine is told later: its answer may be back before."""
        command, self.write = self.write, None
        if isinstance(command, WriteAck):
            self.wire.append(Acked(command.received, command.rate))
            self.wrote = Wrote(0, PREFIX, True)
        elif command is not None:
            self.wrote = self.written(command)

    def tell(self) -> None:
        wrote, self.wrote = self.wrote, None
        if wrote is not None:
            self.do(wrote)

    def written(self, command: WriteChunk) -> Wrote:
        size = sum(len(t.payload) for t in command.frame.tensors)
        header = dataclasses.replace(
            command.frame, credit_frames=command.credit_frames, credit_bytes=command.credit_bytes
        )
        left, sent = self.left.pop(command.ticket, (size, header))
        piece = 0 if command.unwanted else min(left, command.room)
        last = command.unwanted or left <= piece
        if not last:
            self.left[command.ticket] = left - piece, sent
        chunk = piece + PREFIX
        if last and not command.unwanted:
            self.wire.append(Arrived(sent, size, chunk, command.asks))
        else:
            self.wire.append(Heard(chunk, command.asks, left - piece))
        return Wrote(command.ticket, chunk, last)

    def receive(self, other: Peer) -> None:
        if other.wire:
            self.do(other.wire.popleft())

    def serve(self) -> None:
        if not self.inbox:
            return
        deliver = self.inbox.popleft()
        if not deliver.serial:
            return
        self.do(Released(deliver.serial))
        self.ticket += 1
        reply = dataclasses.replace(deliver.frame, kind=FrameKind.REPLY)  # credits and all, as an echo does
        self.do(Submitted(self.ticket, reply, sum(len(t.payload) for t in reply.tensors)))


def waiting_in(outbox: Any) -> set[Any]:
    lanes = [entry[3] for lane in outbox._lanes.values() for entry in lane.heap]
    writing = [outbox._writing] if outbox._writing is not None else []
    return {*lanes, *outbox._urgent, *outbox._open, *writing}


def payload(size: int) -> tuple[WireTensor, ...]:
    return (WireTensor("x", "uint8", (size,), "raw", bytes(size)),) if size else ()  # type: ignore[arg-type]


def act(one: Peer, other: Peer, action: str) -> None:
    simple = {
        "ask": lambda: one.ask(40),
        "ask large": lambda: one.ask(550),
        "ask urgent": lambda: one.ask(250, priority=5),
        "ask late": lambda: one.ask(60, remaining_ms=300),
        "give up": one.give_up,
        "write": one.write_chunk,
        "tell": one.tell,
        "receive": lambda: one.receive(other),
        "serve": one.serve,
        "tick": lambda: one.do(Tick()),
    }
    one.now += 0.01 if action != "tick" else 0.25
    simple[action]()


ACTIONS = (
    "ask", "ask large", "ask urgent", "ask late", "give up", *["write", "receive", "tell"] * 3, "serve", "tick",
)  # fmt: skip
SCRIPTS = st.lists(st.tuples(st.booleans(), st.sampled_from(ACTIONS)), max_size=150)


def both(left: LinkHello = HELLO, right: LinkHello = HELLO) -> tuple[Peer, Peer]:
    one, other = Peer(left), Peer(right)
    one.do(Greeted(right))
    other.do(Greeted(left))
    return one, other


def run_to_the_end(left: Peer, right: Peer) -> None:
    for turn in range(400):
        for one, other in ((left, right), (right, left)):
            for action in ("write", "receive", "tell", "serve"):
                act(one, other, action)
            if not turn % 50:
                one.do(Tick())


def assert_each_request_ended_once(peer: Peer) -> None:
    assert not peer.asked, "a request was forgotten"
    assert all(count == 1 for count in peer.outcomes.values()), "one was answered twice"


@settings(max_examples=200, deadline=None)
@given(SCRIPTS, st.booleans(), st.sampled_from([HELLO, OLD]))
def test_under_any_order_and_delay_every_request_ends_exactly_once(
    script: list[tuple[bool, str]], cut: bool, other_end: LinkHello
) -> None:
    left, right = both(HELLO, other_end)
    for which, action in script:
        act(*((left, right) if which else (right, left)), action)
    if cut:
        left.do(Ended(Unavailable("cut")))
        right.do(Ended(Unavailable("cut")))
    else:
        run_to_the_end(left, right)
    for peer in (left, right):
        assert_each_request_ended_once(peer)
        assert peer.state.phase is (Phase.CLOSED if cut else Phase.READY), peer.closes
        if not cut:
            assert not peer.state.outbox.size
            outbox, window = peer.state.outbox, HELLO
            returned = (outbox.credit_frames, outbox.credit_bytes)
            assert returned == (window.window_frames, window.window_bytes), "a credit was lost"


@settings(max_examples=200, deadline=None)
@given(
    SCRIPTS, st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["repeat", "swap", "drop"])), max_size=12)
)
def test_a_stream_that_repeats_and_reorders_breaks_no_bound_and_forgets_nobody(
    script: list[tuple[bool, str]], spoils: list[tuple[int, str]]
) -> None:
    """What a peer sends is repeated, swapped or lost, whole events of it: the victim keeps its bounds."""
    left, right = both()
    todo = list(spoils)
    for which, action in script:
        act(*((left, right) if which else (right, left)), action)
        if todo and right.wire and action == "write":
            spoil(right.wire, *todo.pop())
    run_to_the_end(left, right)
    left.do(Ended(Unavailable("cut")))
    assert_each_request_ended_once(left)


def spoil(wire: deque[Event], where: int, how: str) -> None:
    where %= len(wire)
    if how == "repeat":
        wire.insert(where, wire[where])
    elif how == "drop":
        del wire[where]
    else:
        wire[where], wire[-1] = wire[-1], wire[where]


@pytest.mark.parametrize("kind", ["acknowledges", "grants", "floods"])
def test_a_peer_that_lies_is_told_and_left(kind: str) -> None:
    left, _ = both()
    lies: dict[str, list[Event]] = {
        "acknowledges": [Acked(1 << 40)],
        "grants": [Arrived(frame(FrameKind.CREDIT, "", credit_frames=1, credit_bytes=1), 0)],
        "floods": [Arrived(request(str(n)), 10) for n in range(HELLO.window_frames + 1)],
    }
    left.ask(10)
    left.write_chunk()
    left.tell()
    for lie in lies[kind]:
        left.do(lie)
    if kind == "grants":  # one credit is back, of one that was taken: the next is a lie
        left.do(lies[kind][0])
    (close,) = left.closes
    assert close.goodbye
    assert close.error.code == "corrupt_frame"
    assert_each_request_ended_once(left)


def test_credits_in_the_header_of_a_frame_that_is_given_up_half_sent_are_not_lost() -> None:
    left, right = both(
        dataclasses.replace(HELLO, window_frames=40), dataclasses.replace(HELLO, window_frames=40)
    )
    right.ask(10)
    act(right, left, "write")
    act(right, left, "tell")
    for action in ("receive", "write", "tell"):  # the acknowledgement
        act(left, right, action)
    left.do(Released(1))
    left.ask(550)
    assert isinstance(left.write, WriteChunk)
    assert left.write.credit_frames == 1
    act(left, right, "write")
    left.give_up()
    run_to_the_end(left, right)
    assert right.state.outbox.credit_frames == 40
    assert left.state.outbox.credit_frames == 40
    assert not left.inbox
    assert not right.inbox, "what was given up half sent never comes"


def test_the_table_answers_every_event_in_every_phase() -> None:
    events = set(machine.TABLE)
    assert events == set(Event.__args__)  # type: ignore[attr-defined]
    assert all(len(row) == len(Phase) for row in machine.TABLE.values())
