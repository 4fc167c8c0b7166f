"""Two link machines, without bytes or time: under any order of events no request is lost."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.link import machine
from lepton_edge.link.commands import Answer, Deliver, Fail, Refuse, WriteChunk
from lepton_edge.link.events import (
    Arrived,
    Ended,
    Greeted,
    Heard,
    Released,
    Submitted,
    Tick,
    Wrote,
)
from lepton_edge.link.machine import Phase, step
from tests.lepton_edge.link.frames_by_name import HELLO, LIMITS, frame, request


class Peer:
    """One end with a writer and a handler, both of which act only when told."""

    def __init__(self) -> None:
        self.state = machine.opening(HELLO, LIMITS, 0.0)
        self.write: WriteChunk | None = None
        self.left: dict[int, int] = {}  # ticket: bytes of it that are not written
        self.wire: deque[tuple[Frame, int, bool]] = deque()
        self.inbox: deque[Deliver] = deque()
        self.outcomes: Counter[int] = Counter()
        self.asked: dict[Any, int] = {}
        self.ticket = 0

    def do(self, event: Any) -> None:
        for command in step(self.state, event, self.state.now):
            if isinstance(command, WriteChunk):
                assert self.write is None, "one chunk at a time"
                self.write = command
            elif isinstance(command, Deliver):
                self.inbox.append(command)
            elif isinstance(command, Answer | Fail):
                self.outcomes[self.asked.pop(command.key)] += 1
            elif isinstance(command, Refuse):
                self.outcomes[command.ticket] += 1
                self.asked = {key: ticket for key, ticket in self.asked.items() if ticket != command.ticket}

    def ask(self, size: int) -> None:
        self.ticket += 1
        frame = request(f"{self.ticket:032x}", tensors=payload(size))
        self.asked[machine.key_of(frame)] = self.ticket
        self.do(Submitted(self.ticket, frame, size, expects=True))

    def write_chunk(self) -> None:
        if self.write is None:
            return
        command, self.write = self.write, None
        size = sum(len(t.payload) for t in command.frame.tensors)
        left = self.left.pop(command.ticket, size)
        piece = min(left, LIMITS.chunk)
        if left > piece:
            self.left[command.ticket] = left - piece
        last = left <= piece
        given = dataclasses.replace(
            command.frame, credit_frames=command.credit_frames, credit_bytes=command.credit_bytes
        )
        self.wire.append((given, size, last))
        self.do(Wrote(command.ticket, piece, last))

    def receive(self, other: Peer) -> None:
        if other.wire:
            frame, size, last = other.wire.popleft()
            self.do(Arrived(frame, size) if last else Heard())

    def serve(self) -> None:
        if not self.inbox:
            return
        deliver = self.inbox.popleft()
        self.do(Released(deliver.serial))
        self.ticket += 1
        reply = frame(FrameKind.REPLY, deliver.frame.request_id, tensors=deliver.frame.tensors)
        self.do(Submitted(self.ticket, reply, sum(len(t.payload) for t in reply.tensors)))


def payload(size: int) -> tuple[WireTensor, ...]:
    return (WireTensor("x", "uint8", (size,), "raw", bytes(size)),) if size else ()  # type: ignore[arg-type]


ACTIONS = ("ask", "ask large", "write", "receive", "serve", "tick")


def act(one: Peer, other: Peer, action: str) -> None:
    if action == "ask":
        one.ask(40)
    elif action == "ask large":
        one.ask(550)
    elif action == "write":
        one.write_chunk()
    elif action == "receive":
        one.receive(other)
    elif action == "serve":
        one.serve()
    else:
        one.do(Tick())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(ACTIONS)), max_size=120), st.booleans())
def test_under_any_order_every_request_ends_exactly_once(script: list[tuple[bool, str]], cut: bool) -> None:
    left, right = Peer(), Peer()
    for peer in (left, right):
        peer.do(Greeted(HELLO))
    for which, action in script:
        one, other = (left, right) if which else (right, left)
        act(one, other, action)
        assert len(one.inbox) <= HELLO.window_frames
        assert one.state.held_bytes <= HELLO.window_bytes
    if cut:
        left.do(Ended(Unavailable("cut")))
        right.do(Ended(Unavailable("cut")))
    else:
        for _ in range(300):
            for one, other in ((left, right), (right, left)):
                for action in ("write", "receive", "serve", "tick"):
                    act(one, other, action)
    for peer in (left, right):
        assert not peer.asked, "a request was forgotten"
        assert all(count == 1 for count in peer.outcomes.values())
        assert peer.state.phase is (Phase.CLOSED if cut else Phase.READY)
