"""What bytes most likely are, where nobody says: how large their items, how long their rows.

Law: a guess only makes a tensor smaller or not; what is packed comes back whatever was guessed.
"""

from __future__ import annotations

import numpy as np

from lepton_edge.core.results import Array
from lepton_edge.wire.packed import scaled, slabs

_LOOKED_AT = 64 << 10  # bytes from the middle, on which each size of item is tried
_FIRST_ROW = 16  # items that must be numbers times a scale before a row is looked for


def items_of(content: memoryview) -> tuple[int, int]:
    """Return the size of an item, and how many of them in a row share a scale (0: none do)."""
    row = row_of(content) if len(content) % 4 == 0 else 0
    return (4, row) if row else (itemsize_of(content), 0)


def itemsize_of(content: memoryview) -> int:
    """Return the size of item with which a part of `content` becomes smallest."""
    middle = len(content) // 2 // 64 * 64
    part = content[middle : middle + _LOOKED_AT]
    part = part[: len(part) // 8 * 8]
    fitting = [size for size in slabs.ITEM_SIZES if len(content) % size == 0]
    if not len(part):
        return fitting[-1]
    return min(fitting, key=lambda size: len(slabs.pack(part, size, 0)))


def row_of(content: memoryview) -> int:
    """Return how many float32 items in a row are small numbers times one scale; 0 where they are not."""
    items = np.frombuffer(content, "<u4")
    most = _longest(items)
    divisors = (row for row in range(most, _FIRST_ROW - 1, -1) if len(items) % row == 0)
    return next((row for row in divisors if scaled.split(items[: 2 * row], row)), 0)


def _longest(items: Array) -> int:
    """Return how many of the first `items` have one scale (all of them, or up to some place)."""
    if not _one_scale(items, _FIRST_ROW):
        return 0
    good, bad = _FIRST_ROW, _FIRST_ROW
    while good == bad and bad < len(items):
        bad = min(2 * bad, len(items))
        good = bad if _one_scale(items, bad) else good
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _one_scale(items, middle) else (good, middle)
    return good


def _one_scale(items: Array, count: int) -> bool:
    return len(items) >= count and scaled.split(items[:count], count) is not None
