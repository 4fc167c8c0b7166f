"""Which blocks are in memory where that is bounded: those of the active page and the fallback, others as wanted.

Law: pure arithmetic on books, and nothing at all without a budget (`State.budget`): then all that is assigned is opened
at once. A block is opened beside requests, one run at a time, and only where it fits; for it, others are closed that
nobody wanted for `KEPT`, those first that were wanted longest ago: never one that the active page or the fallback
needs, nor one that a request may still come to.
"""

from __future__ import annotations

from collections.abc import Iterable

from device_agents.machine.commands import CloseBlocks, Command, OpenPieces
from device_agents.machine.events import EpochKey
from device_agents.machine.replicas import played_by
from device_agents.machine.state import PREPARING, EpochState, State, Work
from device_agents.machine.terms import KnownTerms
from partitioner.plan import PlanBook
from partitioner.units import DeviceId, Seconds, Sha256

KEPT = Seconds(300.0)
"""A block that was wanted within this stays. It must be more than an entry believes in it (`readiness.BELIEVED`, 120 s)
and the 10 s that a request may be on its way; beyond that it is a choice: a link that is away for some minutes (a lift,
a tunnel, a router that restarts) finds everything open, and what nobody needs any more goes soon after."""
AGAIN = Seconds(60.0)
"""What could not be opened is tried again after this."""
NO_ROOM = Seconds(5.0)
"""And what did not fit, after this: others may be closed by then."""
IN_USE = Seconds(60.0)
"""A run that was taken within this is in use."""

Weights = dict[Sha256, int]
Place = tuple[EpochKey, int]
"""One block of one epoch."""


def at_first(state: State, book: PlanBook, assigned: tuple[int, ...]) -> tuple[int, ...]:
    """Return which of the `assigned` blocks are opened when an epoch is prepared."""
    if not state.budget:
        return assigned
    needed = needed_by_all(book, state.device)
    return tuple(index for index in assigned if index in needed or not book.blocks[index].weights)


def needed_by_all(book: PlanBook, device: DeviceId) -> set[int]:
    """Return the blocks that `device` runs on the active page and on the fallback: they are never closed."""
    pages = [page for page in book.pages if page.name in (book.active, book.fallback)]
    stages = [stage for page in pages for stage in played_by(book, page, device).stages]
    return {index for stage in stages if stage.device == device for index in range(stage.first, stage.last)}


def room_for(state: State, book: PlanBook, blocks: Iterable[int], now: float) -> list[Command]:
    """Return what is closed for blocks that are opened in any case: as much as is too much, where there is so much."""
    if not state.budget:
        return []
    return _closed(state, _to_close(state, _weights(book, blocks), now)[0])


def want(state: State, held: EpochState, run: tuple[int, int], now: float) -> list[Command]:
    """Open what of blocks [first, last) is not open, unless something is being opened, or it does not fit."""
    touch(state, held, run, now)
    lacking = lacking_in(held, run)
    if not lacking or state.opening_pieces or now < held.pieces.again.get(run, 0.0):
        return []
    closing, fits = _to_close(state, _weights(held.book, lacking), now)
    if not fits:
        held.pieces.again[run] = now + NO_ROOM
        return []
    state.opening_pieces = True
    keep = tuple(used for used, use in held.pieces.uses.items() if now - use.last <= IN_USE)
    return [*_closed(state, closing), OpenPieces(held.key, *run, keep, lacking)]


def lacking_in(held: EpochState, run: tuple[int, int]) -> tuple[int, ...]:
    """Return which of blocks [first, last) are not open."""
    return tuple(index for index in range(*run) if index not in held.hold)


def touch(state: State, held: EpochState, run: tuple[int, int], now: float) -> None:
    """Take note that somebody wants blocks [first, last)."""
    if state.budget:
        held.memory.used.update(dict.fromkeys(range(*run), now))


def now_open(held: EpochState, blocks: Iterable[int]) -> None:
    """Take note of blocks that are open from here on: pages that need them may be taken."""
    _hold(held, {*held.hold, *blocks})


# --- room -----------------------------------------------------------------------------------------


def _to_close(state: State, needs: Weights, now: float) -> tuple[list[Place], bool]:
    """Return what to close so that `needs` fits as well, and whether it does then."""
    opened = {place: _weights(state.epochs[place[0]].book, [place[1]]) for place in _open(state)}
    closing: list[Place] = []
    candidates = _idle(state, now) if state.budget else []
    while state.budget and _size([*opened.values(), needs]) > state.budget:
        if not candidates:
            return closing, False
        closing.append(candidates.pop(0))
        del opened[closing[-1]]
    return closing, True


def _open(state: State) -> list[Place]:
    return [(key, index) for key, held in state.epochs.items() for index in held.hold]


def _idle(state: State, now: float) -> list[Place]:
    """Return the blocks that may be closed, those first that were wanted longest ago."""
    found: dict[Place, float] = {}
    for key, held in state.epochs.items():
        kept = needed_by_all(held.book, state.device) | _in_use(state, key)
        for index in held.hold:
            used = held.memory.used.get(index, 0.0)
            idle = now - used > KEPT and index not in kept and held.book.blocks[index].weights
            if idle and held.state != PREPARING:
                found[key, index] = used
    return sorted(found, key=lambda place: found[place])


def _in_use(state: State, key: EpochKey) -> set[int]:
    """Return the blocks that requests on their way may still come to."""
    works = [work for work in state.works.values() if key in (work.epoch, work.smaller)]
    return {index for work in works for index in _ahead(state, work, key)}


def _ahead(state: State, work: Work, key: EpochKey) -> range:
    blocks = len(state.epochs[key].book.blocks)
    return range(work.route.first, blocks) if key == work.epoch else range(blocks)


def _closed(state: State, places: list[Place]) -> list[Command]:
    commands: list[Command] = []
    for key in dict.fromkeys(key for key, _ in places):
        held, blocks = state.epochs[key], tuple(sorted(index for of, index in places if of == key))
        _hold(held, set(held.hold).difference(blocks))
        held.pieces.settled = {one for one in held.pieces.settled if not set(range(*one)) & set(blocks)}
        commands.append(CloseBlocks(key, blocks))
    return commands


def _hold(held: EpochState, blocks: set[int]) -> None:
    held.hold = tuple(sorted(blocks))
    held.terms = KnownTerms(held.book, held.hold)
    if held.turner is not None:
        held.turner.stale = True


def _weights(book: PlanBook, blocks: Iterable[int]) -> Weights:
    return {ref.sha256: ref.length for index in blocks for ref in book.blocks[index].weights}


def _size(parts: Iterable[Weights]) -> int:
    """Return the bytes of weights, those that several blocks read counted once."""
    return sum({name: size for part in parts for name, size in part.items()}.values())
