"""The protocol of one link, as a pure state machine: `step(state, event, now) -> list[Command]`.

Law: no await, no clock, no randomness, no bytes: frames go in and out as nouns, the driver encodes them. All
of it in one view is TABLE, below: which clause answers which event in which phase. The clauses are in
`sending`, `receiving` and `alive`; `outbox` says whose turn it is, `pacing` how much may be under way.

Everything is bounded: requests that wait to be sent (`Limits.queue_*`) or for an answer (`pending`), what the
peer may have waiting here (`LinkHello.window_*`), and half-sent frames (again `window_bytes`). An answer is
never refused for want of room: it belongs to a request that this side admitted. But while more of them wait
than `queue_bytes`, the peer gets no credit back, and at four times that the link is closed. So a link holds
at most 2 x window_bytes of what the peer sent, and 4 x queue_bytes of what it is to get.

Credits. A REQUEST needs one frame's and its payload's worth of the peer's window; the peer returns both when
it takes the request off its queue to work on it. Replies need none, since somebody waits for each and takes
it at once; so two peers that send each other requests cannot lock each other out. Credits ride on frames that
go out anyway; a CREDIT frame of their own is sent for a quarter of the window, or with the next tick.

Acknowledgements. Between peers of protocol 1.1 a chunk may ask how many bytes have come so far (`pacing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lepton_edge.core.errors import CorruptFrame, IncompatibleVersion, Unavailable
from lepton_edge.core.links import LinkHello
from lepton_edge.link import alive, receiving, sending
from lepton_edge.link.commands import Command, Opened
from lepton_edge.link.events import (
    Abandoned,
    Acked,
    Arrived,
    Breached,
    CloseAsked,
    Ended,
    Event,
    Greeted,
    Heard,
    Released,
    Submitted,
    Tick,
    Unsendable,
    Wrote,
)
from lepton_edge.link.state import PING as PING
from lepton_edge.link.state import Phase as Phase
from lepton_edge.link.state import State as State
from lepton_edge.link.state import close
from lepton_edge.link.state import key_of as key_of
from lepton_edge.link.state import opening as opening

ACKNOWLEDGING = 1  # the minor version from which on a peer acknowledges


def step(state: State, event: Event, now: float) -> list[Command]:
    """Take one event; return what is to be done. `now` is a monotonic time in seconds."""
    state.now = now
    commands = TABLE[type(event)][state.phase](state, event)
    if state.phase is Phase.READY and state.writing is None:
        commands += sending.write_next(state)
    return commands


def _greeted(state: State, event: Greeted) -> list[Command]:
    hello, ours = event.hello, state.ours
    apart = abs(hello.protocol_minor - ours.protocol_minor)
    if hello.protocol_major != ours.protocol_major or apart > 1:
        return close(state, _incompatible(ours, hello), goodbye=True)
    state.phase, state.peer = Phase.READY, hello
    state.heard_at = state.ticked_at = state.now
    state.outbox.open_window(hello)
    state.acks = min(hello.protocol_minor, ours.protocol_minor) >= ACKNOWLEDGING
    if state.acks and state.limits.paced:
        state.pacing.begin()
    elif not state.acks:  # nobody will ever know how long such a chunk is under way
        state.pacing.chunk = state.limits.chunk // 2
    state.outbox.chunk = state.pacing.chunk
    shared = sorted(set(hello.checksums) & set(ours.checksums))
    return [Opened(hello, shared[0] if shared else "")]


def _incompatible(ours: LinkHello, hello: LinkHello) -> IncompatibleVersion:
    theirs = f"{hello.protocol_major}.{hello.protocol_minor}"
    return IncompatibleVersion(
        f"{hello.name or 'the peer'} (release {hello.software or 'unknown'}) speaks protocol {theirs}, "
        f"this side {ours.protocol_major}.{ours.protocol_minor}",
        "install the same release on both",
    )


def _greeted_twice(state: State, event: Greeted) -> list[Command]:
    return close(state, CorruptFrame("the peer said hello twice"), goodbye=True)


def _ended(state: State, event: Ended) -> list[Command]:
    return close(state, event.error, goodbye=False)


def _breached(state: State, event: Breached) -> list[Command]:
    return close(state, event.error, goodbye=True)


def _close_asked(state: State, event: CloseAsked) -> list[Command]:
    return close(state, Unavailable("the link was closed here"), goodbye=True)


def _nothing(state: State, event: Event) -> list[Command]:
    return []


# fmt: off
TABLE: dict[type, tuple[Callable[[State, Any], list[Command]], ...]] = {
    # event       OPENING               READY                 CLOSED
    Greeted:     (_greeted,             _greeted_twice,       _nothing),
    Submitted:   (sending.submitted,    sending.submitted,    sending.refused_late),
    Wrote:       (_nothing,             sending.wrote,        _nothing),
    Unsendable:  (_nothing,             sending.unsendable,   _nothing),
    Abandoned:   (sending.abandoned,    sending.abandoned,    _nothing),
    Heard:       (_nothing,             receiving.heard,      _nothing),
    Arrived:     (_nothing,             receiving.arrived,    _nothing),
    Acked:       (_nothing,             receiving.acked,      _nothing),
    Released:    (_nothing,             receiving.released,   _nothing),
    Tick:        (_nothing,             alive.tick,           _nothing),
    Breached:    (_breached,            _breached,            _nothing),
    Ended:       (_ended,               _ended,               _nothing),
    CloseAsked:  (_close_asked,         _close_asked,         _nothing),
}
# fmt: on
