"""Sums, means and extremes along axes, and what is built of them.

Law: axes are an attribute in old operator sets and an input in new ones; both are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lepton_edge.compress.torch.operators.call import Call, Operator, Values


def _reduction(function: Callable[..., Any]) -> Operator:
    def reduce(call: Call, values: Values) -> Tensor:
        axes = call.integers("axes", values, 1)
        if not axes:
            if call.get("noop_with_empty_axes", 0):
                return values[0]
            axes = list(range(values[0].dim()))
        return function(values[0], axes, bool(call.get("keepdims", 1)))

    return reduce


def _norm(order: int) -> Callable[..., Any]:
    return lambda x, axes, keep: torch.linalg.vector_norm(x, order, dim=tuple(axes), keepdim=keep)


def _softmax(call: Call, values: Values) -> Tensor:
    return _flat(call, values[0], torch.softmax)


def _log_softmax(call: Call, values: Values) -> Tensor:
    return _flat(call, values[0], torch.log_softmax)


def _flat(call: Call, x: Tensor, function: Callable[..., Any]) -> Tensor:
    """Apply along one axis; before opset 13 that axis and all after it were one."""
    if call.opset >= 13:
        return function(x, dim=call.get("axis", -1))
    return function(x.flatten(call.get("axis", 1) % x.dim()), dim=-1).reshape(x.shape)


def _argmax(call: Call, values: Values) -> Tensor:
    return torch.argmax(values[0], dim=call.get("axis", 0), keepdim=bool(call.get("keepdims", 1)))


OPERATORS: dict[str, Operator] = {
    "ArgMax": _argmax,
    "LogSoftmax": _log_softmax,
    "ReduceL1": _reduction(_norm(1)),
    "ReduceL2": _reduction(_norm(2)),
    "ReduceMax": _reduction(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: torch.mean(x, axes, keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: torch.amin(x, axes, keep)),
    "ReduceSum": _reduction(lambda x, axes, keep: torch.sum(x, axes, keep)),
    "Softmax": _softmax,
}
