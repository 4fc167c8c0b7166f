"""Where a graph can be narrowed to one tensor, and the graph with a small coder there.

Law: ONNX and numpy, no torch. The coder is nodes of the graph like any others, with a uint8 tensor between them; taken
out again (`encoder`, `decoder`) it is a codec of that tensor, which `coding` writes and the planner weighs. The weights
of the original are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.technique import Samples
from lepton_edge.core.results import Array
from partitioner.onnx_io import runtime

PREFIX = "bottleneck"
CODE, DECODED = f"{PREFIX}/code", f"{PREFIX}/decoded"
MOST_SAMPLES = 256
"""Samples at most from which the first weights of a coder are taken; further ones change them no more."""
LEVELS = 255
_FUSED = frozenset(
    ("BatchNormalization", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid")
)
"""Readers that an engine computes together with what they read: between the two nothing is put."""


@dataclass(frozen=True)
class Neck:
    """A tensor [n, channels, height, width] through which everything passes.

    `before` is the share of the graph's multiplications that lie before it, `position` that of the node making it.
    """

    tensor: str
    shape: tuple[int, int, int]
    before: float
    position: int


@dataclass(frozen=True)
class Coder:
    """First weights of a coder: a linear map of patches `stride` x `stride` to code channels, and back.

    Attributes:
        basis: float32 [code channels, channels, stride, stride], orthonormal rows.
        mean: float32 [channels], of the tensor; the code is of what is left without it.
        low, high: smallest and largest value of the code that was seen.
    """

    basis: Array
    mean: Array
    low: float
    high: float


def necks(model: ModelProto) -> list[Neck]:
    """Return every tensor of four axes, not quantized, through which all of the graph passes, in its order."""
    shapes = _shapes(model)
    held = {one.name for one in model.graph.initializer}
    left = _readers(model.graph)
    live = {one.name for one in model.graph.input if one.name not in held and left.get(one.name)}
    work = [_work(node, shapes) for node in model.graph.node]
    fused = {node.input[0] for node in model.graph.node if node.op_type in _FUSED}
    read = {name for node in model.graph.node for name in node.input}
    ends = {one.name for one in model.graph.output} - read  # what is put behind them changes no answer
    total, found = max(sum(work), 1), []
    for position, node in enumerate(model.graph.node):
        for name in node.input:
            left[name] = left.get(name, 0) - 1
        live |= {name for name in node.output if left.get(name, 0) > 0}
        live = {name for name in live if left[name] > 0}
        shape = shapes.get(node.output[0], ())
        if live == {node.output[0]} - fused - ends and len(shape) == 4 and all(shape[1:]):
            before = sum(work[: position + 1]) / total
            found.append(Neck(node.output[0], (shape[1], shape[2], shape[3]), before, position))
    return found


def _readers(graph: GraphProto) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in [*(name for node in graph.node for name in node.input), *(one.name for one in graph.output)]:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Return shapes by tensor; 0 for a length that is not known."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    shapes = {one.name: tuple(dim.dim_value for dim in one.type.tensor_type.shape.dim) for one in values}
    return {**shapes, **{one.name: tuple(one.dims) for one in model.graph.initializer}}


def _work(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Return multiplications of a node, for one sample; only products count."""
    if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in shapes:
        return 0
    pixels = int(np.prod(shapes.get(node.output[0], ())[2:])) if node.op_type == "Conv" else 1
    return int(np.prod(shapes[node.input[1]])) * pixels


def principal(model: ModelProto, neck: Neck, samples: Samples, channels: int, stride: int) -> Coder:
    """Return the coder that keeps most of the tensor's variance: the first principal components of its patches.

    Streams at most `MOST_SAMPLES` samples twice, in memory of (channels * stride ** 2) ** 2 float64.
    """
    width = neck.shape[0] * stride * stride
    mean, count = np.zeros(width), 0
    product = np.zeros((width, width))
    for patches in _patches(model, neck, samples, stride):
        mean += patches.sum(0)
        product += patches.T @ patches
        count += len(patches)
    mean /= count
    _, vectors = np.linalg.eigh(product / count - np.outer(mean, mean))
    basis = vectors[:, ::-1][:, :channels].T
    flat = mean.reshape(neck.shape[0], -1).mean(1)
    offset = np.repeat(flat, stride * stride)
    codes = [(patches - offset) @ basis.T for patches in _patches(model, neck, samples, stride)]
    return Coder(
        basis.reshape(-1, neck.shape[0], stride, stride).astype(np.float32),
        flat.astype(np.float32),
        min(float(one.min()) for one in codes),
        max(float(one.max()) for one in codes),
    )


