"""Runs of blocks that stay are opened as one piece each, in the background; blocks that a page lacks too.

Law: pure. A page that is turned to runs block by block at first: that takes no time to open. Where requests stay on
it, what runs faster is opened, one run at a time on a device; what could not be is not asked for again for a while.
"""

from __future__ import annotations

from collections.abc import Iterable

from device_agents.machine import opening, readiness
from device_agents.machine.commands import Command, OpenPieces
from device_agents.machine.events import PiecesOpened
from device_agents.machine.pages import Run, Use
from device_agents.machine.state import EpochState, State
from partitioner.units import Seconds

STAYS_REQUESTS, STAYS_FOR = 8, Seconds(1.0)
"""A run of blocks that so many requests took, over so long, stays."""
PAUSE = Seconds(5.0)
"""A run that was not taken for so long does not stay."""


def followed(state: State, held: EpochState, run: Run, now: float) -> list[Command]:
    """Note that a request takes blocks [first, last) here; return what that sets off."""
    opening.touch(state, held, run, now)
    wanted = held.turner.wanted if held.turner is not None else None
    if wanted is not None and (begun := readiness.want(state, held, wanted, now)):
        return begun
    if run[0] == run[1] or not held.book.spare:
        return []
    use = held.pieces.uses.get(run)
    if use is None or now - use.last > PAUSE:
        use = held.pieces.uses[run] = Use(now)
    use.count, use.last = use.count + 1, now
    stays = use.count >= STAYS_REQUESTS and now - use.since >= STAYS_FOR
    if not stays or run in held.pieces.settled or not _may_open(state, held, run, now):
        return []
    if not _lacks(state, held, run):
        held.pieces.settled.add(run)
        return []
    state.opening_pieces = True
    keep = tuple(used for used, use in held.pieces.uses.items() if now - use.last <= opening.IN_USE)
    return [OpenPieces(held.key, *run, keep)]


def opened(state: State, event: PiecesOpened, now: float) -> list[Command]:
    """Take note of what is open now: a page whose blocks came may be taken from here on."""
    state.opening_pieces = False
    held = state.epochs.get(event.key)
    if held is None:
        return readiness.go_on(state, now)
    run = event.first, event.last
    if event.error is not None:
        held.pieces.again[run] = now + opening.AGAIN
    elif not event.blocks:
        held.pieces.settled.add(run)
    held.pieces.settled = {one for one in held.pieces.settled if not _holds_any(one, event.dropped)}
    if event.blocks and event.error is None:
        opening.now_open(held, event.blocks)
    return readiness.opened(state, event, now)


def _holds_any(run: Run, others: Iterable[Run]) -> bool:
    return any(run[0] <= first and last <= run[1] for first, last in others)


def _may_open(state: State, held: EpochState, run: Run, now: float) -> bool:
    return not state.opening_pieces and now >= held.pieces.again.get(run, 0.0)


def _lacks(state: State, held: EpochState, run: Run) -> bool:
    """Whether the book has a piece of this run, for this device, that was not opened with the epoch."""
    return any(
        one.device == state.device and run[0] <= one.first and one.last <= run[1] for one in held.book.spare
    )
