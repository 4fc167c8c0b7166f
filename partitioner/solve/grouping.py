"""Contraction that loses nothing, before loads are balanced: what must be together becomes one group.

Law: pure combinatorics over a `Workload`; no loads, no search. Three steps, each lossless:

1. *Colours*: nodes of one colour go together by the question itself.
2. *Circles*: groups on a directed circle of the contracted forward graph lie in one segment. If a down-set held
   some but not all, an edge of the circle would lead into it from outside; so every down-set holds all or none.
3. *Free sources*: a group with no inputs, no time on any kind, and consumers in one other group h only, joins h.
   Take any split and move the group to h's device: h's device no longer pays for what enters, the other no longer
   for what leaves; nothing else changes, and segments stay segments, since nothing precedes the group. It needs
   room (all sizes together fit every kind, or its own size is 0) and kinds that run h to run it too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitioner.errors import InvalidProblem
from partitioner.solve.lattice import component_of
from partitioner.solve.workload import Tensor, Workload

Pairs = set[tuple[int, int]]


@dataclass(frozen=True)
class Groups:
    """A workload, contracted: groups in topological order.

    Attributes:
        members: nodes of each group.
        needs: bit set of the groups that feed each, in the forward pass.
        times: float64 [kinds, groups].
        lacks: bool [kinds, groups].
        sizes: float64 [groups].
        spans: what tensors cost, by the bit set of the groups that make or take them (two or more).
    """

    members: tuple[tuple[int, ...], ...]
    needs: tuple[int, ...]
    times: NDArray[np.float64]
    lacks: NDArray[np.bool_]
    sizes: NDArray[np.float64]
    spans: Mapping[int, float]


def contract(workload: Workload) -> Groups:
    """Return the groups of a checked workload.

    Raises:
        InvalidProblem: the graph itself, before contraction, has a circle.
    """
    _refuse_circles(workload)
    colour_of = _numbered(workload.colours or range(len(workload.sizes)))
    pairs = _forward_pairs(workload, colour_of) | _mirrored_pairs(workload, colour_of)
    component = _components(max(colour_of, default=-1) + 1, pairs)
    group_of = [component[colour] for colour in colour_of]
    while joins := dict(_free_sources(workload, group_of)):
        group_of = [joins.get(group, group) for group in group_of]
    return _in_order(workload, _numbered(group_of), _between_groups(pairs, colour_of, _numbered(group_of)))


def _refuse_circles(workload: Workload) -> None:
    pairs = {(one.producer, node) for one in workload.tensors for node in one.consumers}
    count = len(workload.sizes)
    components = _components(count, pairs)
    if len(set(components)) < count or any(source == sink for source, sink in pairs):
        raise InvalidProblem(
            "the graph has a circle", "every tensor must flow from an earlier node to a later one"
        )


def _components(count: int, pairs: Pairs) -> list[int]:
    tails, heads = zip(*pairs, strict=True) if pairs else ((), ())
    return component_of(count, tails, heads)


def _numbered(labels: Sequence[int]) -> list[int]:
    """Return labels as 0, 1, ... in the order of their first appearance."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def _forward_pairs(workload: Workload, colour_of: Sequence[int]) -> Pairs:
    """Return which colour feeds which in the forward pass."""
    backward = workload.backward
    return {
        (colour_of[one.producer], colour_of[node])
        for one in workload.tensors
        if one.producer not in backward
        for node in one.consumers
        if node not in backward and colour_of[node] != colour_of[one.producer]
    }


def _mirrored_pairs(workload: Workload, colour_of: Sequence[int]) -> Pairs:
    """Return precedence of colours without forward nodes: the backward pass runs against the forward one."""
    backward = workload.backward
    with_forward = {colour for node, colour in enumerate(colour_of) if node not in backward}
    found = {
        (colour_of[node], colour_of[one.producer])
        for one in workload.tensors
        if one.producer in backward
        for node in one.consumers
        if node in backward and colour_of[node] != colour_of[one.producer]
    }
    return {pair for pair in found if not with_forward.issuperset(pair)}


