"""Convolutions and the normalisations that follow them.

Law: padding is made explicit, because ONNX allows what torch's arguments cannot say (one side only).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lepton_edge.compress.torch.operators.call import Call, Operator, Values

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def padding(call: Call, size: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Return what is padded, one number a side: begins of all axes, then ends, for a window of `kernel` over `size`."""
    axes = len(kernel)
    mode = call.get("auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return list(call.get("pads", [0] * (2 * axes))) if mode == "NOTSET" else [0] * (2 * axes)
    strides = call.get("strides", [1] * axes)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, call.get("dilations", [1] * axes), strict=True)]
    total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(size, strides, reach, strict=True)]
    less, more = [one // 2 for one in total], [one - one // 2 for one in total]
    return [*less, *more] if mode == "SAME_UPPER" else [*more, *less]


def for_torch(pads: Sequence[int]) -> list[int]:
    """Return ONNX pads (begins, then ends) in torch's order: last axis first, begin and end together."""
    axes = len(pads) // 2
    return [pads[axis + side * axes] for axis in reversed(range(axes)) for side in (0, 1)]


def _conv(call: Call, values: Values) -> Tensor:
    x, weight = values[0], values[1]
    bias = values[2] if len(values) > 2 else None
    axes = x.dim() - 2
    pads = padding(call, x.shape[2:], weight.shape[2:])
    even = pads[:axes] == pads[axes:]
    return _CONVOLUTIONS[axes - 1](
        x if even else F.pad(x, for_torch(pads)),
        weight,
        bias,
        tuple(call.get("strides", [1] * axes)),
        tuple(pads[:axes]) if even else 0,
        tuple(call.get("dilations", [1] * axes)),
        call.get("group", 1),
    )


def _conv_transpose(call: Call, values: Values) -> Tensor:
    x, weight = values[0], values[1]
    axes = x.dim() - 2
    pads = call.get("pads", [0] * (2 * axes))
    full = _TRANSPOSED[axes - 1](
        x,
        weight,
        values[2] if len(values) > 2 else None,
        tuple(call.get("strides", [1] * axes)),
        0,
        tuple(call.get("output_padding", [0] * axes)),
        call.get("group", 1),
        tuple(call.get("dilations", [1] * axes)),
    )
    return F.pad(full, [-one for one in for_torch(pads)])


def _batch_norm(call: Call, values: Values) -> Any:
    x, scale, shift, mean, variance = values
    # torch keeps (1 - momentum) of the running statistics, ONNX keeps momentum; the buffers are updated in place.
    momentum = 1.0 - call.get("momentum", 0.9)
    learns = (
        call.training and x.numel() > x.shape[1]
    )  # one value of a channel has no spread: a last batch of one
    return F.batch_norm(x, mean, variance, scale, shift, learns, momentum, call.get("epsilon", 1e-5))


def _instance_norm(call: Call, values: Values) -> Tensor:
    x, scale, shift = values
    return F.instance_norm(x, weight=scale, bias=shift, eps=call.get("epsilon", 1e-5))


def _layer_norm(call: Call, values: Values) -> Tensor:
    x, scale = values[0], values[1]
    shift = values[2] if len(values) > 2 else None
    shape = x.shape[call.get("axis", -1) % x.dim() :]
    whole = F.layer_norm(x, tuple(shape), eps=call.get("epsilon", 1e-5)) * scale
    return whole if shift is None else whole + shift


def _lrn(call: Call, values: Values) -> Tensor:
    x, size = values[0], call.attributes["size"]
    # torch divides by the window too, and pads as ONNX does.
    return F.local_response_norm(
        x, size, call.get("alpha", 1e-4), call.get("beta", 0.75), call.get("bias", 1.0)
    )


def _resize(call: Call, values: Values) -> Tensor:
    """Resize pictures; where scales are given they place the pixels, even if the sides are then rounded down."""
    x, sizes = values[0], values[3] if len(values) > 3 else None
    how: dict[str, Any] = {"mode": "nearest"}
    if call.get("mode", "nearest") != "nearest":
        how = {"mode": "bilinear", "align_corners": False}
    if sizes is not None:
        return F.interpolate(x, [int(one) for one in sizes.tolist()][2:], **how)
    factors = tuple(float(one) for one in values[2].tolist()[2:])
    return F.interpolate(x, scale_factor=factors, recompute_scale_factor=False, **how)


OPERATORS: dict[str, Operator] = {
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "Resize": _resize,
}
