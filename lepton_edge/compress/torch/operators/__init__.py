"""The operators that a graph may have to be trained, by name.

Law: a table. Each operator is a function of a `Call` and its inputs (None where an optional one is left out) and
follows the ONNX text, also where torch differs. An operator that is not here is refused by name, never approximated.
"""

from __future__ import annotations

from lepton_edge.compress.torch.operators import (
    arithmetic,
    convolution,
    linear,
    pooling,
    quantization,
    reductions,
    shapes,
)
from lepton_edge.compress.torch.operators.call import Operator

OPERATORS: dict[str, Operator] = {
    **arithmetic.OPERATORS,
    **convolution.OPERATORS,
    **linear.OPERATORS,
    **pooling.OPERATORS,
    **quantization.OPERATORS,
    **reductions.OPERATORS,
    **shapes.OPERATORS,
}
"""Operator by ONNX name, default domain."""
