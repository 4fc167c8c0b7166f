"""Operators that move elements or speak of shapes.

Law: shapes are int64 tensors, as in the graph, so that a graph that computes its own shapes needs nothing special.
"""

from __future__ import annotations

from typing import Any

import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lepton_edge.compress.torch.operators.call import Call, Operator, Values
from lepton_edge.compress.torch.operators.convolution import for_torch

DTYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT8: torch.int8,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.BFLOAT16: torch.bfloat16,
}


def _cast(call: Call, values: Values) -> Tensor:
    return values[0].to(DTYPES[call.attributes["to"]])


def _constant(call: Call, values: Values) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in call.attributes:
            return torch.as_tensor(call.attributes[name])
    raise KeyError(f"Constant {call.name!r} has no value that can be read")


def _filled(call: Call, values: Values) -> Tensor:
    value = torch.as_tensor(call.get("value", torch.zeros(1))).reshape(())
    return value.repeat([int(one) for one in values[0].tolist()] or [1]).reshape(tuple(values[0].tolist()))


def _shape(call: Call, values: Values) -> Tensor:
    whole = torch.tensor(tuple(values[0].shape), dtype=torch.int64)
    return whole[call.get("start", 0) : call.get("end", len(whole))]


def _reshape(call: Call, values: Values) -> Tensor:
    x, shape = values[0], call.integers("shape", values, 1) or []
    if not call.get("allowzero", 0):
        shape = [x.shape[axis] if one == 0 else one for axis, one in enumerate(shape)]
    return x.reshape(shape)


def _flatten(call: Call, values: Values) -> Tensor:
    x = values[0]
    axis = call.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    rows = 1
    for length in x.shape[:axis]:
        rows *= length
    return x.reshape(rows, -1)


def _transpose(call: Call, values: Values) -> Tensor:
    order = call.get("perm", list(reversed(range(values[0].dim()))))
    return values[0].permute(*order)


def _unsqueeze(call: Call, values: Values) -> Tensor:
    axes = call.integers("axes", values, 1) or []
    x, rank = values[0], values[0].dim() + len(axes)
    for axis in sorted(one % rank for one in axes):
        x = x.unsqueeze(axis)
    return x


def _squeeze(call: Call, values: Values) -> Tensor:
    axes = call.integers("axes", values, 1)
    return values[0].squeeze() if axes is None else values[0].squeeze(tuple(axes))


def _concat(call: Call, values: Values) -> Tensor:
    return torch.cat(list(values), dim=call.attributes["axis"])


def _split(call: Call, values: Values) -> tuple[Tensor, ...]:
    x, axis = values[0], call.get("axis", 0)
    lengths = call.integers("split", values, 1)
    if lengths is None:
        each = -(-x.shape[axis] // len(call.outputs))
        return tuple(torch.split(x, each, dim=axis))
    return tuple(torch.split(x, lengths, dim=axis))


def _gather(call: Call, values: Values) -> Tensor:
    x, indices = values[0], values[1].to(torch.int64)
    axis = call.get("axis", 0) % x.dim()
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    chosen = torch.index_select(x, axis, indices.reshape(-1))
    return chosen.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _slice(call: Call, values: Values) -> Tensor:
    x = values[0]
    starts, ends = call.integers("starts", values, 1) or [], call.integers("ends", values, 2) or []
    axes = call.integers("axes", values, 3) or list(range(len(starts)))
    steps = call.integers("steps", values, 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        chosen = range(*slice(start, end if end > -(1 << 62) else None, step).indices(x.shape[axis]))
        x = torch.index_select(x, axis % x.dim(), torch.tensor(list(chosen), dtype=torch.int64))
    return x


def _expand(call: Call, values: Values) -> Tensor:
    shape = torch.broadcast_shapes(tuple(values[0].shape), tuple(values[1].tolist()))
    return values[0].expand(shape)


def _pad(call: Call, values: Values) -> Tensor:
    x, pads = values[0], call.integers("pads", values, 1) or []
    axes = call.integers("axes", values, 3)
    if axes is not None:
        whole = [0] * (2 * x.dim())
        for position, axis in enumerate(axes):
            whole[axis % x.dim()] = pads[position]
            whole[axis % x.dim() + x.dim()] = pads[position + len(axes)]
        pads = whole
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[call.get("mode", "constant")]
    if mode != "constant":
        axes_kept = [one for one in for_torch(pads)]
        while len(axes_kept) > 2 and axes_kept[-2:] == [0, 0]:
            axes_kept = axes_kept[:-2]
        return F.pad(x, axes_kept, mode=mode)
    value: Any = values[2] if len(values) > 2 and values[2] is not None else call.get("value", 0.0)
    return F.pad(x, for_torch(pads), value=float(value))


OPERATORS: dict[str, Operator] = {
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
