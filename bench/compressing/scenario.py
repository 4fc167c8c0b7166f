"""Where a bottleneck pays: a slow radio, a processor without vectors, and a planner that may choose freely.

Law: bytes are measured on pictures, of every tensor; times are declared (multiplications over a speed), because such
a board is not here. Every rival is allowed: the board alone, the cloud with JPEG or with the picture's own bytes
packed, every other cut.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import zstandard
from PIL import Image

from bench.compressing import fashion, learned, trained
from bench.rows import Row
from lepton_edge.compress import bottlenecks
from lepton_edge.wire.byte_parts import ZSTD_LEVEL
from partitioner.graph import CostGraph, CostTensor
from partitioner.onnx_io import compile_model
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Device, Hop, Layout, Problem, evaluate, solve
from partitioner.units import (
    Bytes,
    CodecName,
    DeviceId,
    ModelName,
    Seconds,
    TensorName,
    megabits,
    milliseconds,
)

BOARD, CLOUD = DeviceId("board"), DeviceId("cloud")
SPEED = {BOARD: 20e6, CLOUD: 5e9}  # multiplications a second
RADIO = Hop(megabits(0.0096), milliseconds(50))
QUALITY, PICTURES = 90, 200
Options: TypeAlias = Mapping[TensorName, tuple[CodecOption, ...]]
JPEG, PACKED = CodecName("jpeg"), CodecName("u8+zstd")


def choice(scratch: Path) -> None:
    """Print what the planner chooses with the bottleneck and without it."""
    original = trained.resnet_of_fashion()
    made = learned.coded(original, learned.labelled(original, scratch, 20_000))
    values = []
    for name, model in (("without", original), ("with", made)):
        graph = _compiled(model, scratch / name)
        plan = solve(_problem(graph, _options(graph, model)))
        values.append(plan.value)
        stages = zip(plan.layout.order, plan.layout.stages, strict=True)
        said = ", ".join(f"{device} {len(layers)} layers" for device, layers in stages)
        Row(
            "compress", f"9.6 kbit/s, {name} bottleneck: seconds a request", round(plan.value, 3), "s", said
        ).print()
    _against_jpeg(graph, _options(graph, made))
    cut = any(one.name == bottlenecks.CODE for one in _crossing(graph, plan.layout))
    Row("compress", "9.6 kbit/s: the planner cuts at the bottleneck", float(cut), "1", "", 1.0, cut).print()


def _compiled(model: onnx.ModelProto, into: Path) -> CostGraph:
    into.mkdir(parents=True, exist_ok=True)
    onnx.save(model, into / "model.onnx")
    shapes = {"picture": (1, 1, 28, 28)}
    compiled = compile_model(
        into / "model.onnx", ModelName("fashion"), into / "made", manifest=None, shapes=shapes, labels={}
    )
    return compiled.graph


def _against_jpeg(graph: CostGraph, options: Options) -> None:
    """Print how long the same request takes when the cloud is sent a JPEG, and nothing runs on the board."""
    only = tuple(one for one in options[TensorName("picture")] if one.codec == JPEG)
    problem = _problem(graph, {**options, TensorName("picture"): only})
    everything = Layout((BOARD, CLOUD), (frozenset(), frozenset(one.index for one in graph.layers)))
    plan = evaluate(problem, everything)
    Row(
        "compress",
        "9.6 kbit/s, cloud with JPEG: seconds a request",
        round(plan.latency, 3),
        "s",
        f"quality {QUALITY}",
    ).print()


def _crossing(graph: CostGraph, layout: Layout) -> list[CostTensor]:
    """Return what is made in the first stage and read in a later one."""
    first = layout.stages[0] if layout.stages else frozenset()
    return [
        one
        for one in graph.tensors
        if one.producer in first and any(reader not in first for reader in one.consumers)
    ]


def _problem(graph: CostGraph, options: Options) -> Problem:
    hops = {(BOARD, CLOUD): RADIO, (CLOUD, BOARD): RADIO}
    return Problem(graph, tuple(_device(name, graph) for name in SPEED), hops, options=options)


def _device(name: DeviceId, graph: CostGraph) -> Device:
    """Declare a device: a layer's multiplications over its speed; a millisecond a request, another for a part."""
    layers = tuple(Seconds(_work(graph, one.index) / SPEED[name]) for one in graph.layers)
    return Device(name, StageCosts(layers, segment=milliseconds(1), overhead=milliseconds(1)))


def _work(graph: CostGraph, layer: int) -> float:
    """Return multiplications of a layer: its weights, each used at every pixel of the smaller of its two pictures."""
    made = [_pixels(one) for one in graph.tensors if one.producer == layer]
    read = [_pixels(one) for one in graph.tensors if layer in one.consumers]
    return graph.layers[layer].weights / 4 * min([*made, *read])


def _pixels(tensor: CostTensor) -> int:
    return math.prod(int(length) for length in tensor.shape[2:])


def _options(graph: CostGraph, model: onnx.ModelProto) -> Options:
    """Return how each tensor may travel, with the bytes that it took on average."""
    found = {
        one.name: (CodecOption(PACKED, _bytes(model, one.name)),)
        for one in graph.tensors
        if one.producer >= 0
    }
    pixels = fashion.judging().pixels[:PICTURES]
    packed = [len(zstandard.ZstdCompressor(ZSTD_LEVEL).compress(one.tobytes())) for one in pixels]
    encoded = [_jpeg(Image.fromarray(one)) for one in pixels]
    picture = (
        CodecOption(JPEG, Bytes(int(np.mean(encoded)))),
        CodecOption(PACKED, Bytes(int(np.mean(packed)))),
    )
    return {**found, TensorName("picture"): picture}


def _bytes(model: onnx.ModelProto, name: str) -> Bytes:
    return Bytes(int(learned.bytes_of(model, name)))


def _jpeg(picture: Image.Image) -> int:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return len(file.getvalue())
