"""The clauses of the link protocol about what goes out.

Law: pure; called by `machine` alone. A frame is admitted once, waits in the outbox, goes chunk by chunk, and
everybody who waits for it is told once.
"""

from __future__ import annotations

from lepton_edge.core.errors import CorruptFrame, DeadlineExceeded, InvalidInput, Overloaded
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.link.commands import Command, Refuse, Sent, WriteAck, WriteChunk
from lepton_edge.link.events import Abandoned, Submitted, Unsendable, Wrote
from lepton_edge.link.outbox import Outgoing, Waiting
from lepton_edge.link.probes import probe_reply
from lepton_edge.link.state import PING, State, Writing, close, gone, key_of
from partitioner.errors import LeptonError

BACKLOG = (
    4  # times Limits.queue_bytes that answers may take while they wait, beyond which the peer does not read
)
SMALL_MORE = 64 << 10  # bytes of small frames that may go beyond the window

_ANSWERS = frozenset({FrameKind.REPLY, FrameKind.ERROR})
_ASKED = frozenset({FrameKind.REQUEST, FrameKind.REPLY})  # somebody waits for how quick they are


# --- admission ------------------------------------------------------------------------------------


def submitted(state: State, event: Submitted) -> list[Command]:
    """Take a frame to send, or refuse it."""
    error = _refusal(state, event)
    if error is not None:
        return [Refuse(event.ticket, error)]
    outgoing = Outgoing(event.ticket, event.frame, event.size, state.now)
    if event.expects:
        waiting = state.pending[key_of(event.frame)] = Waiting(event.ticket)
        outgoing.waiting = waiting
    state.outbox.add(outgoing)
    if state.outbox.size > BACKLOG * state.limits.queue_bytes:
        late = Overloaded("the peer asks and does not read its answers", "read what was asked for")
        return close(state, late, goodbye=True)
    return []


def _refusal(state: State, event: Submitted) -> LeptonError | None:
    if state.peer is not None and event.size > state.peer.max_frame_bytes:
        most = state.peer.max_frame_bytes
        return InvalidInput(
            f"{event.size} bytes in one message; {state.peer.name} accepts {most}", "send less at once"
        )
    if event.frame.kind not in _ANSWERS and state.outbox.is_full_for(event.size):
        return Overloaded("too much waits to be sent on this link", "try again later")
    if event.expects and (len(state.pending) >= state.limits.pending or key_of(event.frame) in state.pending):
        return Overloaded(
            "too many requests wait for an answer on this link, or this one twice", "try again later"
        )
    return None


def refused_late(state: State, event: Submitted) -> list[Command]:
    """Refuse a frame on a link that is over."""
    return [Refuse(event.ticket, gone())]


def send_own(state: State, frame: Frame, size: int = 0) -> None:
    """Send a frame of the link's own: its tickets are negative, so that nobody is told about them."""
    state.own_ticket -= 1
    state.outbox.add(Outgoing(state.own_ticket, frame, size, state.now))


def return_credit(state: State) -> None:
    """Send a frame for the credits that are owed, unless one waits that can carry them.

    While more answers wait to go than may, credits stay here: who does not read gets no more work done.
    """
    if (
        state.outbox.size <= state.limits.queue_bytes
        and state.owed_frames
        and not state.outbox.has_unstarted()
    ):
        send_own(state, Frame(FrameKind.CREDIT, PING))  # write_next puts what is owed into its header


# --- writing --------------------------------------------------------------------------------------


def write_next(state: State) -> list[Command]:
    """Choose the next chunk, if none is being written and one may go."""
    if state.writing is not None:
        return []
    if state.ack_due:
        state.ack_due, state.writing = False, Writing(None)
        return [WriteAck(state.received, int(state.pacing.up(state.now)))]
    if state.outbox.is_empty:  # after most steps, and then nobody need be asked whether it may go
        state.pacing.paused()
        return []
    ended: list[Command] = []
    while (outgoing := _next(state)) is not None:
        if outgoing.started or not outgoing.expires(state.now):
            return [*ended, _chunk_of(state, outgoing)]
        state.outbox.unsent()
        ended += late(state, outgoing)
    state.pacing.paused()
    return ended


def _next(state: State) -> Outgoing | None:
    large = state.pacing.may_send()
    return state.outbox.next(large, large or state.pacing.may_send(SMALL_MORE))