def _patches(model: ModelProto, neck: Neck, samples: Samples, stride: int) -> Iterator[Array]:
    """Yield the tensor of each sample as patches: float64 [patches, channels * stride * stride]."""
    shown = ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.append(helper.make_tensor_value_info(neck.tensor, TensorProto.FLOAT, None))
    session = runtime.open_session(shown, runtime.options(None, runtime.FULL))
    for sample, _ in zip(samples, range(MOST_SAMPLES), strict=False):
        tensor = runtime.run(session, sample.feeds, [neck.tensor])[neck.tensor].astype(np.float64)
        n, channels, height, width = tensor.shape
        cut = tensor[:, :, : height - height % stride, : width - width % stride]
        tiles = cut.reshape(n, channels, height // stride, stride, width // stride, stride)
        yield tiles.transpose(0, 2, 4, 1, 3, 5).reshape(-1, channels * stride * stride)


def inserted(model: ModelProto, neck: Neck, coder: Coder) -> ModelProto:
    """Return `model` with `coder` at `neck`: encoder, uint8 code, decoder, and then on as before."""
    made = ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        for index, name in enumerate(node.input):
            if name == neck.tensor:
                node.input[index] = DECODED
    rectified = made.graph.node[neck.position].op_type == "Relu"
    nodes = _nodes(neck.tensor, coder, rectified)
    for offset, node in enumerate(nodes):
        made.graph.node.insert(neck.position + 1 + offset, node)
    made.graph.initializer.extend(_weights(coder))
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    return made


def _nodes(tensor: str, coder: Coder, rectified: bool) -> list[NodeProto]:
    stride = coder.basis.shape[2]
    window: dict[str, Any] = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
    grid = [f"{PREFIX}.scale", f"{PREFIX}.zero"]
    weights = {part: [f"{PREFIX}.{part}.weight", f"{PREFIX}.{part}.bias"] for part in ("encoder", "decoder")}
    last = f"{PREFIX}/free" if rectified else DECODED
    nodes = [
        helper.make_node(
            "Conv", [tensor, *weights["encoder"]], [f"{PREFIX}/narrow"], f"/{PREFIX}/encoder", **window
        ),
        helper.make_node("QuantizeLinear", [f"{PREFIX}/narrow", *grid], [CODE], f"/{PREFIX}/quantize"),
        helper.make_node("DequantizeLinear", [CODE, *grid], [f"{PREFIX}/again"], f"/{PREFIX}/dequantize"),
        helper.make_node(
            "ConvTranspose", [f"{PREFIX}/again", *weights["decoder"]], [last], f"/{PREFIX}/decoder", **window
        ),
    ]
    relu = helper.make_node("Relu", [last], [DECODED], f"/{PREFIX}/relu")
    return [*nodes, relu] if rectified else nodes


def _weights(coder: Coder) -> list[TensorProto]:
    low, high = min(coder.low, 0.0), max(coder.high, 0.0)  # a zero point lies between the ends
    scale = max((high - low) / LEVELS, 1e-12)
    zero = int(np.clip(round(-low / scale), 0, LEVELS))
    values = {
        "encoder.weight": coder.basis,
        "encoder.bias": -np.einsum("kchw,c->k", coder.basis, coder.mean).astype(np.float32),
        "decoder.weight": coder.basis,
        "decoder.bias": coder.mean,
        "scale": np.array(scale, np.float32),
        "zero": np.array(zero, np.uint8),
    }
    return [
        numpy_helper.from_array(np.ascontiguousarray(value), f"{PREFIX}.{name}")
        for name, value in values.items()
    ]


def encoder(model: ModelProto) -> ModelProto:
    """Return the encoder of a model that has one, alone: the neck's tensor in, `CODE` uint8 out."""
    return _part(
        model, next(node.input[0] for node in model.graph.node if node.name == f"/{PREFIX}/encoder"), CODE
    )


def decoder(model: ModelProto) -> ModelProto:
    """Return the decoder of a model that has one, alone: `CODE` uint8 in, the neck's tensor out as `DECODED`."""
    return _part(model, CODE, DECODED)


def by_rows(part: ModelProto) -> ModelProto:
    """Return an encoder or decoder that takes any number of rows: the coder's operators do."""
    made = ModelProto()
    made.CopyFrom(part)
    for one in (*made.graph.input, *made.graph.output):
        dims = one.type.tensor_type.shape.dim
        if dims:
            dims[0].dim_param = "rows"
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    return made


def code_bytes(model: ModelProto) -> int:
    """Return the bytes of one row's code of a model that has a coder."""
    shape = _shapes(model)[CODE]
    return int(np.prod(shape[1:]))


def _part(model: ModelProto, source: str, made: str) -> ModelProto:
    return onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([source], [made])
