"""Windows over pictures: maximum and mean.

Law: what is padded counts as ONNX says: never in a maximum, in a mean only where `count_include_pad` asks for it, and
what `ceil_mode` adds at the end not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lepton_edge.compress.torch.operators.call import Call, Operator, Values
from lepton_edge.compress.torch.operators.convolution import for_torch, padding

_MAXIMA = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_MEANS = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def _extension(call: Call, size: Sequence[int], pads: Sequence[int]) -> list[int]:
    """Return what `ceil_mode` adds after each axis so that the last, incomplete window is whole."""
    kernel, axes = call.attributes["kernel_shape"], len(size)
    if not call.get("ceil_mode", 0):
        return [0] * axes
    strides = call.get("strides", [1] * axes)
    dilations = call.get("dilations", [1] * axes)
    more = []
    for axis in range(axes):
        room = size[axis] + pads[axis] + pads[axis + axes] - ((kernel[axis] - 1) * dilations[axis] + 1)
        steps = -(-room // strides[axis])
        # A window that would begin in the padding at the end is dropped (ONNX since opset 19, engines before it).
        if steps * strides[axis] >= size[axis] + pads[axis]:
            steps -= 1
        more.append(max(steps * strides[axis] - room, 0))
    return more


def _frame(call: Call, x: Tensor) -> tuple[list[int], list[int]]:
    """Return the pads in torch's order: those that the node asks for, and those that make the last window whole."""
    kernel = call.attributes["kernel_shape"]
    pads = padding(call, x.shape[2:], kernel)
    return for_torch(pads), for_torch([*[0] * len(kernel), *_extension(call, x.shape[2:], pads)])


def _max_pool(call: Call, values: Values) -> Tensor:
    x, axes = values[0], values[0].dim() - 2
    asked, added = _frame(call, x)
    both = [one + other for one, other in zip(asked, added, strict=True)]
    padded = F.pad(x, both, value=-torch.inf) if any(both) else x
    return _MAXIMA[axes - 1](
        padded,
        tuple(call.attributes["kernel_shape"]),
        tuple(call.get("strides", [1] * axes)),
        0,
        tuple(call.get("dilations", [1] * axes)),
    )


def _average_pool(call: Call, values: Values) -> Tensor:
    x, axes = values[0], values[0].dim() - 2
    asked, added = _frame(call, x)
    window = (tuple(call.attributes["kernel_shape"]), tuple(call.get("strides", [1] * axes)))
    mean = _MEANS[axes - 1](F.pad(F.pad(x, asked), added), *window)
    if not any(added) and (not any(asked) or call.get("count_include_pad", 0)):
        return mean
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    counted = F.pad(ones, asked, value=float(call.get("count_include_pad", 0)))
    return mean / _MEANS[axes - 1](F.pad(counted, added), *window)


def _global_mean(call: Call, values: Values) -> Tensor:
    return values[0].mean(dim=tuple(range(2, values[0].dim())), keepdim=True)


def _global_max(call: Call, values: Values) -> Tensor:
    return values[0].amax(dim=tuple(range(2, values[0].dim())), keepdim=True)


OPERATORS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_mean,
    "GlobalMaxPool": _global_max,
    "MaxPool": _max_pool,
}