def _chunk_of(state: State, outgoing: Outgoing) -> WriteChunk:
    now, pacing = state.now, state.pacing
    if outgoing.abandoned and outgoing.started and state.acks:
        state.writing = Writing(outgoing, 0, now, unwanted=True)
        return WriteChunk(outgoing.ticket, outgoing.frame, unwanted=True)
    if outgoing.frame.kind in _ASKED:
        pacing.carried(outgoing.size, now)
    piece = pacing.piece(outgoing.left, now)
    probes = outgoing.frame.kind is FrameKind.PROBE  # somebody wants to know: the peer's measurement too
    asks = pacing.wants_answer(piece, now, piece == outgoing.left) or (probes and pacing.acks)
    state.writing = Writing(outgoing, piece, now, asks)
    if outgoing.started:
        return WriteChunk(outgoing.ticket, outgoing.frame, room=piece, asks=asks)
    frames, size = outgoing.carries = _take_owed(state)
    return WriteChunk(outgoing.ticket, _on_leaving(outgoing, now), frames, size, piece, asks)


def _take_owed(state: State) -> tuple[int, int]:
    """Take the credits that are owed to the peer, to put them into a header."""
    if state.outbox.size > state.limits.queue_bytes:
        return 0, 0
    owed = state.owed_frames, state.owed_bytes
    state.owed_frames = state.owed_bytes = 0
    return owed


def _on_leaving(outgoing: Outgoing, now: float) -> Frame:
    """Return the frame with what its wait here changes: what is left of the deadline, how long a probe lay.

    Credits in a frame that came from elsewhere were that link's own: they are not given twice.
    """
    frame, waited = outgoing.frame, now - outgoing.since
    if frame.credit_frames or frame.credit_bytes:
        frame = frame.but(credit_frames=0, credit_bytes=0)
    if frame.kind is FrameKind.PROBE_REPLY:
        return probe_reply(frame, waited)
    if frame.kind is FrameKind.REQUEST and frame.remaining_ms > 0 and waited >= 1e-3:
        return frame.but(remaining_ms=max(1, frame.remaining_ms - int(waited * 1e3)))
    return frame


def wrote(state: State, event: Wrote) -> list[Command]:
    """Account for a chunk that was handed over."""
    writing, state.writing = state.writing, None
    if writing is None or writing.outgoing is None:
        return []
    outgoing, pacing = writing.outgoing, state.pacing
    state.unheard += event.size
    pacing.handed(event.size, writing.began, writing.asks)
    if writing.unwanted:
        state.outbox.unsent()
        state.owed_frames += outgoing.carries[0]  # in a header that the peer threw away
        state.owed_bytes += outgoing.carries[1]
        return _early(state)
    state.outbox.wrote(writing.piece, event.last)
    if not event.last:
        return _early(state)
    if outgoing.waiting is not None:
        outgoing.waiting.through, outgoing.waiting.at = pacing.sent, writing.began
    if outgoing.abandoned:
        _tell_abandoned(state, outgoing.frame)
    return [*_early(state), *([Sent(event.ticket)] if event.ticket > 0 else [])]


def _early(state: State) -> list[Command]:
    """Take the count that came before this side knew what it counts."""
    count, state.early = state.early, None
    return [] if count is None else confirmed(state, count)


def confirmed(state: State, count: int) -> list[Command]:
    """Take the peer's count of the bytes that came; a count beyond what was written is a breach."""
    if count > state.pacing.sent and state.writing is not None and state.writing.outgoing is not None:
        state.early = count
        return []
    if not state.pacing.acknowledged(count, state.now):
        return close(state, CorruptFrame("the peer acknowledges what was never sent"), goodbye=True)
    state.outbox.chunk = state.pacing.chunk
    return []


def unsendable(state: State, event: Unsendable) -> list[Command]:
    """Forget a frame that cannot be encoded; its credits and those it was to carry come back."""
    state.writing = None
    state.outbox.unsent()
    state.owed_frames += event.credit_frames
    state.owed_bytes += event.credit_bytes
    return _refused(state, event.ticket, event.error)


def _refused(state: State, ticket: int, error: LeptonError) -> list[Command]:
    for key in [key for key, waiting in state.pending.items() if waiting.ticket == ticket]:
        del state.pending[key]
    return [Refuse(ticket, error)]


# --- giving up ------------------------------------------------------------------------------------


def late(state: State, outgoing: Outgoing) -> list[Command]:
    """End a request whose deadline passed while it waited here."""
    error = DeadlineExceeded("the deadline passed while the request waited to be sent", "allow more time")
    return _refused(state, outgoing.ticket, error)


def abandoned(state: State, event: Abandoned) -> list[Command]:
    """Send no more of a request that nobody waits for; tell the peer, if it may have it."""
    waiting = state.pending.pop(event.key, None)
    if waiting is not None and not state.outbox.drop(waiting.ticket):
        _tell_abandoned(state, Frame(FrameKind.REQUEST, event.key[0], attempt=event.key[1]))
    return []


def _tell_abandoned(state: State, request: Frame) -> None:
    send_own(state, Frame(FrameKind.CANCEL, request.request_id, attempt=request.attempt))
