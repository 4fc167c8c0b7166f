"""Cross-layer equalisation: the channels of an activation brought to one magnitude, so that one scale fits them all.

Law: rewrites weights and biases, by what was seen of the channels; the model computes what it did for what was seen.
Between two layers a channel may be multiplied by anything, if the first layer makes it larger and the second takes
that back. A depthwise convolution takes it back for nothing, because each of its channels has its own scale anyway; a
dense layer pays with its weights, so only a part (`SHARE`) of it is done there.

Sources: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, turned to
activations, as weights have a scale for each channel here; the share is that of Xiao et al., "SmoothQuant", 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from lepton_edge.compress import layers
from lepton_edge.compress.calibrate import ChannelStatistics
from lepton_edge.compress.layers import Graph
from lepton_edge.core.results import Array

LARGEST = 16.0
"""A channel is multiplied by this at most: what calibration never saw large may be so later."""
MARGIN = 1.1
"""Room above the largest value seen, where a Clip follows."""
SHARE = 0.25
RENAMED = "/equalized"
"""Added to the name of what holds other numbers than before."""


@dataclass(frozen=True)
class Pair:
    """Two layers with nothing between but an activation that does not mind a factor.

    `tensor` is what the second reads; `free` says that it takes a factor back without loss.
    """

    first: NodeProto
    second: NodeProto
    tensor: str
    free: bool

    @property
    def axis(self) -> int:
        """The axis of `tensor` along which its channels lie: second in pictures, last for matrix products."""
        return 1 if _is_picture(self.second) else -1


def pairs(graph: Graph) -> list[Pair]:
    """Return the pairs that can be equalised, in the order in which they run."""
    return list(_pairs(graph))


def _pairs(graph: Graph) -> Iterator[Pair]:
    alone = {node.name for node in graph.heavy if _has_own_weights(graph, node)}
    heavy = {node.name: node for node in graph.heavy}
    for node in graph.heavy:
        end = layers.integer_end(graph, node)
        reader = graph.only_reader(end)
        if reader is None or {node.name, reader.name} - alone or end in graph.outputs:
            continue
        if reader.name not in heavy or _is_picture(node) != _is_picture(reader):
            continue
        if node.output[0] == end or _scales_along(graph, graph.makers[end]):
            depth = _is_depthwise(graph, reader)
            if depth or _groups(reader) == 1:
                yield Pair(node, reader, end, depth)


def _is_picture(node: NodeProto) -> bool:
    """Return whether channels lie along the second axis; what is a channel to a product is none to a convolution."""
    return node.op_type == "Conv"


def _has_own_weights(graph: Graph, node: NodeProto) -> bool:
    return all(len(graph.readers[name]) == 1 for name in node.input[1:] if name)


def _scales_along(graph: Graph, activation: NodeProto) -> bool:
    """Return whether a factor may be moved through `activation`: it cuts at zero, and above what was seen."""
    low, _ = layers.bounds(graph, activation)
    return low in (0.0, -float("inf"))


def _groups(node: NodeProto) -> int:
    return next((int(helper.get_attribute_value(one)) for one in node.attribute if one.name == "group"), 1)


def _is_depthwise(graph: Graph, node: NodeProto) -> bool:
    shape = graph.constants[node.input[1]].dims
    return node.op_type == "Conv" and shape[1] == 1 and shape[0] == _groups(node) > 1


def equalize(model: ModelProto, seen: Mapping[str, ChannelStatistics], share: float = SHARE) -> ModelProto:
    """Return `model` with the channels between its pairs of layers equalised.

    Args:
        model: float32, with embedded weights.
        seen: the channels of every `Pair.tensor`.
        share: exponent of the factor where the second layer pays for it (0: not there at all; 1: wholly).
    """
    made = ModelProto()
    made.CopyFrom(model)
    graph = Graph(made)
    for pair in pairs(graph):
        factor = _factor(pair, seen[pair.tensor].largest, share)
        if (factor != 1.0).any():
            _multiply(graph, pair, factor)
            _rename(graph, pair)
    return made


def _factor(pair: Pair, largest: Array, share: float) -> Array:
    """Return by what each channel is multiplied: 1 for the largest, more for smaller ones."""
    raised = largest.max() / np.maximum(largest * MARGIN, np.finfo(np.float32).tiny)
    factor = np.clip(np.where(largest > 0, raised, 1.0), 1.0, LARGEST)
    return np.asarray(factor if pair.free else factor**share)


def _multiply(graph: Graph, pair: Pair, factor: Array) -> None:
    _along(graph, pair.first.input[1], layers.channel_axis(pair.first), factor)
    if len(pair.first.input) > 2 and pair.first.input[2]:
        _along(graph, pair.first.input[2], 0, factor)
    back = 0 if pair.free else layers.input_axis(pair.second)
    _along(graph, pair.second.input[1], back, 1.0 / factor)


def _along(graph: Graph, name: str, axis: int, factor: Array) -> None:
    value = graph.value(name)
    shape = [-1 if one == axis else 1 for one in range(value.ndim)]
    scaled = (value * factor.reshape(shape)).astype(np.float32)
    graph.constants[name].CopyFrom(numpy_helper.from_array(scaled, name))


def _rename(graph: Graph, pair: Pair) -> None:
    """Give what now holds other numbers another name: nobody may take it for the original's at a cut."""
    names = {
        pair.first.output[0]: f"{pair.first.output[0]}/equalized",
        pair.tensor: f"{pair.tensor}/equalized",
    }
    for node in (pair.first, graph.makers[pair.tensor], pair.second):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
