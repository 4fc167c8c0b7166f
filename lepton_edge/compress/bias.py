"""Bias correction: what rounding shifts on average is taken out of the layers' biases.

Law: rewrites biases only. The shift of a layer is computed and not measured at its end: a layer is linear, so the mean
of its error is what its rounded weights make of the mean of its rounded input, less what its weights made of the mean
input. So one pass over the data is enough for all layers, and no layer corrects the faults of another twice.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2,
with means from data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from lepton_edge.compress import calibrate, layers, qdq
from lepton_edge.compress.layers import Choice, Graph
from lepton_edge.compress.qdq import Scheme
from lepton_edge.compress.ranges import Range, Scale
from lepton_edge.compress.technique import Progress, Samples, silent
from lepton_edge.core.results import Array


@dataclass
class _Means:
    """Sums over samples of the means of channels, as they are and as their integers say, float64 [channels]."""

    true: Array
    rounded: Array
    count: int = 0


@dataclass(frozen=True)
class Quantized:
    """What a model is quantized with: which layers, over which ranges, how."""

    choice: Choice
    seen: Mapping[str, Range]
    scheme: Scheme


def correct(model: ModelProto, chosen: Quantized, samples: Samples, told: Progress = silent) -> ModelProto:
    """Return `model` (float32) with the biases that make its quantized form right on average over `samples`.

    A matrix product has no bias and stays as it is.
    """
    made = ModelProto()
    made.CopyFrom(model)
    graph = Graph(made)
    picked = [node for node in graph.heavy if node.name in chosen.choice.layers and node.op_type != "MatMul"]
    found = _means(model, {node.input[0] for node in picked}, chosen, samples, told)
    for node in picked:
        _set_bias(graph, node, -_shift(graph, node, found[node.input[0]], chosen.scheme))
    return made


def _means(
    model: ModelProto, names: set[str], chosen: Quantized, samples: Samples, told: Progress
) -> dict[str, _Means]:
    known = qdq.scales(chosen.choice, chosen.seen, chosen.scheme.activation)
    found: dict[str, _Means] = {}
    for name, values in calibrate.walk(calibrate.Observer(model, sorted(names)), samples, "biases", told):
        others = tuple(axis for axis in range(values.ndim) if axis != 1)
        one = found.setdefault(name, _Means(np.zeros(values.shape[1]), np.zeros(values.shape[1])))
        one.true += values.mean(axis=others, dtype=np.float64)
        one.rounded += _rounded(values, known[name]).mean(axis=others, dtype=np.float64)
        one.count += 1
    return found


def _rounded(values: Array, scale: Scale) -> Array:
    """Return `values` as their integers say."""
    ends = np.iinfo(scale.dtype)
    step = np.float32(scale.step)
    whole = np.clip(np.rint(values / step), int(ends.min) - scale.zero, int(ends.max) - scale.zero)
    return np.asarray(whole * step)


def _shift(graph: Graph, node: NodeProto, means: _Means, scheme: Scheme) -> Array:
    """Return the mean error of every channel of the layer's result, float64 [channels]."""
    axis = layers.channel_axis(node)
    weight = graph.value(node.input[1])
    values, steps = qdq.quantize_weight(weight, axis, scheme)
    rounded = values * steps.astype(np.float64).reshape(
        [-1 if one == axis else 1 for one in range(weight.ndim)]
    )
    count = max(means.count, 1)
    return _applied(rounded, axis, means.rounded / count) - _applied(weight, axis, means.true / count)


def _applied(weight: Array, axis: int, means: Array) -> Array:
    """Return what a layer makes of an input that has its mean everywhere (padding is not looked at)."""
    rows = np.moveaxis(weight, axis, 0).astype(np.float64)
    rows = rows.reshape(*rows.shape[:2], -1).sum(axis=2)
    groups = len(means) // rows.shape[1]
    apart = rows.reshape(groups, -1, rows.shape[1])
    return np.asarray(np.einsum("goi,gi->go", apart, means.reshape(groups, -1)).ravel())


def _set_bias(graph: Graph, node: NodeProto, added: Array) -> None:
    if len(node.input) > 2 and node.input[2]:
        added = added + graph.value(node.input[2])
    name = f"{node.name}/corrected_bias"
    graph.model.graph.initializer.append(numpy_helper.from_array(added.astype(np.float32), name))
    node.input[:] = [*node.input[:2], name]
