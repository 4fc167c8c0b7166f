"""Inputs that hold NaN are refused before anything runs on them.

Law: pure; reads the bytes of raw floating-point tensors and nothing else. Their largest value is NaN where any of
them is; only then they are counted. Infinities are allowed: attention masks hold them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.frames import WireTensor
from partitioner.codecs import RAW

_FLOATS = ("float16", "float32", "float64")


def refuse_nan(given: Iterable[WireTensor]) -> None:
    """Return when no tensor of `given` holds NaN; what travels encoded is not looked into.

    Raises:
        InvalidInput: one does; the message names it and says how many of its values are NaN.
    """
    for tensor in given:
        count = _nan_count(tensor) if tensor.codec == RAW.name else 0
        if count:
            raise InvalidInput(
                f"the input {tensor.name!r} holds NaN: {count} of its values",
                "look at where the array comes from; a sensor's gap, or a division by zero?",
            )


def _nan_count(tensor: WireTensor) -> int:
    if tensor.dtype == "bfloat16":  # numpy lacks it: its exponent's bits all set, and some of its fraction's
        return _count(tensor, np.dtype(np.uint16), lambda bits: (bits & 0x7FFF) > 0x7F80)
    if tensor.dtype not in _FLOATS:
        return 0
    kind = np.dtype(tensor.dtype)
    values = _values(tensor, kind)
    doubtful = values.size > 0 and math.isnan(np.maximum.reduce(values))
    return _count(tensor, kind, np.isnan) if doubtful else 0


def _count(tensor: WireTensor, kind: np.dtype[Any], is_nan: Callable[[NDArray[Any]], NDArray[Any]]) -> int:
    return int(np.count_nonzero(is_nan(_values(tensor, kind))))


def _values(tensor: WireTensor, kind: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(tensor.payload, kind)
