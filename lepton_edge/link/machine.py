"""The protocol of one link, as a pure state machine: `step(state, event, now) -> list[Command]`.

Law: no await, no clock, no randomness, no bytes: frames go in and out as nouns, the driver encodes them.
Everything is bounded: requests that wait to be sent (`Limits.queue_*`) or for an answer (`pending`), what the
peer may have waiting here (`LinkHello.window_*`), and half-sent frames (again `window_bytes`). An answer is
never refused for want of room: it belongs to a request that this side admitted, and admission is bounded.

Credits. A REQUEST needs one frame's and its payload's worth of the peer's window; the peer returns both when
it takes the request off its queue to work on it. Replies need none, since somebody waits for each and takes
it at once; so two peers that send each other requests cannot lock each other out. Credits ride on frames that
go out anyway; a CREDIT frame of their own is sent for a quarter of the window, or with the next tick.

Order. Control frames first. Then small frames (one chunk), and large ones chunk by chunk in turn; between two
chunks of large frames at most one chunk's worth of small frames goes, so that neither waits long for the
other.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from lepton_edge.core.errors import CorruptFrame, IncompatibleVersion, InvalidInput, Overloaded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.commands import (
    Answer,
    Close,
    Command,
    Deliver,
    Fail,
    Opened,
    Refuse,
    Sent,
    WriteChunk,
)
from lepton_edge.link.events import (
    Abandoned,
    Arrived,
    CloseAsked,
    Ended,
    Event,
    Greeted,
    Heard,
    Key,
    Released,
    Submitted,
    Tick,
    Unsendable,
    Wrote,
)
from lepton_edge.link.outbox import Outbox, Outgoing
from lepton_edge.link.probes import probe_reply, size_asked
from partitioner.errors import LeptonError
from partitioner.units import RequestId

STALLED = 1.0  # seconds between two ticks after which it was this side that slept: no reproach to the peer
PING = RequestId("")  # the request id of probes that only ask for a sign of life


class Phase(enum.Enum):
    """Where a link is in its life."""

    OPENING = "opening"
    READY = "ready"
    CLOSED = "closed"


# --- state ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class State:
    """One end of one link; `held` are delivered requests whose credit is not yet returned, or `owed`."""

    ours: LinkHello
    limits: Limits
    outbox: Outbox
    now: float = 0.0
    phase: Phase = Phase.OPENING
    peer: LinkHello | None = None
    pending: dict[Key, int] = dataclasses.field(default_factory=dict)
    held: dict[int, int] = dataclasses.field(default_factory=dict)
    held_bytes: int = 0
    serial: int = 0
    own_ticket: int = 0
    owed_frames: int = 0
    owed_bytes: int = 0
    heard_at: float = 0.0
    ticked_at: float = 0.0
    pinged: bool = False
    unheard: int = 0  # bytes handed over since the peer was last heard


def opening(ours: LinkHello, limits: Limits, now: float) -> State:
    """Return the state of a link whose hello was just sent."""
    return State(ours, limits, Outbox(limits), now=now, heard_at=now, ticked_at=now)


def step(state: State, event: Event, now: float) -> list[Command]:
    """Take one event; return what is to be done. `now` is a monotonic time in seconds."""
    if state.phase is Phase.CLOSED:
        return _when_closed(event)
    state.now = now
    commands = _STEPS[type(event)](state, event)
    if state.phase is Phase.READY:
        commands += _write_next(state)
    return commands


def _when_closed(event: Event) -> list[Command]:
    if isinstance(event, Submitted):
        return [Refuse(event.ticket, _gone())]
    return []


def _gone() -> Unavailable:
    return Unavailable("the link is closed", "it is dialled again when needed")


def key_of(frame: Frame) -> Key:
    """Return what correlates a frame with its answer."""
    return frame.request_id, frame.attempt


# --- opening and closing --------------------------------------------------------------------------


def _greeted(state: State, event: Greeted) -> list[Command]:
    hello = event.hello
    apart = abs(hello.protocol_minor - state.ours.protocol_minor)
    if hello.protocol_major != state.ours.protocol_major or apart > 1:
        return _close(state, _incompatible(state.ours, hello), goodbye=True)
    state.phase, state.peer = Phase.READY, hello
    state.heard_at = state.ticked_at = state.now
    state.outbox.open_window(hello)
    shared = sorted(set(hello.checksums) & set(state.ours.checksums))
    return [Opened(hello, shared[0] if shared else "")]


def _incompatible(ours: LinkHello, hello: LinkHello) -> IncompatibleVersion:
    theirs = f"{hello.protocol_major}.{hello.protocol_minor}"
    return IncompatibleVersion(
        f"{hello.name or 'the peer'} (release {hello.software or 'unknown'}) speaks protocol {theirs}, "
        f"this side {ours.protocol_major}.{ours.protocol_minor}",
        "install the same release on both",
    )


def _close(state: State, error: LeptonError, goodbye: bool) -> list[Command]:
    state.phase = Phase.CLOSED
    commands: list[Command] = [Fail(key, error) for key in state.pending]
    answered = set(state.pending.values())
    commands += [Refuse(ticket, error) for ticket in state.outbox.clear() if ticket not in answered]
    state.pending.clear()
    state.held.clear()
    return [*commands, Close(error, goodbye)]


def _ended(state: State, event: Ended) -> list[Command]:
    return _close(state, event.error, goodbye=False)


def _close_asked(state: State, event: CloseAsked) -> list[Command]:
    return _close(state, Unavailable("the link was closed here"), goodbye=True)


# --- sending --------------------------------------------------------------------------------------


def _submitted(state: State, event: Submitted) -> list[Command]:
    error = _refusal(state, event)
    if error is not None:
        return [Refuse(event.ticket, error)]
    if event.expects:
        state.pending[key_of(event.frame)] = event.ticket
    state.outbox.add(Outgoing(event.ticket, event.frame, event.size))
    return []


def _refusal(state: State, event: Submitted) -> LeptonError | None:
    if state.peer is not None and event.size > state.peer.max_frame_bytes:
        most = state.peer.max_frame_bytes
        return InvalidInput(
            f"{event.size} bytes in one message; {state.peer.name} accepts {most}", "send less at once"
        )
    answers = event.frame.kind in (FrameKind.REPLY, FrameKind.ERROR)
    if not answers and state.outbox.is_full_for(event.size):
        return Overloaded("too much waits to be sent on this link", "try again later")
    if event.expects and (len(state.pending) >= state.limits.pending or key_of(event.frame) in state.pending):
        return Overloaded(
            "too many requests wait for an answer on this link, or this one twice", "try again later"
        )
    return None


def _write_next(state: State) -> list[Command]:
    outgoing = state.outbox.next()
    if outgoing is None:
        return []
    frame = outgoing.frame
    if outgoing.started:
        return [WriteChunk(outgoing.ticket, frame)]
    if frame.kind is FrameKind.PROBE_REPLY:
        frame = probe_reply(frame, state.now - outgoing.since)
    frames, size = state.owed_frames, state.owed_bytes
    state.owed_frames = state.owed_bytes = 0
    return [WriteChunk(outgoing.ticket, frame, frames, size)]


def _wrote(state: State, event: Wrote) -> list[Command]:
    state.unheard += event.size
    state.outbox.wrote(event.ticket, event.size, event.last)
    return [Sent(event.ticket)] if event.last and event.ticket > 0 else []


def _unsendable(state: State, event: Unsendable) -> list[Command]:
    state.outbox.unsent()
    state.owed_frames += event.credit_frames
    state.owed_bytes += event.credit_bytes
    for key in [key for key, ticket in state.pending.items() if ticket == event.ticket]:
        del state.pending[key]
    return [Refuse(event.ticket, event.error)]


def _send_own(state: State, frame: Frame, size: int = 0) -> None:
    """Send a frame of the link's own: its tickets are negative, so that nobody is told about them."""
    state.own_ticket -= 1
    state.outbox.add(Outgoing(state.own_ticket, frame, size, since=state.now))


