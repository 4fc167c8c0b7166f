"""The least bottleneck of a workload: dynamic programme over down-sets and the multiset of devices used.

Law: pure; the definition is `workload.py`, what may be contracted first is `grouping.py`.

f[m, J] is the least largest load with which devices m (how many of each kind: devices of one kind are alike, so only
their number is remembered) can hold the down-set J; f[m, J] = min over I < J and kinds k of
max(f[m - k, I], load of J - I on k). Down-sets of one size do not contain each other, so they are filled in size by
size, all of one size at once. A tensor is paid by a segment that holds some but not all of the groups that it
touches (its *span*). With c(I) = how many of the span are in I, it holds none iff c(I) = c(J), and all iff c(I) = 0
and c(J) = all: both are products of one-hot vectors, so that the transfers of all pairs are one matrix product.

A split along one topological order is found first (few down-sets); segments that alone exceed it are never looked
at. Past the bounds below (down-sets, pairs and states, bits): only the down-sets of a few
topological orders are looked at, the bound is that of fractional loads, and the gap is reported.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import block_diag, eye_array, hstack

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import down_set_bits, feeds_of
from partitioner.solve.grouping import Groups, contract
from partitioner.solve.lattice import unpacked
from partitioner.solve.workload import Part, Split, Workload, check, load

MOST_DOWN_SETS = 40_000
MOST_STATES = 1_000
MOST_WORK = 3e10  # pairs of down-sets x states: about a minute or two
MOST_BITS = 3e7  # down-sets x groups: each takes 8 bytes, and a few more for every tensor
ORDERS = 8  # topological orders that are looked at past the bounds
CELLS = 1 << 20  # of a table of loads in memory at once: 8 MB
MOST_COLUMNS = 512  # of it; its columns are rows too
BLOCK = 1 << 22  # numbers of a factor of it: 32 MB
SLACK = 1e-9  # relative: what rounding may do to a load that is compared with a known split

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class _States:
    """Multisets of devices: `less[k][m]` is m without one device of kind k, -1 where it has none."""

    counts: list[tuple[int, ...]]
    less: NDArray[np.intp]


def least_bottleneck(workload: Workload) -> Split:
    """Return a split with the least largest load, with what is proven about it.

    Raises:
        InvalidProblem: the workload contradicts itself, or has too many different devices.
        NoFeasiblePlan: no split exists; says what is to blame.
    """
    check(workload)
    groups = contract(workload)
    if not groups.members:
        return Split((), 0.0, 0.0, "down-sets", 1)
    _refuse_hopeless(workload, groups)
    solver = _Solver(workload, groups)
    return solver.solve()


class _Solver:
    """One workload's groups, states, and the tables that do not depend on the family of down-sets."""

    def __init__(self, workload: Workload, groups: Groups) -> None:
        self.workload = workload
        self.groups = groups
        self.states = _states([min(kind.count, len(groups.members)) for kind in workload.kinds])
        self.wants_sizes = [groups.sizes.sum() > kind.capacity for kind in workload.kinds]

    def solve(self) -> Split:
        quick = self._best(_Family(self.groups, _prefixes(self.groups, 1)), math.inf)
        bits = down_set_bits(self.groups.needs, MOST_DOWN_SETS)
        exact = bits is not None and self._affordable(len(bits))
        family = _Family(self.groups, bits if bits is not None and exact else _prefixes(self.groups, ORDERS))
        ceiling = max((part.load for part in quick), default=math.inf)
        parts = self._best(family, ceiling) or quick
        if not parts:
            raise NoFeasiblePlan(*self._blame(exact))
        bottleneck = max(part.load for part in parts)
        if exact:
            return Split(parts, bottleneck, bottleneck, "down-sets", len(family.inside))
        return Split(parts, bottleneck, min(self._relaxed(), bottleneck), "relaxation", len(family.inside))

    def _affordable(self, down_sets: int) -> bool:
        work = down_sets**2 / 2 * len(self.states.counts)
        return work <= MOST_WORK and down_sets * len(self.groups.members) <= MOST_BITS

    def _best(self, family: _Family, ceiling: float) -> tuple[Part, ...]:
        """Return the best parts along down-sets of `family`, () if none is as good as `ceiling`."""
        table = self._fill(family, ceiling * (1 + SLACK))
        last = table[:, -1]
        state = int(np.argmin(last))
        return tuple(self._trace(family, table, state)) if math.isfinite(last[state]) else ()

    def _fill(self, family: _Family, ceiling: float) -> Floats:
        table = np.full((len(self.states.counts), len(family.inside)), math.inf)
        table[0, 0] = 0.0
        kinds = range(len(self.workload.kinds))
        for first, last in family.chunks():
            columns = np.arange(first, last)
            held = np.flatnonzero(table[:, :first].min(axis=0) <= ceiling)
            rows = [self._near(family, kind, held, columns, ceiling) for kind in kinds]
            loads = [self._loads(family, kind, rows[kind], columns) for kind in kinds]
            for start, end in family.levels(first, last):
                for kind in kinds:
                    before = len(rows[kind]) - (last - start)  # the last rows are the columns themselves
                    self._relax(
                        table,
                        rows[kind][:before],
                        (start, end),
                        loads[kind][:before, start - first : end - first],
                        kind,
                    )
            table[:, first:last][table[:, first:last] > ceiling] = math.inf
        return table

    def _near(self, family: _Family, kind: int, held: Indices, columns: Indices, ceiling: float) -> Indices:
        """Return those of `held` from which one device could reach a column by its computing; then `columns`."""
        work = family.inside @ self.groups.times[kind]
        return np.concatenate([held[work[columns].min() - work[held] <= ceiling], columns])

    def _relax(
        self, table: Floats, rows: Indices, columns: tuple[int, int], loads: Floats, kind: int
    ) -> None:
        """Lower f[m, J] by giving J - I to one more device of `kind`, for I of `rows` and J of `columns`."""
        if not len(rows):
            return
        scratch = np.empty_like(loads)
        to = slice(*columns)
        for state, before in enumerate(self.states.less[kind]):
            if before >= 0:
                np.maximum(loads, table[before, rows][:, None], out=scratch)
                table[state, to] = np.minimum(table[state, to], scratch.min(axis=0))

    def _loads(self, family: _Family, kind: int, rows: Indices, columns: Indices) -> Floats:
        """Return the loads [rows, columns] of J - I on one device of `kind`; infinite where that is no segment."""
        work = family.inside @ self.groups.times[kind]
        loads: Floats = work[columns] - work[rows][:, None]
        barred = family.barred(rows, columns, self.groups.lacks[kind])
        if self.wants_sizes[kind]:
            sizes = family.inside @ self.groups.sizes
            barred |= sizes[columns] - sizes[rows][:, None] > self.workload.kinds[kind].capacity * (1 + SLACK)
        if self.workload.kinds[kind].pays:
            loads += family.transfers(rows, columns)
        loads[barred] = math.inf
        return loads

    def _trace(self, family: _Family, table: Floats, state: int) -> list[Part]:
        """Return the parts that lead to all groups with the devices of `state`, in order."""
        parts: list[Part] = []
        column = len(family.inside) - 1
        while column:
            row, kind = self._step(family, table, state, column)
            inside = (family.inside[column] - family.inside[row]).astype(bool)
            nodes = frozenset(
                node for index in np.flatnonzero(inside) for node in self.groups.members[int(index)]
            )
            chosen = self.workload.kinds[kind]
            parts.append(Part(chosen.name, nodes, load(self.workload, chosen, nodes)))
            state, column = int(self.states.less[kind][state]), row
        return parts[::-1]

    def _step(self, family: _Family, table: Floats, state: int, column: int) -> tuple[int, int]:
        """Return the down-set before, and the kind that held the rest."""
        best = (math.inf, 0, 0)
        rows = np.arange(column)
        for kind in range(len(self.workload.kinds)):
            before = self.states.less[kind][state]
            if before >= 0:
                loads = self._loads(family, kind, rows, np.array([column]))[:, 0]
                reached = np.maximum(loads, table[before, :column])
                row = int(np.argmin(reached))
                best = min(best, (float(reached[row]), row, kind))
        return best[1], best[2]

    def _relaxed(self) -> float:
        """Return a bound on every split: loads that may be divided at will, transfers free (a linear programme)."""
        times = np.where(self.groups.lacks, 0.0, self.groups.times)
        kinds, count = times.shape
        devices = np.array([[-float(kind.count)] for kind in self.workload.kinds])
        spread = hstack([block_diag([row[None, :] for row in times]), devices], format="csr")
        whole = hstack([eye_array(count)] * kinds + [np.zeros((count, 1))], format="csr")
        bounds = [(0.0, 0.0 if lacked else 1.0) for lacked in self.groups.lacks.ravel()] + [(0.0, None)]
        cost = np.append(np.zeros(kinds * count), 1.0)
        solved = linprog(cost, spread, np.zeros(kinds), whole, np.ones(count), bounds=bounds, method="highs")
        least = np.where(self.groups.lacks, math.inf, self.groups.times).min(axis=0).max()
        return max(float(solved.fun) * (1 - SLACK) if solved.success else 0.0, float(least))

    def _blame(self, exact: bool) -> tuple[str, str]:
        tight = [kind for kind, wants in zip(self.workload.kinds, self.wants_sizes, strict=True) if wants]
        if not exact:
            return "no split was found among the down-sets looked at", "give more devices or more capacity"
        if tight:
            room = sum(kind.count * kind.capacity for kind in self.workload.kinds)
            sizes = self.groups.sizes.sum()
            return f"no split fits: all nodes need {sizes:g}, the devices have {room:g}", "add a device"
        return "no order of the devices runs every node", "add a device that lacks less"


