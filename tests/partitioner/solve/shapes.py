"""Small made problems for the tests of the search over down-sets: shapes that a person can think through."""

from __future__ import annotations

import dataclasses

from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.problem import Device, Hop, HopKey, Problem
from partitioner.units import Bytes, BytesPerSecond, DeviceId, NodeName, Seconds, TensorName


def graph_of(edges: list[tuple[int, int]], count: int, size: int = 100, weights: int = 10) -> CostGraph:
    """Return a graph of `count` layers; the last makes the output, layers without a feeder take the input."""
    fed = {head for _, head in edges}
    starts = tuple(layer for layer in range(count) if layer not in fed)
    tensors = [CostTensor(TensorName("x"), "float32", (1,), Bytes(size), -1, starts)]
    for layer in range(count):
        heads = tuple(sorted(head for tail, head in edges if tail == layer))
        name = TensorName(f"t{layer}")
        tensors.append(CostTensor(name, "float32", (1,), Bytes(size), layer, heads, layer == count - 1))
    layers = tuple(
        Layer(one, NodeName(f"l{one}"), (NodeName(f"n{one}"),), Bytes(weights), (TensorName(f"w{one}"),))
        for one in range(count)
    )
    return CostGraph(layers, tuple(tensors))


def chain_of(count: int, size: int = 100, weights: int = 10) -> CostGraph:
    """Return a chain of `count` layers."""
    return graph_of([(one, one + 1) for one in range(count - 1)], count, size, weights)


def branches_of(branches: int, length: int) -> CostGraph:
    """Return one layer, `branches` chains of `length` behind it, and one layer that joins them."""
    edges: list[tuple[int, int]] = []
    last = branches * length + 1
    for branch in range(branches):
        first = 1 + branch * length
        edges += [(0, first), (first + length - 1, last)]
        edges += [(one, one + 1) for one in range(first, first + length - 1)]
    return graph_of(edges, last + 1)


def problem_of(graph: CostGraph, *seconds: float, rate: float = 1e6) -> Problem:
    """Return devices that take `seconds` for each layer, all linked by equal hops, in any order."""
    devices = tuple(
        Device(DeviceId(f"d{index}"), StageCosts((Seconds(one),) * len(graph.layers)))
        for index, one in enumerate(seconds)
    )
    hops: dict[HopKey, Hop] = {
        (a.name, b.name): Hop(BytesPerSecond(rate), Seconds(0.0), 1.0)
        for a in devices
        for b in devices
        if a is not b
    }
    return Problem(graph, devices, hops)


def with_device(problem: Problem, index: int, **changes: object) -> Problem:
    """Return the problem with one device changed."""
    devices = list(problem.devices)
    devices[index] = dataclasses.replace(devices[index], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(problem, devices=tuple(devices))
