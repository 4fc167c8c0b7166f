"""Quantization as training sees it: rounded on the way forth, as if it were not on the way back.

Law: a quantized tensor is kept in float with whole values, so that gradients can pass (the straight-through estimator:
Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013); outside the range there is none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lepton_edge.compress.torch.operators.call import Call, Operator, Values

RANGES = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int32": None,
}
"""Lowest and highest value of a quantized dtype; None where nothing is cut off."""


def rounded(x: Tensor) -> Tensor:
    """Return `x` rounded half to even, with the gradient of `x`."""
    return x + (torch.round(x) - x).detach()


def along(parameter: Any, x: Tensor, axis: int) -> Any:
    """Return a scale or zero point so shaped that it broadcasts along `axis` of `x`; a scalar stays one."""
    if parameter is None or parameter.numel() == 1:
        return 0 if parameter is None else parameter.reshape(())
    shape = [1] * x.dim()
    shape[axis % x.dim()] = -1
    return parameter.reshape(shape)


def quantized_dtype(call: Call, zero: Tensor | None) -> str:
    """Return the dtype that a QuantizeLinear makes: that of its zero point, else uint8."""
    if zero is None:
        return str(call.get("quantized", "uint8"))
    return str(call.get("quantized", str(zero.dtype).removeprefix("torch.")))


def _quantize(call: Call, values: Values) -> Tensor:
    x, scale = values[0], values[1]
    zero = values[2] if len(values) > 2 else None
    axis = call.get("axis", 1)
    limits = RANGES[quantized_dtype(call, zero)]
    whole = rounded(x / along(scale, x, axis)) + along(zero, x, axis)
    return whole if limits is None else torch.clamp(whole, *limits)


def _dequantize(call: Call, values: Values) -> Tensor:
    x, scale = values[0], values[1]
    zero = values[2] if len(values) > 2 else None
    axis = call.get("axis", 1)
    return (x.to(scale.dtype) - along(zero, x, axis)) * along(scale, x, axis)


OPERATORS: dict[str, Operator] = {"DequantizeLinear": _dequantize, "QuantizeLinear": _quantize}