def _abandoned(state: State, event: Abandoned) -> list[Command]:
    ticket = state.pending.pop(event.key, None)
    if ticket is None or state.outbox.drop(ticket):
        return []
    _send_own(state, Frame(FrameKind.CANCEL, event.key[0], attempt=event.key[1]))
    return []


# --- receiving ------------------------------------------------------------------------------------


def _heard(state: State, event: Heard) -> list[Command]:
    state.heard_at, state.unheard, state.pinged = state.now, 0, False
    return []


def _arrived(state: State, event: Arrived) -> list[Command]:
    _heard(state, Heard())
    frame = event.frame
    if frame.credit_frames or frame.credit_bytes:
        state.outbox.credit(frame.credit_frames, frame.credit_bytes)
    return _ARRIVALS[frame.kind](state, event)


def _request_arrived(state: State, event: Arrived) -> list[Command]:
    over = len(state.held) >= state.ours.window_frames or (
        state.held_bytes + event.size > state.ours.window_bytes
    )
    if over:
        return _close(state, CorruptFrame("the peer sent more requests than its credits allow"), goodbye=True)
    state.serial += 1
    state.held[state.serial] = event.size
    state.held_bytes += event.size
    return [Deliver(event.frame, state.serial)]


def _reply_arrived(state: State, event: Arrived) -> list[Command]:
    key = key_of(event.frame)
    if state.pending.pop(key, None) is None:
        return []  # late: given up, or answered already
    return [Answer(key, event.frame)]


