"""Small problems by hand: graphs in one line, devices whose costs are round numbers.

Law: makers only; nothing here knows a solver or prices anything.
"""

from __future__ import annotations

import dataclasses

from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.problem import Device, Hop, HopKey, Problem
from partitioner.units import Bytes, BytesPerSecond, DeviceId, NodeName, Seconds, TensorName

BOARD, GATE, CLOUD = DeviceId("board"), DeviceId("gate"), DeviceId("cloud")
RATE = 1000.0  # bytes a second


def tensor(
    name: str, producer: int, consumers: tuple[int, ...], size: int, output: bool = False
) -> CostTensor:
    return CostTensor(TensorName(name), "float32", (1,), Bytes(size), producer, consumers, output)


def graph(count: int, *tensors: CostTensor, **layer: dict[int, object]) -> CostGraph:
    """A graph of `count` layers of 10 bytes each; `layer` gives fields of single layers."""
    layers = [
        Layer(i, NodeName(f"layer{i}"), (NodeName(f"node{i}"),), Bytes(10), (TensorName(f"w{i}"),))
        for i in range(count)
    ]
    for name, changes in layer.items():
        for index, value in changes.items():
            layers[index] = dataclasses.replace(layers[index], **{name: value})  # type: ignore[arg-type]
    return CostGraph(tuple(layers), tensors)


def chain(*sizes: int) -> CostGraph:
    """x -> 0 -> 1 -> ... -> y; `sizes` are the bytes of x, of what each layer makes, of y."""
    count = len(sizes) - 1
    made = [tensor(f"t{i}", i, (i + 1,), sizes[i + 1]) for i in range(count - 1)]
    return graph(count, tensor("x", -1, (0,), sizes[0]), *made, tensor("y", count - 1, (), sizes[-1], True))


def device(name: DeviceId, *seconds: float, **costs: float) -> Device:
    return Device(name, StageCosts(tuple(map(Seconds, seconds)), **costs))  # type: ignore[arg-type]


def links(*names: DeviceId, rate: float = RATE, delay: float = 0.0) -> dict[HopKey, Hop]:
    """Both directions between every two of `names`, without header overhead."""
    hop = Hop(BytesPerSecond(rate), Seconds(delay), overhead=1.0)
    return {(one, other): hop for one in names for other in names if one != other}


def problem(graph: CostGraph, *devices: Device, **changes: object) -> Problem:
    """Devices, all linked by `RATE`; the stages are on them in the order given."""
    names = tuple(one.name for one in devices)
    plain = Problem(graph, devices, links(*names), order=names)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def diamond() -> CostGraph:
    """x -> 0 -> {1, 2} -> 3 -> y; tensor `a` of 400 bytes has two consumers."""
    return graph(
        4,
        tensor("x", -1, (0,), 1000),
        tensor("a", 0, (1, 2), 400),
        tensor("b", 1, (3,), 300),
        tensor("c", 2, (3,), 300),
        tensor("y", 3, (), 100, True),
    )
