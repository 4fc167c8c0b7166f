"""The composed graph contracted to the layers that the planner cuts between.

Law: joins vertices as `fuse` says, closes the joins so that the layers form an acyclic graph (what lies on a
path between two nodes of a layer belongs to it), and states tensors and weights per layer. Near-linear time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.onnx_io.blob import Span
from partitioner.onnx_io.components import strong_components
from partitioner.onnx_io.compose import Composition
from partitioner.onnx_io.duplicate import Duplication, decide
from partitioner.onnx_io.fuse import Rules
from partitioner.onnx_io.vertices import Vertex, Vertices, vertices
from partitioner.units import Bytes, NodeName, TensorName

REWRITES = frozenset({"QuantizeLinear", "DequantizeLinear", "Cast", "Identity"})
"""Operators that say the same in another type."""

HEAVY = frozenset((
    "Attention", "Conv", "ConvTranspose", "Einsum", "Gemm", "If", "LSTM", "GRU", "RNN", "Loop", "MatMul",
    "MatMulInteger", "MultiHeadAttention", "QLinearConv", "QLinearMatMul", "Resize", "Scan",
))  # fmt: skip


@dataclass(frozen=True)
class Contraction:
    """The graph the planner sees, and the names of the nodes that every block computes for itself."""

    graph: CostGraph
    duplicated: frozenset[str]


def contract(made: Composition, spans: Mapping[str, Span]) -> Contraction:
    """Contract a composition; `spans` are the initializers in the blob, by name."""
    all_of = vertices(made)
    duplication = decide(all_of)
    doors = frozenset(name for one in made.pictures for name in (one, f"{one}@resized", f"{one}@picture"))
    groups = _groups(all_of, duplication, Rules(all_of, duplication, doors))
    owner = {index: number for number, group in enumerate(groups) for index in group}
    chains = _chains(all_of, duplication)
    layers = _layers(made, all_of, groups, chains, spans)
    graph = CostGraph(tuple(layers), tuple(_tensors(made, all_of, duplication, owner)))
    return Contraction(graph, frozenset(all_of.all[index].name for index in duplication.duplicated))


def _groups(all_of: Vertices, duplication: Duplication, rules: Rules) -> list[list[int]]:
    """Return the vertices of each layer, layers in topological order (earliest first node first)."""
    leader = _Leaders(len(all_of.all))
    for one, other in rules.joins():
        leader.join(one, other)
    while True:
        edges = _edges(all_of, duplication, leader)
        loops = [component for component in strong_components(edges) if len(component) > 1]
        for component in loops:
            for other in component[1:]:
                leader.join(component[0], other)
        if not loops:
            break
    members: dict[int, list[int]] = defaultdict(list)
    for index in duplication.reads:
        members[leader.of(index)].append(index)
    return [members[one] for one in _topological(edges, {one: group[0] for one, group in members.items()})]


class _Leaders:
    """Disjoint sets; the leader of a set is its smallest index."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def of(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.of(one), self.of(other)))
        self._parent[high] = low


def _edges(all_of: Vertices, duplication: Duplication, leader: _Leaders) -> dict[int, set[int]]:
    edges: dict[int, set[int]] = {leader.of(index): set() for index in duplication.reads}
    for index, names in duplication.reads.items():
        reader = leader.of(index)
        for name in names:
            if name in all_of.maker:
                maker = leader.of(all_of.maker[name].index)
                if maker != reader:
                    edges[maker].add(reader)
    return edges


def _topological(edges: Mapping[int, set[int]], first: Mapping[int, int]) -> list[int]:
    waiting = {one: 0 for one in edges}
    for targets in edges.values():
        for target in targets:
            waiting[target] += 1
    ready = [(first[one], one) for one, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, one = heapq.heappop(ready)
        order.append(one)
        for target in edges[one]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, (first[target], target))
    return order


def _chains(all_of: Vertices, duplication: Duplication) -> dict[int, list[int]]:
    """Return the duplicated vertices that each ordinary vertex needs, in topological order."""
    needed: dict[int, list[int]] = {}
    for vertex in all_of.all:
        direct = [all_of.maker[name].index for name in vertex.reads if name in all_of.maker]
        chain = {two for one in direct if one in duplication.duplicated for two in (*needed[one], one)}
        needed[vertex.index] = sorted(chain)
    return {index: needed[index] for index in duplication.reads}


def _layers(
    made: Composition,
    all_of: Vertices,
    groups: Sequence[Sequence[int]],
    chains: Mapping[int, Sequence[int]],
    spans: Mapping[str, Span],
) -> Iterable[Layer]:
    listed: set[int] = set()
    prepared = _preparing(made, all_of)
    for number, group in enumerate(groups):
        copies = {index for member in group for index in chains[member]}
        members = sorted({*group, *(copies - listed)})  # a duplicated node is listed where it is needed first
        listed |= copies
        weights = sorted({name for index in {*group, *copies} for name in all_of.all[index].weights})
        own = [all_of.all[index] for index in group]
        yield Layer(
            index=number,
            name=NodeName(_title(own, made)),
            nodes=tuple(NodeName(all_of.all[index].name) for index in members),
            weights=Bytes(sum({spans[name].sha256: spans[name].length for name in weights}.values())),
            weight_names=tuple(TensorName(name) for name in weights),
            pseudo=own[0].pseudo,
            from_input=all(one.index in prepared for one in own),
            operators=tuple(sorted({all_of.all[index].operator for index in members})),
        )


def _preparing(made: Composition, all_of: Vertices) -> set[int]:
    """Return the vertices that only prepare an input, or write it in another type: a quantized input is the input."""
    found: set[int] = set()
    inputs = set(all_of.inputs)
    for vertex in all_of.all:  # in topological order
        read = [name for name in vertex.reads if name in all_of.maker or name in inputs]
        given = [name in inputs or all_of.maker[name].index in found for name in read]
        rewrites = vertex.operator.rpartition("/")[2] in REWRITES and bool(read) and all(given)
        if rewrites or vertex.name in made.preparing:
            found.add(vertex.index)
    return found


def _title(group: Sequence[Vertex], made: Composition) -> str:
    """Name a layer by its heaviest node, or, where it prepares an input, by what it does to it."""
    if all(one.name in made.preparing and not one.pseudo for one in group):
        return group[0].name.rpartition("/")[0]
    return next((one.name for one in group if one.operator in HEAVY), group[0].name)


def _tensors(
    made: Composition, all_of: Vertices, duplication: Duplication, owner: Mapping[int, int]
) -> Iterable[CostTensor]:
    consumers: dict[str, set[int]] = defaultdict(set)
    for index, names in duplication.reads.items():
        for name in names:
            consumers[name].add(owner[index])
    produced = [(name, owner[one.index]) for one in all_of.all if one.index in owner for name in one.makes]
    pictures = {f"{name}@{part}" for name in made.pictures for part in ("picture", "resized")}
    for name, producer in [*((name, -1) for name in all_of.inputs), *produced]:
        outside = tuple(sorted(consumers[name] - {producer}))
        if producer < 0 or outside or name in all_of.outputs:
            kind = all_of.types[name]
            yield CostTensor(
                TensorName(name), kind.dtype, kind.shape, Bytes(kind.size), producer, outside,
                is_output=name in all_of.outputs, picture=name in pictures,
            )  # fmt: skip