def _between_groups(pairs: Pairs, colour_of: Sequence[int], group_of: Sequence[int]) -> Pairs:
    group_of_colour = dict(zip(colour_of, group_of, strict=True))
    renamed = {(group_of_colour[a], group_of_colour[b]) for a, b in pairs}
    return {(a, b) for a, b in renamed if a != b}


def _free_sources(workload: Workload, group_of: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the groups that may join another, and which (step 3 of the law)."""
    makes, takes = _neighbours(workload, group_of)
    members: dict[int, list[int]] = defaultdict(list)
    for node, group in enumerate(group_of):
        members[group].append(node)
    room = all(sum(workload.sizes) <= kind.capacity for kind in workload.kinds)
    for group, consumers in makes.items():
        if takes[group] or len(consumers) != 1:
            continue
        (consumer,) = consumers
        nodes, others = members[group], members[consumer]
        if (
            not any(kind.times[node] for kind in workload.kinds for node in nodes)
            and (room or not any(workload.sizes[node] for node in nodes))
            and all(kind.lacks.isdisjoint(nodes) or kind.lacks & set(others) for kind in workload.kinds)
            and workload.backward.isdisjoint(nodes)
        ):
            yield group, consumer


def _neighbours(
    workload: Workload, group_of: Sequence[int]
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    makes: dict[int, set[int]] = defaultdict(set)
    takes: dict[int, set[int]] = defaultdict(set)
    for one in workload.tensors:
        source = group_of[one.producer]
        for sink in {group_of[node] for node in one.consumers} - {source}:
            makes[source].add(sink)
            takes[sink].add(source)
    return makes, takes


def _members(group_of: Sequence[int]) -> list[list[int]]:
    members: list[list[int]] = [[] for _ in range(max(group_of, default=-1) + 1)]
    for node, group in enumerate(group_of):
        members[group].append(node)
    return members


def _in_order(workload: Workload, group_of: Sequence[int], pairs: Pairs) -> Groups:
    members = _members(group_of)
    order = _topological(len(members), pairs)
    position = {group: index for index, group in enumerate(order)}
    needs = [0] * len(members)
    for source, sink in pairs:
        needs[position[sink]] |= 1 << position[source]
    held = tuple(tuple(members[group]) for group in order)
    times = [[sum(kind.times[node] for node in one) for one in held] for kind in workload.kinds]
    lacks = [[not kind.lacks.isdisjoint(one) for one in held] for kind in workload.kinds]
    shape = (len(workload.kinds), len(held))
    return Groups(
        held,
        tuple(needs),
        np.array(times, np.float64).reshape(shape),
        np.array(lacks, np.bool_).reshape(shape),
        np.array([sum(workload.sizes[n] for n in one) for one in held], np.float64),
        _spans(workload.tensors, [position[group] for group in group_of]),
    )


def _topological(count: int, pairs: Pairs) -> list[int]:
    """Return groups so that sources come first; depth first, so that few tensors are alive in between."""
    after: dict[int, list[int]] = defaultdict(list)
    waits = [0] * count
    for source, sink in sorted(pairs):
        after[source].append(sink)
        waits[sink] += 1
    ready = [group for group in reversed(range(count)) if not waits[group]]
    order: list[int] = []
    while ready:
        group = ready.pop()
        order.append(group)
        for sink in after[group]:
            waits[sink] -= 1
            if not waits[sink]:
                ready.append(sink)
    return order


def _spans(tensors: Sequence[Tensor], position: Sequence[int]) -> dict[int, float]:
    spans: dict[int, float] = defaultdict(float)
    for one in tensors:
        groups = 0
        for node in (one.producer, *one.consumers):
            groups |= 1 << position[node]
        if groups.bit_count() > 1 and one.time > 0:
            spans[groups] += one.time
    return dict(spans)
