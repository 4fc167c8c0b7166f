"""What one end of a link knows of itself.

Law: nouns without I/O: what the protocol's clauses (`sending`, `receiving`, `alive`) share, and how it ends.
"""

from __future__ import annotations

import dataclasses
import enum

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.commands import Close, Command, Fail, Refuse
from lepton_edge.link.events import Key
from lepton_edge.link.outbox import Outbox, Outgoing, Waiting
from lepton_edge.link.pacing import Pacing
from partitioner.errors import LeptonError
from partitioner.units import RequestId

PING = RequestId("")  # the request id of probes that only ask for a sign of life


class Phase(enum.IntEnum):
    """Where a link is in its life; the columns of the transition table."""

    OPENING = 0
    READY = 1
    CLOSED = 2


@dataclasses.dataclass(frozen=True)
class Writing:
    """The chunk that is being written: of what, payload bytes, since when, and whether it asks for an answer."""

    outgoing: Outgoing | None  # None: an acknowledgement
    piece: int = 0
    began: float = 0.0
    asks: bool = False
    unwanted: bool = False


@dataclasses.dataclass
class State:
    """One end of one link; `held` are delivered requests whose credit is not yet returned, or `owed`.

    Attributes:
        pacing: what is under way to the peer, and how much may be.
        received: bytes of all chunks of frames that came; `ack_due`: the peer asked for that number.
        early: the peer's count, come before this side knew that the chunk it answers was written.
        down: bytes a second that the peer measured towards this side.
        unheard: bytes handed over since the peer was last heard.
        pinged_at: when the peer was asked for a sign of life, 0 when it need not be.
        slow_at, slow_from: since when half-received frames wait for their rest, and `received` then.
    """

    ours: LinkHello
    limits: Limits
    outbox: Outbox
    pacing: Pacing
    now: float = 0.0
    phase: Phase = Phase.OPENING
    peer: LinkHello | None = None
    acks: bool = False
    pending: dict[Key, Waiting] = dataclasses.field(default_factory=dict)
    held: dict[int, int] = dataclasses.field(default_factory=dict)
    held_bytes: int = 0
    serial: int = 0
    own_ticket: int = 0
    owed_frames: int = 0
    owed_bytes: int = 0
    writing: Writing | None = None
    received: int = 0
    ack_due: bool = False
    early: int | None = None
    down: int = 0
    heard_at: float = 0.0
    ticked_at: float = 0.0
    pinged_at: float = 0.0
    unheard: int = 0
    half_received: int = 0
    slow_at: float = 0.0
    slow_from: int = 0


def opening(ours: LinkHello, limits: Limits, now: float) -> State:
    """Return the state of a link whose hello was just sent."""
    return State(ours, limits, Outbox(limits), Pacing(limits.chunk), now=now, heard_at=now, ticked_at=now)


def key_of(frame: Frame) -> Key:
    """Return what correlates a frame with its answer."""
    return frame.request_id, frame.attempt


def gone() -> Unavailable:
    """Return the error of who comes too late."""
    return Unavailable("the link is closed", "it is dialled again when needed")


def close(state: State, error: LeptonError, goodbye: bool) -> list[Command]:
    """End the link: everybody who waits is told once."""
    state.phase = Phase.CLOSED
    commands: list[Command] = [Fail(key, error) for key in state.pending]
    answered = {waiting.ticket for waiting in state.pending.values()}
    commands += [Refuse(ticket, error) for ticket in state.outbox.clear() if ticket not in answered]
    state.pending.clear()
    state.held.clear()
    return [*commands, Close(error, goodbye)]
