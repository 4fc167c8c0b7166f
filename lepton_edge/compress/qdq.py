"""Writes a model whose chosen layers compute with 8-bit integers, in ONNX's QuantizeLinear/DequantizeLinear form.

Law: given what becomes integer (`layers.Choice`) and the ranges, it writes; it decides nothing and runs nothing. A
tensor keeps its name, shape and dtype on the float side of its conversion, so that variants of a model may meet at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import layers, ranges
from lepton_edge.compress.layers import Choice, Graph
from lepton_edge.compress.ranges import Range, Scale
from lepton_edge.core.results import Array
from partitioner.onnx_io.hoist import replace_nodes

_LARGEST_BIAS = float(1 << 30)
_NARROWEST = 0.5  # of the largest weight, where clipping is searched
_TRIES = 26


@dataclass(frozen=True)
class Scheme:
    """How numbers become integers.

    Attributes:
        activation: "uint8" or "int8".
        weight_bits: 8, or 7 where products of 8 bits would saturate.
        clip_weights: whether a channel's largest weights are clipped where that lessens its squared error.
    """

    activation: str = "uint8"
    weight_bits: int = 8
    clip_weights: bool = False


def quantize_weight(
    weight: Array, axis: int, scheme: Scheme, least: Array | None = None
) -> tuple[Array, Array]:
    """Return int8 values and float32 scales [channels] of `weight`, symmetric for each channel along `axis`.

    `least` bounds the scales from below.
    """
    top = float((1 << (scheme.weight_bits - 1)) - 1)
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float32)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    steps = _clipped(rows, largest, top) if scheme.clip_weights else largest / top
    steps = np.where(steps > 0, steps, 1.0 / top)
    steps = (steps if least is None else np.maximum(steps, least)).astype(np.float32)
    shape = [-1 if one == axis else 1 for one in range(weight.ndim)]
    values = np.clip(np.rint(weight / steps.reshape(shape)), -top, top).astype(np.int8)
    return values, steps


def _clipped(rows: Array, largest: Array, top: float) -> Array:
    """Return for every row the step with the least squared error."""
    best, steps = np.full(len(rows), np.inf), largest / top
    for part in np.linspace(1.0, _NARROWEST, _TRIES, dtype=np.float32):
        tried = np.where(largest > 0, largest * part / top, 1.0)[:, None]
        errors = np.square(np.clip(np.rint(rows / tried), -top, top) * tried - rows).sum(axis=1)
        steps = np.where(errors < best, largest * part / top, steps)
        best = np.minimum(best, errors)
    return np.asarray(steps)


def scales(choice: Choice, seen: Mapping[str, Range], dtype: str) -> dict[str, Scale]:
    """Return the scale of every chosen tensor; one that is only moved takes that of where it comes from."""
    found: dict[str, Scale] = {}
    for name in choice.tensors:
        origin = choice.same.get(name)
        found[name] = found[origin] if origin in found else ranges.scale(seen[name], dtype)
    return found


def insert(model: ModelProto, choice: Choice, seen: Mapping[str, Range], scheme: Scheme) -> ModelProto:
    """Return `model` with the chosen layers in integers.

    Args:
        model: float32, with embedded weights and an operator set of at least `layers.MIN_OPSET`.
        choice: what becomes integer.
        seen: a range for each of `choice.tensors`.
        scheme: how.
    """
    made = ModelProto()
    made.CopyFrom(model)
    _Writer(made, choice, scales(choice, seen, scheme.activation), scheme).write()
    return made


class _Writer:
    def __init__(self, model: ModelProto, choice: Choice, found: dict[str, Scale], scheme: Scheme) -> None:
        self._model = model
        self._graph = Graph(model)
        self._choice = choice
        self._scales = found
        self._scheme = scheme
        self._nodes: list[NodeProto] = []
        self._new: dict[str, TensorProto] = {}
        self._aliases: dict[str, str] = {}

    def write(self) -> None:
        for name in self._scales.keys() & self._graph.inputs:
            self._aliases[name] = f"{name}/dequantized"
            self._convert(name, name, self._aliases[name])
        for node in list(self._model.graph.node):
            self._node(node)
        replace_nodes(self._model.graph, self._nodes)
        set_initializers(self._model, self._new)

    def _node(self, node: NodeProto) -> None:
        integer = node.name in self._choice.carriers or node.name in self._choice.layers
        if integer:
            node.input[:] = [self._aliases.get(name, name) for name in node.input]
        if node.name in self._choice.layers:
            self._weights(node)
        if self._is_superfluous(node):
            self._bypass(node)
            return
        self._nodes.append(node)
        for index, name in enumerate(node.output):
            if name in self._scales:
                node.output[index] = f"{name}/float"
                self._convert(name, f"{name}/float", name)

    def _convert(self, name: str, source: str, target: str) -> None:
        one = self._scales[name]
        parameters = [f"{name}/scale", f"{name}/zero_point"]
        self._add(parameters[0], np.float32(one.step))
        self._add(parameters[1], np.array(one.zero, one.dtype))
        made = f"{name}/quantized"
        self._nodes += [
            helper.make_node("QuantizeLinear", [source, *parameters], [made], f"{name}/QuantizeLinear"),
            helper.make_node("DequantizeLinear", [made, *parameters], [target], f"{name}/DequantizeLinear"),
        ]

    def _is_superfluous(self, node: NodeProto) -> bool:
        """Return whether the conversion behind `node` clips as it does."""
        if node.name not in self._choice.absorbed or node.output[0] not in self._scales:
            return False
        low, high = layers.bounds(self._graph, node)
        covered = self._scales[node.output[0]].covered
        slack = self._scales[node.output[0]].step / 2
        return covered.low >= low - slack and covered.high <= high + slack

    def _bypass(self, node: NodeProto) -> None:
        """Let the layer before `node` make what `node` made."""
        before = next(one for one in reversed(self._nodes) if node.input[0] in one.output)
        before.output[0] = f"{node.output[0]}/float"
        self._convert(node.output[0], before.output[0], node.output[0])

    def _weights(self, node: NodeProto) -> None:
        axis = layers.channel_axis(node)
        data = self._scales[self._original(node.input[0])].step
        bias = self._graph.value(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        least = None if bias is None else np.abs(bias) / (data * _LARGEST_BIAS)
        values, steps = quantize_weight(self._graph.value(node.input[1]), axis, self._scheme, least)
        node.input[1] = self._constant(node.input[1], values, steps, axis)
        if bias is not None:
            whole = np.rint(bias.astype(np.float64) / (steps.astype(np.float64) * data)).astype(np.int32)
            node.input[2] = self._constant(f"{node.name}/{node.input[2]}", whole, steps * np.float32(data), 0)

    def _original(self, name: str) -> str:
        return next((key for key, alias in self._aliases.items() if alias == name), name)

    def _constant(self, name: str, values: Array, steps: Array, axis: int) -> str:
        made = f"{name}/dequantized"
        if f"{name}/quantized" in self._new and np.array_equal(
            numpy_helper.to_array(self._new[f"{name}/quantized"]), values
        ):
            return made  # two layers share the weight
        if f"{name}/quantized" in self._new:
            return self._constant(f"{name}+", values, steps, axis)
        self._add(f"{name}/quantized", values)
        self._add(f"{name}/scale", steps)
        self._add(f"{name}/zero_point", np.zeros(steps.shape, values.dtype))
        inputs = [f"{name}/quantized", f"{name}/scale", f"{name}/zero_point"]
        self._nodes.append(
            helper.make_node("DequantizeLinear", inputs, [made], f"{name}/DequantizeLinear", axis=axis)
        )
        return made

    def _add(self, name: str, values: Array) -> None:
        self._new[name] = numpy_helper.from_array(np.asarray(values), name)


def set_initializers(model: ModelProto, new: Mapping[str, TensorProto]) -> None:
    """Add the new constants and drop those that nothing reads any more."""
    read = Graph(model).readers.keys() | {one.name for one in model.graph.output}
    kept = [one for one in model.graph.initializer if one.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, *(one for name, one in new.items() if name in read)])
