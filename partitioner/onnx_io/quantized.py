"""Quantized operators: whether a model has any, how large one step of its outputs is, what its integers stand for.

Law: reads operators and scales; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from partitioner.compiled import IntegerSide
from partitioner.onnx_io import load
from partitioner.units import TensorName

_BYTES = (np.dtype(np.uint8), np.dtype(np.int8))
_MARKS = ("Quant", "QLinear", "QAttention", "QGemm", "Integer", "NBits", "DequantizeLinear")
_KEEPS_STEP = frozenset(
    ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Relu", "Clip")
)


def is_quantized(operators: Iterable[str]) -> bool:
    """Return whether any operator ("domain/Name") computes with quantized numbers."""
    return any(mark in operator.rpartition("/")[2] for operator in operators for mark in _MARKS)


def output_steps(model: ModelProto, folder: Path) -> dict[str, float]:
    """Return one quantization step for each output that tells it: 1 for integers, else the scale."""
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {one.name: one for one in model.graph.initializer}
    steps = {}
    for output in model.graph.output:
        if output.type.tensor_type.elem_type in (TensorProto.UINT8, TensorProto.INT8):
            steps[output.name] = 1.0
            continue
        maker = makers.get(output.name)
        while maker is not None and maker.op_type in _KEEPS_STEP:
            maker = makers.get(maker.input[0])
        scale = _scale(maker, constants)
        if scale is not None:
            steps[output.name] = float(np.max(np.asarray(load.constant_value(scale, folder), np.float64)))
    return steps


def integer_sides(model: ModelProto, folder: Path) -> tuple[IntegerSide, ...]:
    """Return the tensors of 8-bit integers that a QuantizeLinear of one scale makes, by name.

    Each is the form of the float tensor that was quantized, and of that which a DequantizeLinear makes of it by the
    same scale: some tools leave the model's own name to the one, some to the other.
    """
    constants = {one.name: one for one in model.graph.initializer}
    found: list[IntegerSide] = []
    for node in model.graph.node:
        side = (
            _side(node, constants, folder) if node.op_type == "QuantizeLinear" and not node.domain else None
        )
        if side is not None:
            found += [side, *_back(model, node, side)]
    return tuple(sorted(found, key=lambda one: (one.tensor, one.source)))


def _back(model: ModelProto, made_by: NodeProto, side: IntegerSide) -> Iterator[IntegerSide]:
    """Yield what stands for the same integers: made of them again, by the very same scale and zero point."""
    same = [side.tensor, *made_by.input[1:3]]
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and not node.domain and list(node.input[:3]) == same:
            yield replace(side, source=TensorName(node.output[0]))


def _side(node: NodeProto, constants: dict[str, TensorProto], folder: Path) -> IntegerSide | None:
    """Return what a QuantizeLinear makes, where its scale and zero point are constants of one number each."""
    if len(node.input) < 3 or not {*node.input[1:3]} <= constants.keys():
        return None
    scale, zero = (load.constant_value(constants[name], folder) for name in node.input[1:3])
    if scale.size != 1 or zero.size != 1 or scale.dtype != np.float32 or zero.dtype not in _BYTES:
        return None
    return IntegerSide(TensorName(node.output[0]), TensorName(node.input[0]), scale.item(), zero.item())


def _scale(node: NodeProto | None, constants: dict[str, TensorProto]) -> TensorProto | None:
    if node is None or node.op_type != "DequantizeLinear":
        return None
    return constants.get(node.input[1])
