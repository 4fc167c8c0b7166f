"""The clauses of the link protocol about what comes in.

Law: pure; called by `machine` alone. Whatever the peer sends, what it may make this side hold is bounded:
requests by the window that was granted in the hello, half-received frames by the decoder, answers by what
was asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.frames import FrameKind
from lepton_edge.link.commands import Answer, Command, Deliver
from lepton_edge.link.events import Acked, Arrived, Heard, Released
from lepton_edge.link.probes import far_seconds, size_asked
from lepton_edge.link.sending import confirmed, return_credit, send_own
from lepton_edge.link.state import State, close, key_of


def heard(state: State, event: Heard | Arrived) -> list[Command]:
    """A chunk came: the peer lives; count it, and remember when it asks for the count."""
    state.heard_at, state.unheard, state.pinged_at = state.now, 0, 0.0
    state.received += event.chunk
    state.half_received = event.half_received
    state.ack_due = state.ack_due or (event.asks and state.acks)
    return []


def acked(state: State, event: Acked) -> list[Command]:
    """The peer's count of received bytes came, and the rate that it measured towards this side."""
    state.heard_at, state.unheard, state.pinged_at = state.now, 0, 0.0
    state.down = event.rate
    return confirmed(state, event.received)


def arrived(state: State, event: Arrived) -> list[Command]:
    """Take a whole frame."""
    heard(state, event)
    frame = event.frame
    if frame.credit_frames or frame.credit_bytes:
        state.outbox.credit(frame.credit_frames, frame.credit_bytes)
        if _is_more_than_granted(state):
            return close(state, CorruptFrame("the peer returns credits that it never took"), goodbye=True)
    return _ARRIVALS[frame.kind](state, event)


def _is_more_than_granted(state: State) -> bool:
    peer, outbox = state.peer, state.outbox
    return peer is not None and (
        outbox.credit_frames > peer.window_frames or outbox.credit_bytes > peer.window_bytes
    )


def _request_arrived(state: State, event: Arrived) -> list[Command]:
    over = len(state.held) >= state.ours.window_frames or (
        state.held_bytes + event.size > state.ours.window_bytes
    )
    if over:
        return close(state, CorruptFrame("the peer sent more requests than its credits allow"), goodbye=True)
    state.serial += 1
    state.held[state.serial] = event.size
    state.held_bytes += event.size
    return [Deliver(event.frame, state.serial)]


def _reply_arrived(state: State, event: Arrived) -> list[Command]:
    key = key_of(event.frame)
    waiting = state.pending.pop(key, None)
    if waiting is None:
        return []  # late: given up, or answered already
    state.pacing.arrived(waiting.through)
    if waiting.through:
        state.pacing.answered(state.now - waiting.at - far_seconds(event.frame))
    return [Answer(key, event.frame)]


def _cancel_arrived(state: State, event: Arrived) -> list[Command]:
    return [Deliver(event.frame)]


def _credit_arrived(state: State, event: Arrived) -> list[Command]:
    return []


def _probe_arrived(state: State, event: Arrived) -> list[Command]:
    reply = dataclasses.replace(
        event.frame, kind=FrameKind.PROBE_REPLY, tensors=(), credit_frames=0, credit_bytes=0
    )
    size = size_asked(event.frame)
    if not state.outbox.is_full_for(size):
        send_own(state, reply, size)
    return []


def released(state: State, event: Released) -> list[Command]:
    """Work on a delivered request begins: its credit is owed to the peer."""
    size = state.held.pop(event.serial, None)
    if size is None:
        return []
    state.held_bytes -= size
    state.owed_frames += 1
    state.owed_bytes += size
    ours = state.ours
    if state.owed_frames * 4 >= ours.window_frames or state.owed_bytes * 4 >= ours.window_bytes:
        return_credit(state)
    return []


_ARRIVALS: dict[FrameKind, Callable[[State, Arrived], list[Command]]] = {
    FrameKind.REQUEST: _request_arrived,
    FrameKind.TUNNEL: _request_arrived,
    FrameKind.REPLY: _reply_arrived,
    FrameKind.ERROR: _reply_arrived,
    FrameKind.CANCEL: _cancel_arrived,
    FrameKind.CREDIT: _credit_arrived,
    FrameKind.PROBE: _probe_arrived,
    FrameKind.PROBE_REPLY: _reply_arrived,
}
