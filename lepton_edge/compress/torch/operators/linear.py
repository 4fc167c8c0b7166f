"""Products of matrices.

Law: nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lepton_edge.compress.torch.operators.call import Call, Operator, Values


def _gemm(call: Call, values: Values) -> Tensor:
    left = values[0].t() if call.get("transA", 0) else values[0]
    right = values[1].t() if call.get("transB", 0) else values[1]
    product = left @ right * call.get("alpha", 1.0)
    if len(values) < 3 or values[2] is None:
        return product
    return product + values[2] * call.get("beta", 1.0)


def _matmul(call: Call, values: Values) -> Tensor:
    return torch.matmul(values[0], values[1])


OPERATORS: dict[str, Operator] = {"Gemm": _gemm, "MatMul": _matmul}
