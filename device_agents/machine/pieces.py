"""Runs of blocks that stay are opened as one piece each, in the background; blocks that a page lacks too.

Law: pure. A page that is turned to runs block by block at first: that takes no time to open. Where requests stay on
it, what runs faster is opened, one run at a time on a device; what could not be is not asked for again for a while.
"""

from __future__ import annotations

from collections.abc import Iterable

from device_agents.machine.commands import Command, OpenPieces
from device_agents.machine.events import PiecesOpened
from device_agents.machine.pages import Run, Use
from device_agents.machine.state import EpochState, State
from device_agents.machine.terms import KnownTerms
from partitioner.units import Seconds

STAYS_REQUESTS, STAYS_FOR = 8, Seconds(1.0)
"""A run of blocks that so many requests took, over so long, stays."""
PAUSE = Seconds(5.0)
"""A run that was not taken for so long does not stay."""
AGAIN = Seconds(60.0)
"""What could not be opened is tried again after this."""
IN_USE = Seconds(60.0)
"""A run that was taken within this is in use."""


def followed(state: State, held: EpochState, run: Run, now: float) -> list[Command]:
    """Note that a request takes blocks [first, last) here; return what that sets off."""
    wanted = held.turner.wanted if held.turner is not None else None
    if wanted is not None:
        return _prepare(state, held, wanted, now)
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
    return [_open(state, held, run, (), now)]


def _prepare(state: State, held: EpochState, run: Run, now: float) -> list[Command]:
    """Ask for the blocks that a page lacks which would be the best one now."""
    lacking = tuple(index for index in range(*run) if index not in held.hold)
    if not lacking or not _may_open(state, held, run, now):
        return []
    return [_open(state, held, run, lacking, now)]


def opened(state: State, event: PiecesOpened, now: float) -> list[Command]:
    """Take note of what is open now: a page whose blocks came may be taken from here on."""
    state.opening_pieces = False
    held = state.epochs.get(event.key)
    if held is None:
        return []
    run = event.first, event.last
    if event.error is not None:
        held.pieces.again[run] = now + AGAIN
    else:
        held.pieces.settled.add(run)
    held.pieces.settled = {one for one in held.pieces.settled if not _holds_any(one, event.dropped)}
    if event.blocks:
        held.hold = tuple(sorted({*held.hold, *event.blocks}))
        held.terms = KnownTerms(held.book, held.hold)
        if held.turner is not None:
            held.turner.stale = True
    return []


def _holds_any(run: Run, others: Iterable[Run]) -> bool:
    return any(run[0] <= first and last <= run[1] for first, last in others)


def _may_open(state: State, held: EpochState, run: Run, now: float) -> bool:
    return not state.opening_pieces and now >= held.pieces.again.get(run, 0.0)


def _lacks(state: State, held: EpochState, run: Run) -> bool:
    """Whether the book has a piece of this run, for this device, that was not opened with the epoch."""
    return any(
        one.device == state.device and run[0] <= one.first and one.last <= run[1] for one in held.book.spare
    )


def _open(state: State, held: EpochState, run: Run, blocks: tuple[int, ...], now: float) -> OpenPieces:
    state.opening_pieces = True
    keep = tuple(used for used, use in held.pieces.uses.items() if now - use.last <= IN_USE)
    return OpenPieces(held.key, *run, keep, blocks)