def _probe_arrived(state: State, event: Arrived) -> list[Command]:
    reply = dataclasses.replace(
        event.frame, kind=FrameKind.PROBE_REPLY, tensors=(), credit_frames=0, credit_bytes=0
    )
    size = size_asked(event.frame)
    if not state.outbox.is_full_for(size):
        _send_own(state, reply, size)
    return []


def _released(state: State, event: Released) -> list[Command]:
    size = state.held.pop(event.serial, None)
    if size is None:
        return []
    state.held_bytes -= size
    state.owed_frames += 1
    state.owed_bytes += size
    ours = state.ours
    if state.owed_frames * 4 >= ours.window_frames or state.owed_bytes * 4 >= ours.window_bytes:
        _return_credit(state)
    return []


def _return_credit(state: State) -> None:
    if state.owed_frames and not state.outbox.has_unstarted():
        _send_own(state, Frame(FrameKind.CREDIT, PING))  # _write_next puts what is owed into its header


# --- time -----------------------------------------------------------------------------------------


def _tick(state: State, event: Tick) -> list[Command]:
    if state.phase is not Phase.READY:
        return []
    _return_credit(state)
    asleep = state.now - state.ticked_at
    state.ticked_at = state.now
    if asleep > STALLED:
        state.heard_at += asleep
    silence = state.now - state.heard_at
    if silence > state.limits.dead_after + state.unheard / state.limits.slowest:
        name = state.peer.name if state.peer else "the peer"
        return _close(
            state,
            Unavailable(f"{name} was not heard for {silence:.0f} s", "is the network up?"),
            goodbye=False,
        )
    if silence > state.limits.idle_probe and not state.pinged:
        state.pinged = True
        _send_own(state, Frame(FrameKind.PROBE, PING))
    return []


_STEPS: dict[type, Callable[[State, Any], list[Command]]] = {
    Greeted: _greeted,
    Submitted: _submitted,
    Wrote: _wrote,
    Unsendable: _unsendable,
    Heard: _heard,
    Arrived: _arrived,
    Released: _released,
    Abandoned: _abandoned,
    Tick: _tick,
    Ended: _ended,
    CloseAsked: _close_asked,
}

_ARRIVALS: dict[FrameKind, Callable[[State, Arrived], list[Command]]] = {
    FrameKind.REQUEST: _request_arrived,
    FrameKind.TUNNEL: _request_arrived,
    FrameKind.REPLY: _reply_arrived,
    FrameKind.ERROR: _reply_arrived,
    FrameKind.CANCEL: lambda state, event: [Deliver(event.frame)],
    FrameKind.CREDIT: lambda state, event: [],
    FrameKind.PROBE: _probe_arrived,
    FrameKind.PROBE_REPLY: _reply_arrived,
}
