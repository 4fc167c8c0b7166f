"""Who feeds whom, as arrays: the part of a graph that every solver and every evaluation asks for again.

Law: derived from a `CostGraph` alone; no cost. The arrays of the last few graphs are kept, by identity.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from partitioner.graph import CostGraph
from partitioner.predict import engine_layers

KEPT_GRAPHS = 8

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Incidence:
    """A graph's arrays.

    Attributes:
        consumed: [C], indices of the tensors that have consumers. producer: [C], their makers, -1 if given.
        consumers, first: the consumers of all of them, flat, and where each one's begin.
        last_tensor, last_consumer: flat pairs (position in `consumed`, layer): the consumers with no other
            consumer of the same tensor behind them. Where all of these are before a cut, all consumers are.
            A layer that consumes what it makes itself is left out.
        feeds: [E, 2], (layer, layer it feeds), without those that follow from others (transitive reduction).
        ends: layers that feed no other.
        engine: layers that the engine runs, sorted. engine_first, engine_last: those of them with no other before,
            or behind, them.
        makers, made_bytes: layers that make outputs, once each, and the bytes of their outputs.
    """

    consumed: Ints
    producer: Ints
    consumers: Ints
    first: Ints
    last_tensor: Ints
    last_consumer: Ints
    feeds: Ints
    ends: Ints
    engine: Ints
    engine_first: Ints
    engine_last: Ints
    makers: Ints
    made_bytes: Ints


_kept: OrderedDict[int, tuple[CostGraph, Incidence]] = OrderedDict()


def incidence(graph: CostGraph) -> Incidence:
    """Return the arrays of `graph`, whose layers are numbered in topological order."""
    kept = _kept.get(id(graph))
    if kept is not None and kept[0] is graph:
        return kept[1]
    arrays = _build(graph)
    _kept[id(graph)] = (graph, arrays)  # holds the graph, so that its id stays its own
    while len(_kept) > KEPT_GRAPHS:
        _kept.popitem(last=False)
    return arrays


def _build(graph: CostGraph) -> Incidence:
    consumed = [index for index, tensor in enumerate(graph.tensors) if tensor.consumers]
    consumers = [graph.tensors[index].consumers for index in consumed]
    behind, feeds = _ancestors(graph)
    last = [
        (position, one)
        for position, index in enumerate(consumed)
        for one in _last(graph.tensors[index].consumers, graph.tensors[index].producer, behind)
    ]
    made: dict[int, int] = {}
    for tensor in graph.tensors:
        if tensor.is_output and tensor.producer >= 0:
            made[tensor.producer] = made.get(tensor.producer, 0) + tensor.size
    feeding = {tail for tail, _ in feeds}
    engine = sorted(engine_layers(graph))
    first_engine, last_engine = _extremes(engine, behind)
    return Incidence(
        consumed=_ints(consumed),
        producer=_ints([graph.tensors[index].producer for index in consumed]),
        consumers=_ints([one for group in consumers for one in group]),
        first=_ints(np.cumsum([0, *(len(group) for group in consumers)])[:-1].tolist()),
        last_tensor=_ints([position for position, _ in last]),
        last_consumer=_ints([one for _, one in last]),
        feeds=_ints(feeds).reshape(-1, 2),
        ends=_ints([index for index in range(len(graph.layers)) if index not in feeding]),
        engine=_ints(engine),
        engine_first=_ints(first_engine),
        engine_last=_ints(last_engine),
        makers=_ints(list(made)),
        made_bytes=_ints(list(made.values())),
    )


def _ancestors(graph: CostGraph) -> tuple[list[int], list[tuple[int, int]]]:
    """Return each layer's ancestors as bits, and the pairs (layer, layer it feeds) that do not follow."""
    makers: list[set[int]] = [set() for _ in graph.layers]
    for tensor in graph.tensors:
        if tensor.producer >= 0:
            for consumer in tensor.consumers:
                if consumer != tensor.producer:
                    makers[consumer].add(tensor.producer)
    behind: list[int] = []
    feeds: list[tuple[int, int]] = []
    for layer, direct in enumerate(makers):
        far = 0
        for one in direct:
            far |= behind[one]
        feeds.extend((one, layer) for one in sorted(direct) if not far >> one & 1)
        for one in direct:
            far |= 1 << one
        behind.append(far)
    return behind, feeds


def _last(consumers: tuple[int, ...], producer: int, behind: list[int]) -> list[int]:
    others = [one for one in consumers if one != producer]
    if len(others) < 2:
        return others
    before = 0
    for one in others:
        before |= behind[one]
    return [one for one in dict.fromkeys(others) if not before >> one & 1]


def _extremes(layers: list[int], behind: list[int]) -> tuple[list[int], list[int]]:
    """Return those of `layers` with none of the others before them, and those with none behind them."""
    own = sum(1 << one for one in layers)
    before = 0
    for one in layers:
        before |= behind[one]
    return [one for one in layers if not behind[one] & own], [one for one in layers if not before >> one & 1]


def _ints(values: list[int] | list[tuple[int, int]]) -> Ints:
    return np.array(values, dtype=np.int64)
