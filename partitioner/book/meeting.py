"""Where two variants of one model may meet: a cut at which either could go on with what the other made.

Law: pure. A tensor is the same in both when its name, dtype and shape are, or when it is the quantized form of the
other's float one. What only one of them has is joined to its neighbours, until all that lies between the layers is
in both, and read in the same places: the layers of the joint graph. Every down-set of it is a down-set of
either, and the same tensors cross behind it. Those that are integers in one of them are integers at the cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from partitioner.compiled import CompiledModel, IntegerSide
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.units import TensorName

Pair = tuple[CostTensor, CostTensor]
FLOAT = "float32"


@dataclass(frozen=True)
class Meeting:
    """The layers of two variants, grouped alike.

    Attributes:
        groups: of each joint layer, in topological order, the layers of the first and those of the second variant.
        tensors: of what lies between them (given, crossing, or an output), either's tensor.
        edges: of each of `tensors`, the joint layer that makes it (-1: given) and those that read it.
    """

    groups: tuple[tuple[frozenset[int], frozenset[int]], ...]
    tensors: tuple[Pair, ...]
    edges: tuple[tuple[int, tuple[int, ...]], ...]

    def down_set(self, which: int, joint: Iterable[int]) -> frozenset[int]:
        """Return the layers of variant `which` (0 or 1) that joint layers stand for."""
        return frozenset(layer for group in joint for layer in self.groups[group][which])


def meeting(first: CompiledModel, second: CompiledModel) -> Meeting:
    """Group the layers of two variants so that they meet wherever they can.

    Raises:
        InvalidProblem: they are no variants of one model: inputs or outputs differ, or what prepares them does.
    """
    pairs = _pairs(first, second)
    _check_doors(first.graph, second.graph, pairs)
    sides = (first.graph, second.graph)
    joins = _Joins(len(first.graph.layers), len(second.graph.layers))
    for which, graph in enumerate(sides):
        known = {pair[which].name for pair in pairs}
        for tensor in graph.tensors:
            if tensor.name not in known:
                joins.join(_around(which, tensor))
    for one, other in pairs:
        joins.join(_made(0, one) + _made(1, other))
    while joins.join_all([*_read_elsewhere(joins, pairs), *_circles(joins, pairs)]):
        pass
    return _grouped(joins, pairs, first.graph)


Node = tuple[int, int]  # which variant, which of its layers


class _Joins:
    """Disjoint sets of layers of both variants."""

    def __init__(self, *counts: int) -> None:
        self._parent = {
            (which, layer): (which, layer) for which, count in enumerate(counts) for layer in range(count)
        }

    def of(self, node: Node) -> Node:
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def join(self, nodes: Iterable[Node]) -> bool:
        """Put all of `nodes` into one set; return whether they were in several."""
        leaders = {self.of(node) for node in nodes}
        for leader in leaders:
            self._parent[leader] = min(leaders)
        return len(leaders) > 1

    def join_all(self, sets: Iterable[Iterable[Node]]) -> bool:
        return any([self.join(nodes) for nodes in sets])

    def sets(self) -> dict[Node, list[Node]]:
        """Return all sets, by leader."""
        found: dict[Node, list[Node]] = defaultdict(list)
        for node in self._parent:
            found[self.of(node)].append(node)
        return found


def _pairs(first: CompiledModel, second: CompiledModel) -> list[Pair]:
    """Return the tensors that both have, in the order of the first's."""
    there = {tensor.name: tensor for tensor in second.graph.tensors}
    alike = [
        (one, there[one.name])
        for one in first.graph.tensors
        if one.name in there and _same(one, there[one.name])
    ]
    taken = {one.name for pair in alike for one in pair}
    alike += _bridges(first, second, taken)
    alike += [(one, other) for other, one in _bridges(second, first, taken)]
    order = {tensor.name: index for index, tensor in enumerate(first.graph.tensors)}
    return sorted(alike, key=lambda pair: order[pair[0].name])


def _same(one: CostTensor, other: CostTensor) -> bool:
    return (one.dtype, one.shape, one.is_output) == (other.dtype, other.shape, other.is_output)


def _bridges(floats: CompiledModel, integers: CompiledModel, taken: set[TensorName]) -> Iterator[Pair]:
    """Yield tensors that are floats in one and that the other has as integers only, in one form."""
    sources: dict[str, list[IntegerSide]] = defaultdict(list)
    for side in integers.integers:
        sources[side.source].append(side)
    there = {tensor.name: tensor for tensor in integers.graph.tensors}
    used: set[TensorName] = set()
    for tensor in floats.graph.tensors:
        sides = [side for side in sources.get(tensor.name, ()) if side.tensor in there.keys() - used]
        if tensor.name in taken or tensor.dtype != FLOAT or tensor.is_output or len(sides) != 1:
            continue
        other = there[sides[0].tensor]
        if other.shape == tensor.shape and not other.is_output and min(tensor.producer, other.producer) >= 0:
            used.add(other.name)
            yield tensor, other


