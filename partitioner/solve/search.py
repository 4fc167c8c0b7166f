"""Dynamic programme over down-sets: labels go from station to station, and only undominated ones stay.

Law: pure; numpy over the tables that `pipeline.py` prepares; no bound is proven here beyond `tight`. A label at a
station stands at the down-set that lies behind its incoming boundary: everything before is decided and paid,
the incoming combination of codecs too. A step takes a segment of layers (to a larger or the same down-set) and passes
the boundary behind it. Since what is still to come depends on the station, the down-set and the `equal` columns
alone, a label that another beats in every column can be dropped without loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from partitioner.solve.boundaries import Passage
from partitioner.solve.columns import MOST_BITS, NONE, Columns, Held
from partitioner.solve.crossings import Flow
from partitioner.solve.kinds import Station
from partitioner.solve.labels import Floats, ideals, thinned, undominated
from partitioner.solve.lattice import Bools, Lattice
from partitioner.solve.metrics import Metrics
from partitioner.solve.problem import Problem
from partitioner.solve.segments import Segments, WeightsOf

Rows = npt.NDArray[np.intp]

# How many labels stay at a station, a down-set and a combination, by the work done so far (rows looked at): a front
# is as long as it must be while that is cheap, and shorter the more work was done, so that the work has an end.
MOST_LABELS = ((10_000_000, 2048), (25_000_000, 64), (40_000_000, 16), (math.inf, 3))
FEW_LABELS = ((math.inf, 3),)
MORE_BEFORE = 4  # times as many stay behind a segment, before a combination is chosen
ROWS_PER_KEPT = 100  # keeping a label costs as much as looking at so many

Patience = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Space:
    """Everything that a search reads.

    Attributes:
        inside: bool [D, D], entry [J, I]: I is a part of J.
        segments: tables by station. rates: [stations, sums], what a busy second of its device adds.
        passages: by pair of stations.
        rest: [D, sums], the least that the layers outside a down-set still add to each sum.
        alive: for devices that come twice and may be too small: largest activation in J - I, [J, I], by station.
        headroom: 1 + headroom of the problem.
        start: label of a request that has just arrived at the entry, [columns].
        outputs: distinct sets of outputs, bool [sets, outputs], the last holds all; `made` [D] tells which one
            each down-set makes. home: bytes on their way home, [D, sets], and whether any output is, [D, sets].
    """

    problem: Problem
    lattice: Lattice
    inside: Bools
    stations: tuple[Station, ...]
    segments: tuple[Segments, ...]
    rates: Floats
    passages: dict[tuple[int, int], Passage]
    metrics: Metrics
    columns: Columns
    flow: Flow
    rest: Floats
    weights: WeightsOf
    alive: dict[int, Floats]
    headroom: float
    start: Floats
    made: Rows
    outputs: Bools
    home: tuple[Floats, Floats]


@dataclass(frozen=True)
class Table:
    """Labels that arrived at a station: where they stand, what they cost, where they came from."""

    at: Rows
    labels: Floats
    station: Rows
    row: Rows
    combination: Rows

    def take(self, rows: Rows) -> Table:
        """Return some rows of it."""
        return Table(
            self.at[rows], self.labels[rows], self.station[rows], self.row[rows], self.combination[rows]
        )


@dataclass(frozen=True)
class Step:
    """One boundary of a found plan: the station before it, the down-set and the combination chosen there."""

    station: int
    down: int
    combination: int


@dataclass(frozen=True)
class Found:
    """The best value, the boundaries of its plan, and the station that it ends on."""

    value: float
    steps: tuple[Step, ...]
    last: int


@dataclass
class Search:
    """One run over a space.

    Attributes:
        optimistic: where labels are thinned, those that stay bound those dropped.
        ceiling: no plan of this value or more is wanted.
        tight: whether nothing but dominated labels was dropped.
        seen: work done, in rows looked at.
        patience: how many labels stay, by the work done; `MOST_LABELS` unless told.
    """

    space: Space
    patience: Patience = field(default_factory=lambda: MOST_LABELS)
    optimistic: bool = False
    ceiling: float = math.inf
    tight: bool = True
    seen: int = 0
    tables: dict[int, Table] = field(default_factory=dict)
    arrivals: dict[int, list[Table]] = field(default_factory=dict)

    def run(self) -> Found | None:
        """Return the best plan, or None when none was found."""
        start = np.zeros(1, dtype=np.intp)
        self.arrivals = {0: [Table(start, self.space.start[None, :], start - 1, start, start)]}
        best: tuple[float, int, int] | None = None
        for index, station in enumerate(self.space.stations):
            table = self._gathered(index)
            self.tables[index] = table
            if not len(table.at):
                continue
            end = self._finish(index, table)
            if end is not None and (best is None or end[0] < best[0]):
                best = (end[0], index, end[1])
                self.ceiling = min(self.ceiling, end[0])
            for follower in station.followers:
                self.arrivals.setdefault(follower, []).append(self._pass(index, follower, table))
        return None if best is None else Found(best[0], self._steps(best[1], best[2]), best[1])

    def _steps(self, station: int, row: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        while self.tables[station].station[row] >= 0:
            table = self.tables[station]
            before = int(table.station[row])
            steps.append(Step(before, int(table.at[row]), int(table.combination[row])))
            station, row = before, int(table.row[row])
        return tuple(reversed(steps))

    def _gathered(self, index: int) -> Table:
        """Return what arrived at a station, sorted by down-set, undominated there."""
        tables = self.arrivals.pop(index, [])
        joined = _joined(tables, self.space.columns.count)
        order = np.argsort(joined.at, kind="stable")
        joined = joined.take(np.asarray(order, dtype=np.intp))
        if len(tables) <= 1 and not _repeats(joined.at):
            return joined
        kept = [self._thin(joined.labels, rows) for rows in _runs(joined.at)]
        joined = joined.take(np.concatenate([rows for rows, _ in kept])) if kept else joined
        return replace(joined, labels=np.concatenate([labels for _, labels in kept])) if kept else joined

    def _best(self, labels: Floats) -> Rows:
        equal = labels[:, list(self.space.columns.equal)]
        kept = undominated(np.hstack([labels, -equal]) if equal.shape[1] else labels)
        self.seen += ROWS_PER_KEPT * len(kept) if labels.shape[1] > 2 else 0
        return kept

    def _finish(self, index: int, table: Table) -> tuple[float, int] | None:
        """Return the least value of a plan that ends at this station, and its label's row."""
        everything = len(self.space.lattice) - 1
        rows, labels = self._segment(index, everything, table)
        if not len(rows):
            return None
        at, metrics = self.space.columns, self.space.metrics
        value = labels[:, 0].copy() if metrics.sums[:1] == ("value",) else np.zeros(len(rows))
        if at.peak != NONE:
            value += metrics.weight * np.maximum(labels[:, at.peak], labels[:, at.load])
        if at.promise != NONE and not self._is_entry(index):
            value[labels[:, at.promise] != len(self.space.outputs) - 1] = np.inf
        best = int(np.argmin(value))
        return (float(value[best]), int(rows[best])) if value[best] < np.inf else None

    def _segment(self, index: int, down: int, table: Table) -> tuple[Rows, Floats]:
        """Return the rows of `table` that may take a segment up to `down`, and their labels behind it."""
        space, segments = self.space, self.space.segments[index]
        count = int(np.searchsorted(table.at, down, side="right"))
        starts = table.at[:count]
        rows = np.flatnonzero(space.inside[down, starts] & segments.allowed(down, starts))
        starts, labels = starts[rows], table.labels[rows]
        self.seen += len(rows)
        seconds = segments.times(down, starts)
        labels[:, : space.columns.sums] += np.outer(seconds, space.rates[index])
        if space.columns.load != NONE:
            labels[:, space.columns.load] += seconds
        keep = self._within(labels, down)
        held = space.columns.held.get(space.stations[index].device.name)
        if held is not None:
            keep &= self._hold(index, held, labels, down, starts)
        return rows[keep], labels[keep]

    def _within(self, labels: Floats, down: int) -> Bools:
        """Return which labels may still keep every limit, and beat the ceiling."""
        space, at, metrics = self.space, self.space.columns, self.space.metrics
        least = labels[:, : at.sums] + space.rest[down]
        keep: Bools = np.all(least <= metrics.caps, axis=1)
        if at.load != NONE:
            keep &= labels[:, at.load] <= metrics.cap
        if self.ceiling < math.inf:
            value = least[:, 0] if metrics.sums[:1] == ("value",) else np.zeros(len(labels))
            if at.peak != NONE:
                value = value + metrics.weight * np.maximum(labels[:, at.peak], labels[:, at.load])
            keep &= value < self.ceiling
        return keep

    def _hold(self, index: int, held: Held, labels: Floats, down: int, starts: Rows) -> Bools:
        """Add a segment to what a device that comes twice holds; return where it fits.

        Of more shared weights than a column tells apart the smallest count each time; in a bound, never.
        """
        space, weights = self.space, self.space.weights[self.space.stations[index].device.name]
        sets = space.lattice.sets
        fresh = sets[down] & ~sets[starts]
        labels[:, held.weights] += fresh @ weights.own
        for size, users in zip(weights.shared[MOST_BITS:], weights.users[MOST_BITS:], strict=True):
            self.tight = False
            labels[:, held.weights] += 0.0 if self.optimistic else size * (fresh & users).any(axis=1)
        told_apart = zip(weights.shared[:MOST_BITS], weights.users[:MOST_BITS], strict=True)
        for bit, (size, users) in enumerate(told_apart):
            has = np.floor(labels[:, held.shared] / 2.0**bit) % 2 == 1
            new = (fresh & users).any(axis=1) & ~has
            labels[:, held.weights] += size * new
            labels[:, held.shared] += 2.0**bit * new
        labels[:, held.peak] = np.maximum(labels[:, held.peak], space.alive[index][down, starts])
        need = (labels[:, held.weights] + labels[:, held.peak]) * space.headroom
        return np.asarray(need * (1 - 1e-12) <= space.stations[index].device.memory)

    def _pass(self, index: int, follower: int, table: Table) -> Table:
        """Return the labels that arrive at `follower` from `table`."""
        found: list[Table] = []
        boundaries = np.flatnonzero(self.space.flow.legal[:-1])
        for down in boundaries[boundaries >= table.at[0]].tolist():
            rows, labels = self._segment(index, down, table)
            if len(rows):
                found.extend(self._cross((index, follower), down, rows, labels))
        return _joined(found, self.space.columns.count)

    def _cross(self, pair: tuple[int, int], down: int, rows: Rows, labels: Floats) -> Iterator[Table]:
        passage = self.space.passages[pair]
        first, last = passage.crossings.start[down : down + 2].tolist()
        if last - first > 1 and len(rows) > 1:
            kept, labels = self._thin(labels, np.arange(len(rows), dtype=np.intp), MORE_BEFORE)
            rows = rows[kept]
        for promised in self._promises(pair, labels, down):
            size, used = self._home(promised, down)
            for combination in range(first, last):
                self.seen += len(rows)
                ahead, worst = passage.apply(promised, combination, size, used)
                keep = self._passable(pair, ahead, worst, down)
                chosen = self._thin(ahead, np.flatnonzero(keep))
                at = np.full(len(chosen[0]), down, dtype=np.intp)
                yield Table(
                    at, chosen[1], np.full_like(at, pair[0]), rows[chosen[0]], np.full_like(at, combination)
                )

    def _passable(self, pair: tuple[int, int], labels: Floats, worst: Floats | None, down: int) -> Bools:
        keep = self._within(labels, down)
        if worst is not None:
            keep &= worst <= self.space.metrics.cap
        at = self.space.columns
        if at.promise != NONE and self._is_entry(pair[1]):
            keep &= labels[:, at.promise] == self.space.made[down]
            labels[:, at.promise] = 0.0  # kept: nothing more to remember
        return keep

    def _thin(self, labels: Floats, rows: Rows, more: int = 1) -> tuple[Rows, Floats]:
        """Return the undominated of `rows`, no more than `more` times the present bound, and their labels."""
        rows = rows[self._best(labels[rows])] if len(rows) > 1 else rows
        most = more * next(count for work, count in self.patience if self.seen < work)
        if len(rows) <= most:
            return rows, labels[rows]
        self.tight = False
        kept: list[Rows] = []
        found: list[Floats] = []
        for same in _alike(labels[rows][:, list(self.space.columns.equal)]):
            chosen, place = thinned(labels[rows[same]], most)
            kept.append(rows[same][chosen])
            group = labels[rows[same]]
            found.append(ideals(group, place, len(chosen)) if self.optimistic else group[chosen])
        return np.concatenate(kept), np.concatenate(found)

    def _is_entry(self, station: int) -> bool:
        return self.space.stations[station].device.name == self.space.stations[0].device.name

    def _promises(self, pair: tuple[int, int], labels: Floats, down: int) -> Iterator[Floats]:
        """Yield labels leaving the entry once for each set of outputs that may be made before it comes again."""
        at, space = self.space.columns, self.space
        if at.promise == NONE or not self._is_entry(pair[0]):
            yield labels
            return
        everything = len(space.outputs) - 1
        again = any(self._is_entry(later) for later in range(pair[1], len(space.stations)))
        for promise in range(everything + 1) if again else (everything,):
            if np.all(space.outputs[promise] >= space.outputs[space.made[down]]):
                promised = labels.copy()
                promised[:, at.promise] = promise
                yield promised

    def _home(self, labels: Floats, down: int) -> tuple[Floats, Floats]:
        """Return bytes of outputs that go home over the boundary behind `down`, and whether any does, [n] or [1]."""
        size, used = self.space.home
        if self.space.columns.promise == NONE:
            return size[down, -1:], used[down, -1:]
        promise = labels[:, self.space.columns.promise].astype(np.intp)
        return size[down, promise], used[down, promise]


def _joined(tables: Sequence[Table], columns: int) -> Table:
    if not tables:
        none = np.empty(0, dtype=np.intp)
        return Table(none, np.empty((0, columns)), none, none, none)
    return Table(
        np.concatenate([one.at for one in tables]),
        np.concatenate([one.labels for one in tables]),
        np.concatenate([one.station for one in tables]),
        np.concatenate([one.row for one in tables]),
        np.concatenate([one.combination for one in tables]),
    )


def _repeats(at: Rows) -> bool:
    return bool((at[1:] == at[:-1]).any())


def _runs(at: Rows) -> list[Rows]:
    """Return the rows of each run of equal values of a sorted array."""
    if not len(at):
        return []
    edges = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
    return np.split(np.arange(len(at), dtype=np.intp), edges[1:])


def _alike(keys: Floats) -> list[Rows]:
    if not keys.shape[1]:
        return [np.arange(len(keys), dtype=np.intp)]
    _, group = np.unique(keys, axis=0, return_inverse=True)
    return [np.flatnonzero(group == one) for one in range(int(group.max()) + 1)]
