"""Questions to put to a planner: graphs in the shape of well-known ones, on two devices, three, or more.

Law: costs are made up (falling activations, three codecs, a board twenty times slower than the cloud); they exercise
the arithmetic of planning and say nothing about a model. Real compiled graphs get the same made-up costs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx

from bench.all_cuts import MODELS, SHAPES
from examples.demo.errors import MissingPackageError
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.onnx_io import compile_model
from partitioner.predict import StageCosts
from partitioner.solve.problem import CodecOption, CodecSeconds, Device, Hop, HopKey, Problem
from partitioner.units import Bytes, CodecName, DeviceId, ModelName, NodeName, Seconds, TensorName, megabits

Feeds = dict[int, list[int]]  # layer -> the layers that consume what it makes

BOARD_SECONDS = 0.240  # of the whole model
RATES = (5.85, 50.0, 200.0, 400.0, 800.0)  # Mbit/s of the first hop, the second, ...
REAL = ("mobilenetv2", "minilm", "resnet50", "densenet121", "inception_v1")
DENSENET121 = (6, 12, 24, 16)
RAW, F16, U8 = CodecName("raw"), CodecName("f16"), CodecName("u8+zstd")


def residual(count: int, every: int) -> Feeds:
    """Return a chain with a skip connection over each second group of `every` layers."""
    feeds = {index: [index + 1] for index in range(count - 1)}
    feeds[count - 1] = []
    for start in range(0, count - every, 2 * every):
        feeds[start].append(start + every)
    return feeds


def dense(blocks: tuple[int, ...]) -> Feeds:
    """Return blocks in which every layer feeds all later ones of its block."""
    feeds: Feeds = {}
    for size in blocks:
        first = len(feeds)
        for index in range(first, first + size):
            feeds[index] = list(range(index + 1, first + size + 1))
    feeds[len(feeds)] = []
    return feeds


def dense_operators(blocks: tuple[int, ...] = DENSENET121) -> Feeds:
    """Return DenseNet operator by operator: each Concat consumes what all earlier layers of its block made."""
    feeds: Feeds = {}
    last = _row(feeds, None, 4)  # Conv, BatchNorm, Relu, MaxPool
    for block, size in enumerate(blocks):
        made = [last]
        for _ in range(size):
            start = last if len(made) == 1 else _concat(feeds, made)
            made.append(_row(feeds, start, 6))  # BatchNorm, Relu, Conv, twice
        last = _concat(feeds, made)
        if block < len(blocks) - 1:
            last = _row(feeds, last, 4)  # BatchNorm, Relu, Conv, AveragePool
    _row(feeds, last, 4)  # BatchNorm, Relu, GlobalAveragePool, Gemm
    return feeds


def branches(modules: int, lengths: tuple[int, ...]) -> Feeds:
    """Return modules of parallel branches between a fork and a join: down-sets grow with the product of lengths."""
    feeds: Feeds = {}
    last = _row(feeds, None, 1)
    for _ in range(modules):
        last = _concat(feeds, [_row(feeds, last, length) for length in lengths])
    return feeds


def question(feeds: Feeds, devices: int = 2, *, ordered: bool = True) -> Problem:
    """Return a problem over `feeds` with falling activations and three codecs a tensor, on a row of devices."""
    count = len(feeds)
    layers = tuple(Layer(i, NodeName(f"layer{i}"), (), Bytes(50_000), ()) for i in range(count))
    given = CostTensor(TensorName("input"), "float32", (1,), Bytes(602_112), -1, (0,))
    made = tuple(
        CostTensor(TensorName(f"t{i}"), "float32", (1,), activation(i, count), i, tuple(after), not after)
        for i, after in feeds.items()
    )
    return on_devices(CostGraph(layers, (given, *made)), devices, ordered=ordered)


def on_devices(graph: CostGraph, devices: int = 2, *, ordered: bool = True) -> Problem:
    """Return `graph` on a board, a cloud, and what is between; all linked, in this order or in any."""
    names = [DeviceId("board"), *(DeviceId(f"gateway{i}") for i in range(1, devices - 1)), DeviceId("cloud")]
    speeds = [20.0 ** -(place / max(devices - 1, 1)) for place in range(devices)]
    hops: dict[HopKey, Hop] = {}
    for place, one in enumerate(names):
        for further, other in enumerate(names[place + 1 :]):
            hop = Hop(
                megabits(RATES[min(place, len(RATES) - 1)] / (1 + further)), Seconds(0.025 / (1 + place))
            )
            hops |= {(one, other): hop, (other, one): hop}
    held = tuple(_device(graph, name, speed) for name, speed in zip(names, speeds, strict=True))
    options = {one.name: codecs(one.size) for one in graph.tensors if one.producer >= 0}
    return Problem(graph, held, hops, tuple(names) if ordered else None, options)


def compiled() -> Iterator[tuple[str, CostGraph]]:
    """Yield the real models whose packages are installed, compiled."""
    for name in REAL:
        try:
            model = MODELS[name]()
        except MissingPackageError:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.onnx"
            onnx.save(model, str(path))
            made = compile_model(
                path,
                ModelName(name),
                Path(folder) / "out",
                manifest=None,
                shapes=SHAPES.get(name, {}),
                labels={},
            )
        yield name, made.graph


def activation(index: int, count: int) -> Bytes:
    """Return the bytes behind layer `index`: large first, small last, as in a classifier."""
    return Bytes(round(1_600_000 * 0.002 ** (index / count)))


def codecs(size: int) -> tuple[CodecOption, ...]:
    """Return raw, half precision, and packed eight bits."""
    return (
        CodecOption(RAW, Bytes(size)),
        CodecOption(F16, Bytes(size // 2), loss=0.0005),
        CodecOption(U8, Bytes(size // 5), loss=0.01),
    )


def _device(graph: CostGraph, name: DeviceId, speed: float) -> Device:
    count = len(graph.layers)
    costs = StageCosts(
        (Seconds(BOARD_SECONDS * speed / count),) * count,
        2e-9 * speed,
        2e-9 * speed,
        Seconds(2e-3 * speed),
        Seconds(1e-3),
    )
    seconds = {}
    for tensor in graph.tensors:
        half, packed = tensor.size * 1e-9 * speed, tensor.size * 3e-9 * speed
        seconds[tensor.name, F16] = CodecSeconds(Seconds(half), Seconds(half))
        seconds[tensor.name, U8] = CodecSeconds(Seconds(packed), Seconds(packed))
    return replace(Device(name, costs), codecs=seconds)


def _row(feeds: Feeds, start: int | None, length: int) -> int:
    """Append a chain of `length` operators behind `start`; return the last."""
    last = start
    for _ in range(length):
        last = _concat(feeds, [] if last is None else [last])
    return last if last is not None else 0


def _concat(feeds: Feeds, inputs: list[int]) -> int:
    """Append one operator that consumes `inputs`; return it."""
    made = len(feeds)
    feeds[made] = []
    for one in inputs:
        feeds[one].append(made)
    return made
