"""Operators that work element by element.

Law: numpy's broadcasting, which is ONNX's and torch's alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from lepton_edge.compress.torch.operators.call import Call, Operator, Values


def _plain(function: Callable[..., Any]) -> Operator:
    return lambda call, values: function(*values)


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda call, values: reduce(function, values)


def _mean(call: Call, values: Values) -> Tensor:
    return reduce(torch.add, values) / len(values)


def _div(call: Call, values: Values) -> Tensor:
    numerator, denominator = values
    whole = not (numerator.is_floating_point() or denominator.is_floating_point())
    return torch.div(numerator, denominator, rounding_mode="trunc" if whole else None)


def _clip(call: Call, values: Values) -> Tensor:
    low, high = (values[index] if len(values) > index else None for index in (1, 2))
    low = call.get("min", None) if low is None else low
    high = call.get("max", None) if high is None else high
    if low is None and high is None:
        return values[0]
    return torch.clamp(values[0], _bound(low, values[0]), _bound(high, values[0]))


def _bound(limit: Any, like: Tensor) -> Tensor | None:
    if limit is None:
        return None
    return torch.as_tensor(limit, dtype=like.dtype, device=like.device).reshape(())


def _prelu(call: Call, values: Values) -> Tensor:
    x, slope = values
    return torch.where(x >= 0, x, x * slope)


def _gelu(call: Call, values: Values) -> Tensor:
    return F.gelu(values[0], approximate=call.get("approximate", "none"))


def _leaky(call: Call, values: Values) -> Tensor:
    return F.leaky_relu(values[0], call.get("alpha", 0.01))


def _elu(call: Call, values: Values) -> Tensor:
    return F.elu(values[0], call.get("alpha", 1.0))


def _hard_sigmoid(call: Call, values: Values) -> Tensor:
    return torch.clamp(values[0] * call.get("alpha", 0.2) + call.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(call: Call, values: Values) -> Tensor:
    return values[0] * torch.clamp(values[0] / 6 + 0.5, 0.0, 1.0)


def _dropout(call: Call, values: Values) -> Tensor:
    if not call.training:
        return values[0]
    ratio = values[1].item() if len(values) > 1 and values[1] is not None else call.get("ratio", 0.5)
    return F.dropout(values[0], float(ratio), training=True)


OPERATORS: dict[str, Operator] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "Ceil": _plain(torch.ceil),
    "Clip": _clip,
    "Div": _div,
    "Dropout": _dropout,
    "Elu": _elu,
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Floor": _plain(torch.floor),
    "Gelu": _gelu,
    "Greater": _plain(torch.gt),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": _plain(lambda x: x),
    "LeakyRelu": _leaky,
    "Less": _plain(torch.lt),
    "Log": _plain(torch.log),
    "Max": _folded(torch.maximum),
    "Mean": _mean,
    "Min": _folded(torch.minimum),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": _plain(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "Relu": _plain(torch.relu),
    "Round": _plain(torch.round),
    "Sigmoid": _plain(torch.sigmoid),
    "Sign": _plain(torch.sign),
    "Softplus": _plain(F.softplus),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Sum": _folded(torch.add),
    "Tanh": _plain(torch.tanh),
    "Where": _plain(torch.where),
}
