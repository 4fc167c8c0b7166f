"""A model in the shape of MobileNetV2 with a picture input, two devices and a link, for planning tests."""

from __future__ import annotations

import pytest

from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import CodecTime, DeviceProfile, LayerShare, LinkProfile, Measurement, SegmentTime
from partitioner.graph import CostGraph, CostTensor, Layer, chain
from partitioner.plan import InputSpec, OutputSpec, TensorSpec, WeightRef
from partitioner.predict import cut_bytes
from partitioner.units import (
    Bytes,
    CodecName,
    DeviceId,
    ModelName,
    ModelVersion,
    NodeName,
    Seconds,
    Sha256,
    TensorName,
    megabits,
)

# Bytes of the activations behind each layer, falling as in a classifier; the last are the logits.
ACTIVATIONS = [
    1_605_632,
    1_204_224,
    301_056,
    451_584,
    112_896,
    150_528,
    75_264,
    50_176,
    31_360,
    250_880,
    5_120,
    4_000,
]
SHARES = [0.10, 0.14, 0.12, 0.12, 0.09, 0.10, 0.08, 0.07, 0.06, 0.08, 0.02, 0.02]
PREPARATION = [("decode", "picture", 750_000), ("resize", "resized", 150_528), ("normalise", "", 602_112)]


@pytest.fixture
def compiled() -> CompiledModel:
    graph = picture_graph()
    return CompiledModel(
        ModelName("mobile"),
        ModelVersion("0" * 16),
        graph,
        inputs=(InputSpec(spec("x"), TensorName("x@picture"), TensorName("x@encoded")),),
        outputs=(OutputSpec(TensorName("logits")),),
        weights=tuple(
            WeightRef(TensorName(f"w{i}"), Bytes(i << 20), Bytes(1 << 20), Sha256(f"{i:064x}"))
            for i in range(len(ACTIVATIONS))
        ),
        blob=Sha256("b" * 64),
        blob_size=Bytes(12 << 20),
        codecs=codec_samples(graph),
        sample_count=8,
    )


@pytest.fixture
def board() -> DeviceProfile:
    return device("board", 0.270, slowdown=8.0)


@pytest.fixture
def cloud() -> DeviceProfile:
    return device("cloud", 0.020)


@pytest.fixture
def lte() -> LinkProfile:
    return link(5.85, 0.025)


def link(megabits_per_second: float, delay: float) -> LinkProfile:
    rate = megabits(megabits_per_second)
    return LinkProfile(rate, rate, Seconds(delay), Seconds(delay))


def spec(name: str) -> TensorSpec:
    return TensorSpec(TensorName(name), "float32", (1, 3, 224, 224), Bytes(602_112))


def picture_graph() -> CostGraph:
    """decode -> resize -> normalise -> a chain of the model's layers, one of them with a skip connection."""
    layers, tensors = [], [tensor("x@encoded", "uint8", 12_000, -1, (0,))]
    for index, (name, suffix, size) in enumerate(PREPARATION):
        pseudo = "decode_picture" if name == "decode" else ""
        layers.append(Layer(index, NodeName(name), (NodeName(name),), Bytes(0), (), pseudo, from_input=True))
        dtype = "uint8" if suffix else "float32"
        tensors.append(tensor(f"x@{suffix}" if suffix else "x", dtype, size, index, (index + 1,)))
    first = len(PREPARATION)
    for offset, size in enumerate(ACTIVATIONS):
        index, last = first + offset, offset == len(ACTIVATIONS) - 1
        name = NodeName(f"layer{offset}")
        layers.append(Layer(index, name, (name,), Bytes(1 << 20), (TensorName(f"w{offset}"),)))
        consumers = () if last else (index + 1, index + 2) if offset == 6 else (index + 1,)
        tensors.append(tensor("logits" if last else f"t{offset}", "float32", size, index, consumers))
    return CostGraph(tuple(layers), tuple(tensors))


def tensor(name: str, dtype: str, size: int, producer: int, consumers: tuple[int, ...]) -> CostTensor:
    shape = (1, size // 3, 3) if dtype == "uint8" else (size // 4,)
    picture = name.endswith(("@picture", "@resized"))
    return CostTensor(
        TensorName(name),
        dtype,
        shape,
        Bytes(size),
        producer,
        consumers,
        is_output=name == "logits",
        picture=picture,
    )


def codec_samples(graph: CostGraph) -> tuple[CodecSample, ...]:
    """As measured: u8+zstd a fifth of the bytes, f16 the half, JPEG 14 kB; all pass the rule."""
    found = []
    for one in graph.tensors:
        ratios = {"f16": 2, "u8+zstd": 5} if one.dtype == "float32" else {"jpeg": 11} if one.picture else {}
        for codec, ratio in ratios.items():
            size = Bytes(one.size // ratio)
            found.append(CodecSample(one.name, CodecName(codec), size, 0.004, 1.0, allowed=True, samples=8))
    return tuple(found)


def device(name: str, whole: float, slowdown: float = 1.0) -> DeviceProfile:
    """A device that runs the model in `whole` seconds; a cut costs 0.2 ms and 0.4 ns a byte, slowed."""
    graph = picture_graph()
    cuts = chain(graph)
    first = len(PREPARATION)
    shares = [LayerShare(NodeName("resize"), 0.03), LayerShare(NodeName("normalise"), 0.02)]
    shares += [LayerShare(NodeName(f"layer{i}"), 0.95 * share) for i, share in enumerate(SHARES)]
    by_layer = [0.0, 0.03, 0.02, *(0.95 * share for share in SHARES)]
    segments = []
    for begin, end in ((1, 4), (4, 7), (7, 10), (10, 13), (13, 15), (first, first + 8)):
        moved = sum(cut_bytes(graph, cuts[end] - cuts[begin]))
        seconds = whole * sum(by_layer[begin:end]) + slowdown * (2e-4 + 4e-10 * moved)
        segments.append(SegmentTime(begin, end, measured(seconds)))
    return DeviceProfile(
        DeviceId(name),
        whole=measured(whole, spread=0.01 * whole),
        layers=tuple(shares),
        segments=tuple(segments),
        pseudo=(LayerShare(NodeName("decode"), slowdown * 0.0015),),
        codecs=(
            CodecTime(
                TensorName("t5"),
                CodecName("u8+zstd"),
                Seconds(slowdown * 5e-4),
                Seconds(slowdown * 3e-4),
                Bytes(0),
            ),
            CodecTime(
                TensorName("x@resized"),
                CodecName("jpeg"),
                Seconds(slowdown * 1e-3),
                Seconds(slowdown * 8e-4),
                Bytes(0),
            ),
        ),
        overhead=Seconds(0.0008),
        simulated_slowdown=slowdown,
    )


def measured(seconds: float, spread: float = 0.0) -> Measurement:
    return Measurement(Seconds(seconds), Seconds(spread), 20)