def _check_doors(first: CostGraph, second: CostGraph, pairs: list[Pair]) -> None:
    for which, graph in enumerate((first, second)):
        both = {pair[which].name for pair in pairs}
        for tensor in graph.tensors:
            if tensor.name not in both and (tensor.is_output or tensor.producer < 0):
                raise InvalidProblem(
                    f"{tensor.name} is in one variant only, or of another type there",
                    "variants have the same inputs and outputs; push it as another model",
                )
    for one, other in pairs:
        kinds = [
            graph.layers[two.producer].pseudo if two.producer >= 0 else ""
            for graph, two in ((first, one), (second, other))
        ]
        if kinds[0] != kinds[1] or (one.producer < 0) != (other.producer < 0):
            raise InvalidProblem(
                f"{one.name} is made otherwise in one of the variants", "push it as another model"
            )


def _around(which: int, tensor: CostTensor) -> list[Node]:
    return _made(which, tensor) + _readers(which, tensor)


def _made(which: int, tensor: CostTensor) -> list[Node]:
    return [(which, tensor.producer)] if tensor.producer >= 0 else []


def _readers(which: int, tensor: CostTensor) -> list[Node]:
    return [(which, layer) for layer in tensor.consumers]


def _read_elsewhere(joins: _Joins, pairs: list[Pair]) -> Iterator[list[Node]]:
    """Yield what is around a tensor that the variants do not read in the same places: it cannot cross."""
    for one, other in pairs:
        here, there = ({joins.of(node) for node in _readers(*which)} for which in ((0, one), (1, other)))
        own = {joins.of(node) for node in _made(0, one)}
        if here - own != there - own:
            yield _around(0, one) + _around(1, other)


def _circles(joins: _Joins, pairs: list[Pair]) -> Iterator[list[Node]]:
    """Yield the sets that need each other."""
    ahead = _edges(joins, pairs)
    reached = {node: _reach(node, ahead) for node in ahead}
    for node, found in reached.items():
        circle = [other for other in found if node in reached[other]]
        if len({node, *circle}) > 1:
            yield [node, *circle]


def _edges(joins: _Joins, pairs: list[Pair]) -> dict[Node, set[Node]]:
    ahead: dict[Node, set[Node]] = {node: set() for node in joins.sets()}
    for one, _ in pairs:
        for maker in _made(0, one):
            ahead[joins.of(maker)] |= {joins.of(node) for node in _readers(0, one)} - {joins.of(maker)}
    return ahead


def _reach(node: Node, ahead: Mapping[Node, set[Node]]) -> set[Node]:
    found: set[Node] = set()
    pending = [node]
    while pending:
        fresh = ahead[pending.pop()] - found
        found |= fresh
        pending += fresh
    return found


def _grouped(joins: _Joins, pairs: list[Pair], graph: CostGraph) -> Meeting:
    sets = joins.sets()
    order = {node: index for index, node in enumerate(_in_order(_edges(joins, pairs)))}
    leaders = sorted(sets, key=lambda node: order[node])
    groups = tuple(
        (
            frozenset(layer for which, layer in sets[leader] if which == 0),
            frozenset(layer for which, layer in sets[leader] if which == 1),
        )
        for leader in leaders
    )
    _check_preparation(groups, graph)
    tensors, edges = [], []
    for one, other in pairs:
        maker = order[joins.of((0, one.producer))] if one.producer >= 0 else -1
        readers = tuple(sorted({order[joins.of(node)] for node in _readers(0, one)} - {maker}))
        if maker < 0 or readers or one.is_output:
            tensors.append((one, other))
            edges.append((maker, readers))
    return Meeting(groups, tuple(tensors), tuple(edges))


def _in_order(ahead: Mapping[Node, set[Node]]) -> list[Node]:
    """Return the sets in topological order, of several that may come next the one with the earliest layer."""
    waiting = dict.fromkeys(ahead, 0)
    for targets in ahead.values():
        for target in targets:
            waiting[target] += 1
    order: list[Node] = []
    ready = [node for node, count in waiting.items() if not count]
    while ready:
        node = min(ready)
        ready.remove(node)
        order.append(node)
        for target in ahead[node]:
            waiting[target] -= 1
            ready += [] if waiting[target] else [target]
    return order


def _check_preparation(groups: tuple[tuple[frozenset[int], frozenset[int]], ...], graph: CostGraph) -> None:
    for layers, _ in groups:
        if len(layers) > 1 and any(graph.layers[layer].pseudo for layer in layers):
            raise InvalidProblem("the variants decode their pictures otherwise", "push it as another model")
