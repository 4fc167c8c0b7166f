"""Random problems of a board and a cloud, one from each seed.

Law: makers only; nothing here knows a solver or prices anything.
"""

from __future__ import annotations

import dataclasses
import random

from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.problem import LATENCY, CodecOption, CodecSeconds, Device, Hop, Problem
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, NodeName, Seconds, TensorName

BOARD, CLOUD = DeviceId("board"), DeviceId("cloud")


def random_problem(seed: int) -> Problem:
    """A DAG of 2 to 10 layers with skips, several consumers and codecs; board four times as slow as the cloud."""
    dice = random.Random(seed)
    count = dice.randint(2, 10)
    layers = tuple(_layer(dice, index) for index in range(count))
    tensors = [_tensor(dice, "x", -1, (0, *_later(dice, 0, count)))]
    for index in range(count):
        consumers = _later(dice, index, count)
        one = _tensor(dice, f"t{index}", index, consumers)
        tensors.append(dataclasses.replace(one, is_output=not consumers))
    packed = {
        t.name: (CodecOption(CodecName("raw"), t.size), _half(t.size)) for t in tensors if dice.random() < 0.5
    }
    seconds = CodecSeconds(Seconds(5e-4), Seconds(5e-4))
    codecs = {(name, CodecName("f16")): seconds for name in packed}
    stages = [tuple(Seconds(dice.random() * slow) for _ in range(count)) for slow in (0.04, 0.01)]
    devices = tuple(
        Device(name, StageCosts(stage, 1e-9, 2e-9, Seconds(2e-4), Seconds(1e-3)), codecs)
        for name, stage in zip((BOARD, CLOUD), stages, strict=True)
    )
    hop = Hop(BytesPerSecond(1e6), Seconds(dice.choice([0.0, 0.005])))
    hops = {(BOARD, CLOUD): hop, (CLOUD, BOARD): hop}
    graph = CostGraph(layers, tuple(tensors))
    return Problem(graph, devices, hops, order=(BOARD, CLOUD), options=packed, objective=LATENCY)


def _layer(dice: random.Random, index: int) -> Layer:
    name = f"l{index}"
    given = index == 0 and dice.random() < 0.4
    return Layer(index, NodeName(name), (NodeName(f"n{index}"),), Bytes(10), (), from_input=given)


def _half(size: Bytes) -> CodecOption:
    return CodecOption(CodecName("f16"), Bytes(size // 2))


def _tensor(dice: random.Random, name: str, producer: int, consumers: tuple[int, ...]) -> CostTensor:
    size = Bytes(int(10 ** dice.uniform(2, 6)))
    return CostTensor(
        TensorName(name), "float32", (size // 4,), size, producer, tuple(sorted(set(consumers)))
    )


def _later(dice: random.Random, index: int, count: int) -> tuple[int, ...]:
    later = range(index + 1, count)
    return tuple(sorted(dice.sample(later, min(len(later), dice.choice([0, 1, 1, 2])))))
