"""Second moments of what enters a layer: for each column of its weights, how it goes together with every other.

Law: runs the model on samples and adds up; bounded in memory by the caller's choice of layers, in time by taking some
places of each picture at random. With them the error of a layer's output is a quadratic form of its weights' error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from lepton_edge.compress.technique import Progress, Samples, silent
from lepton_edge.core.results import Array
from partitioner.onnx_io import runtime

ROWS_PER_COLUMN = 6
"""Rows to gather for each column of a layer: enough for moments that hold for others."""
LEAST_PLACES, MOST_PLACES = 32, 1024
"""Rows that one sample adds to a layer."""
AT_ONCE = 1024
"""Rows that are multiplied at once."""


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product with constant weights.

    `shape` is of the weights, `bias` the name of a constant bias or "".
    """

    node: NodeProto
    weight: str
    shape: tuple[int, ...]
    bias: str = ""

    @property
    def groups(self) -> int:
        """How many groups of channels are computed apart."""
        return int(attribute(self.node, "group", 1)) if self.node.op_type == "Conv" else 1

    @property
    def columns(self) -> int:
        """How many inputs one output has, its bias among them."""
        inner = math.prod(self.shape[1:]) if self.node.op_type == "Conv" else self.shape[self._inner]
        return inner + bool(self.bias)

    @property
    def _inner(self) -> int:
        return 1 if self.node.op_type == "Gemm" and attribute(self.node, "transB", 0) else 0

    @property
    def bytes(self) -> int:
        """Memory of its moments."""
        return 8 * self.groups * self.columns**2

    def rows(self, weights: Array) -> Array:
        """Return `weights` as [groups, outputs of a group, columns without the bias]."""
        if self.node.op_type == "Conv":
            return weights.reshape(self.groups, -1, math.prod(self.shape[1:]))
        return (weights if self._inner else weights.T)[None]

    def weights(self, rows: Array) -> Array:
        """Return what `rows` made into rows."""
        if self.node.op_type == "Conv":
            return rows.reshape(self.shape)
        whole: Array = rows[0] if self._inner else rows[0].T
        return whole


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """Return an attribute of `node`, or `default`."""
    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def collect(
    model: ModelProto, layers: Sequence[Layer], samples: Samples, seed: int, progress: Progress = silent
) -> dict[str, Array]:
    """Return the moments of `layers` by weight: float64 [groups, columns, columns], a mean over the rows seen."""
    random = np.random.default_rng(seed)
    session = runtime.open_session(_telling(model, layers), runtime.options(None, runtime.BASIC))
    wanted = sorted({layer.node.input[0] for layer in layers} - {one.name for one in session.get_inputs()})
    sums = {layer.weight: _Sum(layer, _places(layer, len(samples))) for layer in layers}
    for done, sample in enumerate(samples, 1):
        entering = {**sample.feeds, **runtime.run(session, sample.feeds, wanted)} if wanted else sample.feeds
        for one in sums.values():
            one.add(_rows(one.layer, entering, random, one.places))
        progress("what enters the layers", done, len(samples))
    return {name: one.mean() for name, one in sums.items()}


class _Sum:
    """The moments of one layer so far; rows are multiplied many at a time, which is several times as fast."""

    def __init__(self, layer: Layer, places: int) -> None:
        self.layer = layer
        self.places = places
        self._total = np.zeros((layer.groups, layer.columns, layer.columns))
        self._waiting: list[Array] = []
        self._seen = 0

    def add(self, rows: Array) -> None:
        self._waiting.append(rows)
        if sum(one.shape[1] for one in self._waiting) >= AT_ONCE:
            self._multiply()

    def mean(self) -> Array:
        self._multiply()
        mean: Array = self._total / max(self._seen, 1)
        return mean

    def _multiply(self) -> None:
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting, axis=1)
        for total, group in zip(self._total, rows, strict=True):
            total += group.T @ group  # numpy computes half of a product with itself, and copies the rest
        self._waiting, self._seen = [], self._seen + rows.shape[1]


def _telling(model: ModelProto, layers: Sequence[Layer]) -> ModelProto:
    told = ModelProto()
    told.CopyFrom(model)
    there = {one.name for one in (*told.graph.output, *told.graph.input)}
    for name in dict.fromkeys(layer.node.input[0] for layer in layers):
        if name not in there:
            told.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return told


def _places(layer: Layer, samples: int) -> int:
    wanted = -(-ROWS_PER_COLUMN * layer.columns // max(samples, 1))
    return min(max(wanted, LEAST_PLACES), MOST_PLACES)


def _rows(layer: Layer, entering: Mapping[str, Array], random: np.random.Generator, places: int) -> Array:
    """Return float32 [groups, rows, columns]: what some outputs of a layer were computed from."""
    values = np.asarray(entering[layer.node.input[0]], np.float32)
    taken = patches if layer.node.op_type == "Conv" else _flat
    rows = taken(layer, values, random, places)
    ones = np.ones((*rows.shape[:2], 1), np.float32)
    return np.concatenate([rows, ones], axis=2) if layer.bias else rows


def _flat(layer: Layer, values: Array, random: np.random.Generator, places: int) -> Array:
    if layer.node.op_type == "Gemm" and attribute(layer.node, "transA", 0):
        values = values.T
    rows = values.reshape(-1, values.shape[-1])
    chosen: Array = rows if len(rows) <= places else rows[random.choice(len(rows), places, replace=False)]
    return chosen[None]


def patches(layer: Layer, values: Array, random: np.random.Generator, places: int) -> Array:
    """Return patches of a 2-D convolution's input, `places` at most: [groups, places, channels x kernel]."""
    kernel = layer.shape[2:]
    strides = _pair(layer.node, "strides", 1)
    dilations = _pair(layer.node, "dilations", 1)
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    values = np.pad(values, ((0, 0), (0, 0), *_pads(layer.node, values.shape[2:], reach, strides)))
    ends = [
        (size - span) // step + 1 for size, span, step in zip(values.shape[2:], reach, strides, strict=True)
    ]
    count = values.shape[0] * ends[0] * ends[1]
    chosen = random.choice(count, min(count, places), replace=False)
    picture, y, x = np.unravel_index(chosen, (values.shape[0], *ends))
    down = (y * strides[0])[:, None, None] + (np.arange(kernel[0]) * dilations[0])[:, None]
    right = (x * strides[1])[:, None, None] + np.arange(kernel[1]) * dilations[1]
    taken = values[picture[:, None, None], :, down, right]  # [places, kernel, kernel, channels]
    taken = np.moveaxis(taken, -1, 1).reshape(len(chosen), layer.groups, -1)
    return np.swapaxes(taken, 0, 1)


def _pair(node: NodeProto, name: str, default: int) -> list[int]:
    found = attribute(node, name, [default, default])
    return [int(one) for one in found]


def _pads(
    node: NodeProto, sizes: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    kind = attribute(node, "auto_pad", b"NOTSET")
    if kind in (b"SAME_UPPER", b"SAME_LOWER"):
        missing = [
            max((-(-size // step) - 1) * step + span - size, 0)
            for size, span, step in zip(sizes, reach, strides, strict=True)
        ]
        halves = [(one // 2, one - one // 2) for one in missing]
        return halves if kind == b"SAME_UPPER" else [(end, begin) for begin, end in halves]
    pads = attribute(node, "pads", [0, 0, 0, 0])
    return [(int(pads[0]), int(pads[2])), (int(pads[1]), int(pads[3]))]
