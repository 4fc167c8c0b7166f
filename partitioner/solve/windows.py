"""Contraction of a graph whose down-sets are too many: windows along a topological order.

Law: pure combinatorics; what a contracted graph gives away is told by whoever solves it. Any cut of a topological
order into runs gives groups whose quotient has no cycle, so every plan of the contracted graph is one of the graph.
Runs are longer the farther they lie from where a known plan has its boundaries; their ends are put where few bytes
are alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partitioner.graph import CostGraph, feeds_of
from partitioner.solve.labels import Floats
from partitioner.solve.lattice import Groups, group_needs

Order = tuple[int, ...]  # groups, those that feed others first


def depth_first(graph: CostGraph, groups: Groups, stage_of: Sequence[int]) -> Order:
    """Return a topological order of the groups in which branches are runs, stage by stage.

    `stage_of` gives the stage of each group in a known plan, or zeros.
    """
    needs = group_needs(graph, groups)
    missing = [need.bit_count() for need in needs]
    feeds = feeds_of(needs)
    order: list[int] = []
    waiting: dict[int, list[int]] = {}
    for group in reversed(range(len(groups))):
        if not missing[group]:
            waiting.setdefault(stage_of[group], []).append(group)
    for stage in range(max(stage_of, default=0) + 1):
        stack = waiting.get(stage, [])
        while stack:
            group = stack.pop()
            order.append(group)
            for fed in reversed(feeds[group]):
                missing[fed] -= 1
                if not missing[fed]:
                    (stack if stage_of[fed] == stage else waiting.setdefault(stage_of[fed], [])).append(fed)
    return tuple(order)


@dataclass(frozen=True)
class Line:
    """A topological order of groups, and what is known about its places.

    Attributes:
        groups: what stays together anyway.
        order: topological.
        live: [groups + 1] bytes alive before each place of the order (the last: behind all).
        stops: places where a run must end.
        centres: those of them near which runs are to be short: the boundaries of a known plan.
    """

    groups: Groups
    order: Order
    live: Floats
    stops: frozenset[int]
    centres: tuple[int, ...]


def line_of(graph: CostGraph, groups: Groups, stage_of: Sequence[int], kind_of: Sequence[int]) -> Line:
    """Return the groups in line, by the stages of a known plan (or zeros).

    `kind_of` tells groups apart that different devices may run; no run mixes them.
    """
    order = depth_first(graph, groups, stage_of)
    places = range(1, len(order))
    centres = tuple(one for one in places if stage_of[order[one]] != stage_of[order[one - 1]])
    changes = {one for one in places if kind_of[order[one]] != kind_of[order[one - 1]]}
    return Line(groups, order, live_bytes(graph, groups, order), frozenset({*centres, *changes}), centres)


def windows(line: Line, growth: float) -> Groups:
    """Return the groups merged into runs of the line.

    A run at distance d from the nearest centre is about growth x d groups long; without centres, growth.
    """
    distance = _distance(len(line.order), line.centres)
    found: list[tuple[int, ...]] = []
    place = 0
    while place < len(line.order):
        farthest = min(place + max(1, int(growth * distance[place])), len(line.order))
        stop = _end(line, place, farthest)
        found.append(tuple(sorted(layer for one in line.order[place:stop] for layer in line.groups[one])))
        place = stop
    return tuple(found)


def _end(line: Line, place: int, farthest: int) -> int:
    """Return where a run from `place` ends: at the first stop, else where least is alive in its second half."""
    for stop in range(place + 1, farthest + 1):
        if stop in line.stops:
            return stop
    nearest = place + (farthest - place + 1) // 2
    return nearest + int(np.argmin(line.live[nearest : farthest + 1]))


def _distance(count: int, centres: Sequence[int]) -> Floats:
    if not len(centres):
        return np.ones(count)
    places = np.arange(count, dtype=np.float64)[:, None]
    return np.asarray(np.abs(places + 0.5 - np.array(centres, dtype=np.float64)).min(axis=1))


def live_bytes(graph: CostGraph, groups: Groups, order: Order) -> Floats:
    """Return [groups + 1]: bytes of tensors alive before each place of the order."""
    place = {layer: index for index, group in enumerate(order) for layer in groups[group]}
    change = np.zeros(len(order) + 2)
    for tensor in graph.tensors:
        first = place[tensor.producer] + 1 if tensor.producer >= 0 else 0
        last = max((place[one] for one in tensor.consumers), default=-1)
        if last >= first:
            change[first] += tensor.size
            change[last + 1] -= tensor.size
    return np.asarray(np.cumsum(change)[: len(order) + 1])
