"""How a weight is held while it is trained: free, with fixed zeros, shared through a codebook, or on a grid.

Law: whatever an earlier step did to a tensor, training keeps: what was pruned stays zero, what was shared stays
shared, what was quantized stays on its grid. A form is told from the tensor itself, so nothing need be handed down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lepton_edge.compress.torch.operators.quantization import RANGES, along, rounded
from lepton_edge.core.results import Array

PRUNED = 0.1  # zeros in a tensor from which on they are taken for pruned, not for chance
MOST_SHARED = 256  # values in a codebook at most
PRUNED_GRIDDED = 0.3  # a narrow quantized tensor has many zeros by rounding alone
SHARED_EACH = 4  # elements a codebook's value stands for at least, on average


class Free(nn.Module):
    """A tensor without any condition."""

    def __init__(self, value: Array) -> None:
        super().__init__()
        self.dtype = value.dtype
        self.weight = nn.Parameter(torch.from_numpy(np.array(value, np.float32)))

    def forward(self) -> Tensor:
        """Return the tensor as the graph sees it."""
        return self.weight

    def written(self) -> Array:
        """Return the tensor in the dtype it came in."""
        with torch.no_grad():
            return np.asarray(self.forward().numpy(), self.dtype)


class Pruned(Free):
    """A tensor whose zeros stay zero."""

    def __init__(self, value: Array) -> None:
        super().__init__(value)
        self.register_buffer("mask", (self.weight.detach() != 0).float())

    def forward(self) -> Tensor:
        """Return the tensor with its zeros."""
        return self.weight * self.mask


class Shared(Free):
    """A tensor of few values: each value is trained, and all elements that have it move together; zero stays zero."""

    def __init__(self, value: Array) -> None:
        codebook, indices = np.unique(value, return_inverse=True)
        super().__init__(codebook)
        self.register_buffer("indices", torch.from_numpy(indices.reshape(value.shape)))
        self.register_buffer("mask", (self.weight.detach() != 0).float())

    def forward(self) -> Tensor:
        """Return the expanded tensor."""
        return (self.weight * self.mask)[self.indices]


class Gridded(Free):
    """A quantized tensor: a float behind it is trained, the graph sees it on the grid of its scale.

    `forward` returns what DequantizeLinear makes of it; `written` the quantized values. An int32 bias is not rounded
    while it is trained: its grid is far finer than a step.
    """

    def __init__(self, whole: Array, scale: Tensor, zero: Tensor | None, axis: int) -> None:
        self.axis, self.limits = axis, limits(whole)
        float_whole = torch.from_numpy(np.asarray(whole, np.float32))
        behind = (float_whole - along(zero, float_whole, axis)) * along(scale, float_whole, axis)
        super().__init__(np.asarray(behind.numpy()))
        self.dtype = whole.dtype
        self.register_buffer("scale", scale.clone())
        self.register_buffer("zero", zero if zero is None else zero.float())
        nonzero = (self.weight.detach() != 0).float()
        pruned = float(1 - nonzero.mean()) >= PRUNED_GRIDDED
        self.register_buffer("mask", nonzero if pruned else torch.ones(()))

    def quantized(self) -> Tensor:
        """Return the whole numbers of the tensor as float, with the gradient of the tensor behind them."""
        x = self.weight * self.mask / along(self.scale, self.weight, self.axis)
        if self.limits is None:
            return x
        low, high = self.limits
        return torch.clamp(rounded(x) + along(self.zero, x, self.axis), low, high)

    def forward(self) -> Tensor:
        """Return the tensor, dequantized."""
        whole = self.quantized()
        offset: Any = 0 if self.limits is None else along(self.zero, whole, self.axis)
        return (whole - offset) * along(self.scale, whole, self.axis)

    def written(self) -> Array:
        """Return the quantized tensor."""
        with torch.no_grad():
            return np.asarray(torch.round(self.quantized()).numpy(), self.dtype)


def limits(whole: Array) -> tuple[int, int] | None:
    """Return the lowest and highest value that quantized weights may learn; None where nothing is cut off.

    Symmetric for int8; of 7 bits where they are so already, because 8 would saturate on the processor they are for.
    """
    largest = np.abs(whole.astype(np.int64)).max(initial=0)
    tops = (63, 127) if str(whole.dtype) == "int8" else ()
    return next(((-top, top) for top in tops if largest <= top), RANGES[str(whole.dtype)])


def form(value: Array) -> Free:
    """Return the form that a float tensor has already: shared, pruned or free.

    Vectors (biases, scales) and constants are free: nobody prunes or shares those, but nets begin with them.
    """
    if value.ndim < 2 or (value == value.flat[0]).all():
        return Free(value)
    if value.size >= SHARED_EACH * 2 and np.unique(value).size <= min(MOST_SHARED, value.size // SHARED_EACH):
        return Shared(value)
    if value.size and np.count_nonzero(value == 0) >= PRUNED * value.size:
        return Pruned(value)
    return Free(value)
