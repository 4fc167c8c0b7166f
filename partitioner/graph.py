"""The graph that is cut: nodes, tensors, down-sets, liveness frontiers.

Law: pure combinatorics over integers; no ONNX, no measurement, no I/O. A *layer* here is a contracted group
of nodes between which no cut is ever legal (a Conv with its activation, a control-flow node, the float side
of Q/DQ) and the cheap shape and mask chains are already marked as duplicable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from partitioner.units import Bytes, NodeName, TensorName


@dataclass(frozen=True)
class CostTensor:
    """A tensor as the planner sees it.

    `producer` is the layer that makes it, -1 for a graph input; `consumers` are layers, sorted; `is_output`
    marks a tensor that goes back to the caller. `size` is bytes in the shape bucket. `picture` marks uint8
    [h, w, 3]; `sendable` is False where no cut may cross it (then producer and consumers are in one layer).
    """

    name: TensorName
    dtype: str
    shape: tuple[int | str, ...]
    size: Bytes
    producer: int
    consumers: tuple[int, ...]
    is_output: bool = False
    picture: bool = False


@dataclass(frozen=True)
class Layer:
    """A contracted group of nodes, in topological order of the graph.

    `weights` is the bytes of its initializers (a tied one is listed by name in `weight_names`, counted once
    per device). `pseudo` names the pseudo-node kind ("decode_picture") or is empty. `from_input` marks a
    layer that does nothing but prepare an input (pre-processing): what it makes gives the input away.
    `operators` are the distinct kinds of its nodes ("Conv", "DOMAIN/OPERATOR" outside of ONNX's own), sorted;
    empty in a model that was compiled before they were noted.
    """

    index: int
    name: NodeName
    nodes: tuple[NodeName, ...]
    weights: Bytes
    weight_names: tuple[TensorName, ...]
    pseudo: str = ""
    from_input: bool = False
    operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostGraph:
    """Layers in topological order and the tensors between them."""

    layers: tuple[Layer, ...]
    tensors: tuple[CostTensor, ...]


def layer_inputs(graph: CostGraph) -> tuple[frozenset[int], ...]:
    """Return, for each layer, the layers whose tensors it consumes."""
    found: list[set[int]] = [set() for _ in graph.layers]
    for tensor in graph.tensors:
        if tensor.producer >= 0:
            for consumer in tensor.consumers:
                found[consumer].add(tensor.producer)
    return tuple(frozenset(one - {index}) for index, one in enumerate(found))


def is_down_set(graph: CostGraph, layers: Set[int]) -> bool:
    """Return whether every layer that feeds one of `layers` is among them (a legal cut lies behind them)."""
    return all(
        tensor.producer in layers or layers.isdisjoint(tensor.consumers)
        for tensor in graph.tensors
        if tensor.producer >= 0
    )


def live_tensors(graph: CostGraph, down_set: Set[int]) -> tuple[CostTensor, ...]:
    """Return what must cross a cut behind `down_set`, in the order of `graph.tensors`.

    That is every tensor that a layer inside made (or the caller gave) and a layer outside consumes. An output
    that nobody outside consumes goes home from where it was made and is not live. Time is linear in the
    graph; for many nested cuts use `frontiers`.
    """
    return tuple(
        tensor
        for tensor in graph.tensors
        if (tensor.producer < 0 or tensor.producer in down_set)
        and any(one not in down_set for one in tensor.consumers)
    )


def frontiers(graph: CostGraph, boundaries: Sequence[Set[int]]) -> list[tuple[CostTensor, ...]]:
    """Return `live_tensors` of each of `boundaries` (nested, increasing) in linear time."""
    outside = len(boundaries)
    position = [outside] * len(graph.layers)
    for index, boundary in reversed(list(enumerate(boundaries))):
        for layer in boundary - boundaries[index - 1] if index else boundary:
            position[layer] = index
    live: list[list[CostTensor]] = [[] for _ in boundaries]
    for tensor in graph.tensors:
        first = position[tensor.producer] if tensor.producer >= 0 else 0
        last = max((position[layer] for layer in tensor.consumers), default=0)
        for index in range(first, last):
            live[index].append(tensor)
    return [tuple(one) for one in live]


def chain(graph: CostGraph) -> tuple[frozenset[int], ...]:
    """Return a maximal chain of nested down-sets, from the empty set to all layers, in topological order."""
    return tuple(frozenset(range(count)) for count in range(len(graph.layers) + 1))


def down_sets(graph: CostGraph, limit: int) -> list[frozenset[int]] | None:
    """Return every down-set of the layers, small ones first, or None when there are more than `limit`.

    Down-sets are grown one layer at a time as bit sets; each is met once per layer that can be added last, so
    time is about (number of down-sets) x (width of the graph). Growth ends where it passes `limit`.
    """
    found = down_set_bits([bits_of(one) for one in layer_inputs(graph)], limit)
    return None if found is None else [frozenset(each_bit(one)) for one in found]


def down_set_bits(needs: Sequence[int], limit: int) -> list[int] | None:
    """Return as `down_sets` does, as bit sets, for layers whose inputs are the bit sets `needs`."""
    feeds = feeds_of(needs)
    found: list[int] = []
    ready_first = bits_of(layer for layer, need in enumerate(needs) if not need)
    level = {0: ready_first}  # down-sets of one size, and what may be added to each
    while level:
        found.extend(sorted(level))
        grown: dict[int, int] = {}
        for down, ready in level.items():
            for layer in each_bit(ready):
                larger = down | 1 << layer
                if larger not in grown:
                    freed = bits_of(one for one in feeds[layer] if needs[one] & ~larger == 0)
                    grown[larger] = ready & ~(1 << layer) | freed
            if len(found) + len(grown) > limit:
                return None
        level = grown
    return found if len(found) <= limit else None


def feeds_of(needs: Sequence[int]) -> list[list[int]]:
    """Return, for each layer, the layers that it feeds, where `needs` are the bit sets of those that feed each."""
    feeds: list[list[int]] = [[] for _ in needs]
    for layer, need in enumerate(needs):
        for producer in each_bit(need):
            feeds[producer].append(layer)
    return feeds


def bits_of(layers: Iterable[int]) -> int:
    """Return a bit set of `layers`, each of which is given once."""
    return sum(1 << layer for layer in layers)


def each_bit(bits: int) -> Iterator[int]:
    """Yield the members of a bit set, least first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def needed_boundaries(graph: CostGraph) -> tuple[frozenset[int], ...]:
    """Return the boundaries that every book must have: each pseudo-node is a block of its own.

    They are nested; a picture's is where `NAME@picture` is the frontier. Any other boundary of a book must
    contain them all.
    """
    pseudo = [layer.index for layer in graph.layers if layer.pseudo]
    return tuple(frozenset(pseudo[: count + 1]) for count in range(len(pseudo)))
