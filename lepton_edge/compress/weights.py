"""The weights of a model: which constants layers compute with, and a model with others in their place.

Law: reads the graph, decides nothing. Only constants of the outermost graph count as weights; a model is never changed,
a new one is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from lepton_edge.core.results import Array

FLOATS = frozenset((TensorProto.FLOAT, TensorProto.FLOAT16))
INTEGERS = frozenset((TensorProto.INT8, TensorProto.UINT8))
MIN_ITEMS = 64  # smaller ones weigh nothing

_FLOAT_PLACES: Mapping[str, tuple[int, ...]] = {
    "Conv": (1,), "ConvTranspose": (1,), "Gemm": (0, 1), "MatMul": (0, 1),
    "LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2),
}  # fmt: skip
_INTEGER_PLACES: Mapping[str, tuple[int, int]] = {
    "DequantizeLinear": (0, 2), "MatMulInteger": (1, 3), "ConvInteger": (1, 3),
    "QLinearConv": (3, 5), "QLinearMatMul": (3, 5), "DynamicQuantizeMatMul": (1, 3),
}  # fmt: skip
"""Operator -> where its weights and their zero points are."""


@dataclass(frozen=True)
class Weight:
    """A constant that layers compute with: its name, its readers (in order), the name of its zero points or ""."""

    name: str
    readers: tuple[NodeProto, ...]
    zero_point: str = ""


def float_weights(model: ModelProto) -> dict[str, Weight]:
    """Return the floating-point weights of convolutions, matrix products and recurrent layers, by name."""
    constants = {one.name: one for one in model.graph.initializer if _is_weight(one, FLOATS)}
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for place in _FLOAT_PLACES.get(node.op_type, ()) if not node.domain else ():
            if place < len(node.input) and node.input[place] in constants:
                found.setdefault(node.input[place], []).append(node)
    return {name: Weight(name, tuple(readers)) for name, readers in found.items()}


def integer_weights(model: ModelProto) -> dict[str, Weight]:
    """Return the 8-bit weights of a quantized model by name; those with several zero points are left out."""
    constants = {one.name: one for one in model.graph.initializer}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        place, zero = _INTEGER_PLACES.get(node.op_type, (len(node.input), 0))
        name = node.input[place] if place < len(node.input) else ""
        if name in constants and _is_weight(constants[name], INTEGERS):
            points = node.input[zero] if zero < len(node.input) else ""
            before = found.get(name, Weight(name, (), points))
            found[name] = Weight(name, (*before.readers, node), points)
    return {name: one for name, one in found.items() if _one_zero(one, constants)}


def _is_weight(tensor: TensorProto, dtypes: frozenset[int]) -> bool:
    return tensor.data_type in dtypes and len(tensor.dims) >= 2 and math.prod(tensor.dims) >= MIN_ITEMS


def _one_zero(weight: Weight, constants: Mapping[str, TensorProto]) -> bool:
    if not weight.zero_point:
        return True
    points = constants.get(weight.zero_point)
    return points is not None and len(np.unique(numpy_helper.to_array(points))) == 1


def arrays(model: ModelProto, names: Mapping[str, object]) -> dict[str, Array]:
    """Return the constants `names` as arrays that are read and never written."""
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer if one.name in names}


def with_arrays(model: ModelProto, changed: Mapping[str, Array]) -> ModelProto:
    """Return a copy of `model` with `changed` constants, each of the dtype and shape that it had."""
    made = ModelProto()
    made.CopyFrom(model)
    for tensor in made.graph.initializer:
        if tensor.name in changed:
            value = changed[tensor.name]
            dtype = numpy_helper.to_array(tensor).dtype
            if list(value.shape) != list(tensor.dims):
                raise ValueError(f"{tensor.name}: {value.shape} in the place of {list(tensor.dims)}")
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value, dtype), tensor.name))
    return made


def broken(model: ModelProto, names: Mapping[str, Weight]) -> str:
    """Return a sentence that names the first weight with NaN or infinite values; "" where there is none."""
    for name, values in arrays(model, names).items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return f"the weight {name!r} of layer {names[name].readers[0].name!r} contains NaN or infinite values"
    return ""