class _Family:
    """Down-sets by size, from the empty one to all groups, and what transfers between them cost."""

    def __init__(self, groups: Groups, bits: Sequence[int]) -> None:
        count = len(groups.members)
        self.inside: Floats = unpacked(bits, count).astype(np.float64)
        self._ends = np.flatnonzero(np.diff(self.inside.sum(axis=1), append=math.inf)) + 1
        spans = unpacked(list(groups.spans), count)
        costs = np.array(list(groups.spans.values()), np.float64)
        self._total = float(costs.sum())
        self._hot, self._price, self._none, self._all = _one_hot(self.inside, spans, costs)
        self._block = max(BLOCK // (count + len(self._price)), 1)  # rows of a factor in memory at once

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield first and last index (exclusive) of down-sets whose loads fit in memory, the empty one left out."""
        first, count = 1, len(self.inside)
        while first < count:
            width = min(max(CELLS // first, 1), self._block, MOST_COLUMNS)
            yield first, min(first + width, count)
            first += width

    def levels(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield first and last index (exclusive) of the down-sets of equal size among those given."""
        inner = self._ends[(self._ends > first) & (self._ends < last)].tolist()
        yield from itertools.pairwise([first, *inner, last])

    def barred(self, rows: Indices, columns: Indices, lacks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where J - I, [rows, columns], is no segment, or has a group that is lacked."""
        outside = 1 - self.inside[columns].T
        lacked = self.inside[columns][:, lacks].T
        found = np.empty((len(rows), len(columns)), np.bool_)
        for start in range(0, len(rows), self._block):
            held = self.inside[rows[start : start + self._block]]
            stray = held @ outside
            if lacked.size:
                stray += (1 - held[:, lacks]) @ lacked
            found[start : start + self._block] = stray > 0
        return found

    def transfers(self, rows: Indices, columns: Indices) -> Floats:
        """Return the time of all tensors that enter or leave J - I, [rows, columns]."""
        ends = self._hot[columns].astype(np.float64)
        ends[:, self._none] += ends[:, self._all]  # all of a span in J, none in I: nothing crosses
        ends *= self._price
        spared = np.empty((len(rows), len(columns)))
        for start in range(0, len(rows), self._block):
            spared[start : start + self._block] = self._hot[rows[start : start + self._block]] @ ends.T
        return self._total - spared


def _one_hot(inside: Floats, spans: Bits, costs: Floats) -> tuple[Bits, Floats, Indices, Indices]:
    """Return [down-sets, columns] of "c(I) = v" for every span and v; each column's price; where v is 0 and all."""
    touched = spans.sum(axis=1).astype(np.intp)
    starts = np.concatenate([[0], np.cumsum(touched + 1)]).astype(np.intp)
    hot: Bits = np.zeros((len(inside), int(starts[-1])), np.uint8)
    counts = np.rint(inside @ spans.T).astype(np.intp)
    hot[np.arange(len(inside))[:, None], starts[:-1] + counts] = 1
    return hot, np.repeat(costs, touched + 1), starts[:-1], starts[1:] - 1


def _states(counts: Sequence[int]) -> _States:
    total = math.prod(count + 1 for count in counts)
    if total > MOST_STATES:
        raise InvalidProblem(
            f"{total} ways to take devices of {len(counts)} kinds, and at most {MOST_STATES} can be looked at",
            "declare devices that are alike as one kind, or give fewer",
        )
    states = list(itertools.product(*(range(count + 1) for count in counts)))
    number = {state: index for index, state in enumerate(states)}
    less = [
        [number.get((*state[:kind], state[kind] - 1, *state[kind + 1 :]), -1) for state in states]
        for kind in range(len(counts))
    ]
    return _States(states, np.array(less, np.intp).reshape(len(counts), total))


def _prefixes(groups: Groups, orders: int) -> list[int]:
    """Return down-sets of some topological orders, by size: the given one first; evenly thinned past `MOST_BITS`."""
    count = len(groups.members)
    every = max(math.ceil(orders * count**2 / MOST_BITS), 1)
    found = {0, (1 << count) - 1}
    for seed in range(orders):
        down = 0
        for index, group in enumerate(_some_order(groups.needs, seed)):
            down |= 1 << group
            if index % every == 0:
                found.add(down)
    return sorted(found, key=lambda one: (one.bit_count(), one))


def _some_order(needs: Sequence[int], seed: int) -> list[int]:
    """Return a topological order; seed 0 keeps the numbering, others take what is ready by a fixed random rank."""
    if not seed:
        return list(range(len(needs)))
    rank = np.random.default_rng(seed).permutation(len(needs)).tolist()
    feeds = feeds_of(needs)
    waits = [need.bit_count() for need in needs]
    ready = [(rank[group], group) for group, wait in enumerate(waits) if not wait]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, group = heapq.heappop(ready)
        order.append(group)
        for sink in feeds[group]:
            waits[sink] -= 1
            if not waits[sink]:
                heapq.heappush(ready, (rank[sink], sink))
    return order


def _refuse_hopeless(workload: Workload, groups: Groups) -> None:
    """Say which group fits no device at all, if there is one."""
    usable = [index for index, kind in enumerate(workload.kinds) if kind.count > 0]
    if not usable:
        raise NoFeasiblePlan("there are nodes and no devices", "give at least one device")
    for group, members in enumerate(groups.members):
        if groups.lacks[usable, group].all():
            raise NoFeasiblePlan(
                f"no device runs node {members[0]} and what must be with it", "add one that does"
            )
        room = max(workload.kinds[index].capacity for index in usable if not groups.lacks[index, group])
        if groups.sizes[group] > room * (1 + SLACK):
            raise NoFeasiblePlan(
                f"node {members[0]} and what must be with it need {groups.sizes[group]:g}, "
                f"and the largest device that runs them has {room:g}",
                "add a larger device",
            )
