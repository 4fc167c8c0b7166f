"""The clauses of the link protocol about time: signs of life, half-open connections, peers that dribble.

Law: pure; called by `machine` alone. Silence is judged in two steps, since an idle peer owes nothing: after
`idle_probe` (with a request waiting, or an acknowledgement, after `suspect_after`) it is asked for a sign of
life, and gone when none came by `dead_after` (`lost_after`), plus what lies between the two explains: bytes
under way, at a quarter of the measured rate.
"""

from __future__ import annotations

from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.link.commands import Command
from lepton_edge.link.events import Tick
from lepton_edge.link.sending import late, return_credit, send_own
from lepton_edge.link.state import PING, State, close
from partitioner.errors import LeptonError

STALLED = 1.0  # seconds between two ticks after which it was this side that slept: no reproach to the peer
PATIENCE = 30.0  # seconds for a half-received frame
LEAST_RATE = 1024  # bytes a second: who sends the rest of a frame slower than this for so long, dribbles
PATIENT = 1.5  # times what bytes under way take, for which nobody is called silent
UNANSWERED = 20.0  # seconds for an acknowledgement from a peer that is otherwise heard


def tick(state: State, event: Tick) -> list[Command]:
    """Let time pass: owed credits go, late requests end, and the peer's silence is judged."""
    return_credit(state)
    state.pacing.look(state.now)
    asleep = state.now - state.ticked_at
    state.ticked_at = state.now
    if asleep > STALLED:
        _forgive(state, asleep)
    error = _dead(state) or _dribbles(state) or _unanswered(state)
    if error is not None:
        return close(state, error, goodbye=isinstance(error, CorruptFrame))
    _ask(state)
    return [command for outgoing in state.outbox.expired(state.now) for command in late(state, outgoing)]


def _forgive(state: State, asleep: float) -> None:
    state.heard_at += asleep
    state.slow_at += asleep
    if state.pinged_at:
        state.pinged_at += asleep


def _waits(state: State) -> bool:
    """Say whether the peer owes something, other than what a ping asked."""
    since = state.pacing.waits_since
    asked = since is not None and (not state.pinged_at or since < state.pinged_at)
    return bool(state.pending) or asked


def _ask(state: State) -> None:
    """Ask a silent peer for a sign of life."""
    limits = state.limits
    after = min(limits.suspect_after, limits.idle_probe) if _waits(state) else limits.idle_probe
    if not state.pinged_at and state.now - state.heard_at > after:
        state.pinged_at = state.now
        send_own(state, Frame(FrameKind.PROBE, PING))


def _dead(state: State) -> LeptonError | None:
    if not state.pinged_at:
        return None
    limits = state.limits
    patience = limits.dead_after - limits.idle_probe
    if _waits(state):
        patience = min(patience, limits.lost_after - limits.suspect_after)
    if state.now - state.pinged_at <= patience + _explained(state):
        return None
    silence, name = state.now - state.heard_at, state.peer.name if state.peer else "the peer"
    return Unavailable(f"{name} was not heard for {silence:.0f} s", "is the network up?")


def silence(state: State, now: float) -> float:
    """Return for how long the peer has owed a word, beyond what the bytes on their way to it explain; 0: owes none."""
    owed = [since for since in (state.pinged_at or None, state.pacing.waits_since) if since is not None]
    if not owed:
        return 0.0
    rate = state.pacing.sight.rate or state.limits.slowest
    return max(0.0, now - max(min(owed), state.heard_at) - PATIENT * state.pacing.under_way / rate)


def _explained(state: State) -> float:
    """Return the seconds of silence that the bytes on their way to the peer explain."""
    if state.pacing.acks:
        return state.pacing.explains(state.limits.slowest)
    return state.unheard / state.limits.slowest


def _unanswered(state: State) -> LeptonError | None:
    """Say that a peer which is heard does not acknowledge, beyond what the slowest link explains."""
    since, slowest = state.pacing.waits_since, state.limits.slowest
    if since is None or state.now - since <= UNANSWERED + state.pacing.under_way / slowest:
        return None
    return CorruptFrame("the peer does not acknowledge what it is asked about")


def _dribbles(state: State) -> LeptonError | None:
    """Say that a peer keeps frames half-sent, and sends next to nothing."""
    if not state.half_received:
        state.slow_at = 0.0
    elif not state.slow_at or state.received - state.slow_from >= LEAST_RATE * PATIENCE:
        state.slow_at, state.slow_from = state.now, state.received
    elif state.now - state.slow_at > PATIENCE:
        return CorruptFrame(f"the peer began a frame and sends less than {LEAST_RATE} bytes a second")
    return None
