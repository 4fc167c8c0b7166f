"""Scaled rows: float32 weights that are, row by row, small integers times one number.

Law: what was quantized once, or shared in steps of a row's own scale, is found from its values alone, and only where
it comes back bit by bit; -0.0, NaN and infinite values never do.
"""

from __future__ import annotations

import numpy as np

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.results import Array
from lepton_edge.wire.packed.forms import integers

_LEVELS = tuple(range(127, 0, -1))  # what the largest number of a row may be; most often the first


def split(items: Array, row: int) -> tuple[bytes, Array] | None:
    """Return the rows' scales and the numbers (signed bytes seen as unsigned), or None where it is not so.

    `items` are 4-byte integers whose bits are float32, `row` how many of them share a scale (0: unknown).
    """
    if items.itemsize != 4 or row < 2 or len(items) % row:
        return None
    rows = items.view("<f4").reshape(-1, row)
    found = []
    for one in rows if np.isfinite(rows).all() else ():
        if (split_row := _split_row(one)) is None:
            return None
        found.append(split_row)
    if not found:
        return None
    scales, numbers = zip(*found, strict=True)
    return np.array(scales, "<f4").tobytes(), np.concatenate(numbers).view(np.uint8)


def _split_row(row: Array) -> tuple[np.float32, Array] | None:
    largest = np.max(np.abs(row))
    if not largest:
        return None if np.signbit(row).any() else (np.float32(1), np.zeros(len(row), np.int8))
    for level in _LEVELS:
        middle = np.float32(largest) / np.float32(level)
        for scale in (middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf))):
            numbers = _numbers(row, scale)
            if numbers is not None:
                return np.float32(scale), numbers
    return None


def _numbers(row: Array, scale: np.float32) -> Array | None:
    if scale < np.finfo(np.float32).tiny:  # steps so small that they are not evenly spaced
        return None
    numbers = np.rint(row / scale)
    if np.max(np.abs(numbers)) > 127:
        return None
    small = numbers.astype(np.int8)
    back = small.astype(np.float32) * scale
    return small if np.array_equal(back.view(np.uint32), row.view(np.uint32)) else None


def join(scales: bytes, numbers: Array) -> Array:
    """Return the items that `scales` and `numbers` stand for; raise CorruptFrame where they do not fit together."""
    rows = len(scales) // 4
    if len(scales) % 4 or not rows or len(numbers) % rows:
        raise CorruptFrame(f"{len(scales)} bytes of packed scales do not divide {len(numbers)} items")
    each = np.frombuffer(scales, "<f4")
    with np.errstate(
        all="ignore"
    ):  # a hostile sender's scales may be anything; what comes of them is only numbers
        whole: Array = numbers.view(np.int8).reshape(rows, -1).astype(np.float32) * each[:, None]
    return whole.astype("<f4").reshape(-1).view(integers(4))
