"""The forms: what is seen in the items of a slab, and how they come back from it.

Law: items are unsigned integers of 1, 2, 4 or 8 bytes, so that -0.0 and NaN are themselves; nothing is rounded. A form
returns its parts, or None where it does not hold these items; a reader gets parts that anybody may have made, and
answers with exactly `count` items or with CorruptFrame. Numbers of forms are on disk: never reused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.results import Array

MAX_ENTRIES = 256
_PROBE = 4096  # items looked at before all of them are sorted


@dataclass(frozen=True)
class Form:
    """One form: `parts(items)` or None; `items(parts, itemsize, count)` back; how many sections its parts take.

    `sections` 0 means one for each byte of an item.
    """

    number: int
    sections: int
    parts: Callable[[Array], list[bytes] | None]
    items: Callable[[Sequence[bytes], int, int], Array]


def integers(itemsize: int) -> np.dtype[np.unsignedinteger]:
    """Return the little-endian unsigned integer of so many bytes."""
    return np.dtype(f"<u{itemsize}")


def exactly(part: bytes, size: int) -> bytes:
    """Return `part`; raise CorruptFrame unless it has `size` bytes."""
    if len(part) != size:
        raise CorruptFrame(f"a packed part has {len(part)} bytes where {size} are needed")
    return part


# --- plain: the bytes as they are ------------------------------------------------------------------------


def _plain_parts(items: Array) -> list[bytes]:
    return [items.tobytes()]


def _plain_items(parts: Sequence[bytes], itemsize: int, count: int) -> Array:
    return np.frombuffer(exactly(parts[0], count * itemsize), integers(itemsize))


# --- planes: all first bytes, all second bytes, ...: exponents compress beside each other ----------------


def _plane_parts(items: Array) -> list[bytes] | None:
    if items.itemsize == 1:
        return None
    planes = items.view(np.uint8).reshape(-1, items.itemsize)
    return [planes[:, place].tobytes() for place in range(items.itemsize)]


def _plane_items(parts: Sequence[bytes], itemsize: int, count: int) -> Array:
    whole = np.empty((count, itemsize), np.uint8)
    for place, part in enumerate(parts):
        whole[:, place] = np.frombuffer(exactly(part, count), np.uint8)
    return whole.reshape(-1).view(integers(itemsize))


# --- codebook: the distinct items, and which of them stands where, in 8, 4, 2 or 1 bits ------------------


def _codebook(bits: int) -> Form:
    def parts(items: Array) -> list[bytes] | None:
        entries = 1 << bits
        if bits >= 8 * items.itemsize or len(_distinct(items[:_PROBE])) > entries:
            return None
        book = _distinct(items)
        if len(book) > entries:
            return None
        return [book.tobytes(), _narrowed(np.searchsorted(book, items).astype(np.uint8), bits)]

    def items(parts: Sequence[bytes], itemsize: int, count: int) -> Array:
        if len(parts[0]) % itemsize or not 0 < len(parts[0]) // itemsize <= MAX_ENTRIES:
            raise CorruptFrame(f"a packed codebook has {len(parts[0])} bytes")
        book = np.frombuffer(parts[0], integers(itemsize))
        index = _widened(exactly(parts[1], -(-count * bits // 8)), bits)[:count]
        if count and int(index.max()) >= len(book):
            raise CorruptFrame(f"a packed index points past its codebook of {len(book)}")
        return book[index]

    return Form(_BOOKS[bits], 2, parts, items)


def _distinct(items: Array) -> Array:
    """Return the different `items`, rising."""
    if items.itemsize == 1:  # counting is thirty times faster than sorting
        return np.flatnonzero(np.bincount(items, minlength=256)).astype(np.uint8)
    return np.unique(items)


def _narrowed(index: Array, bits: int) -> bytes:
    each = 8 // bits
    padded = np.pad(index, (0, -len(index) % each)).reshape(-1, each)
    packed = np.zeros(len(padded), np.uint8)
    for place in range(each):
        packed |= padded[:, place] << np.uint8(place * bits)
    return packed.tobytes()


def _widened(packed: bytes, bits: int) -> Array:
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    spread = (np.frombuffer(packed, np.uint8)[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    index: Array = spread.reshape(-1)
    return index


# --- the table -------------------------------------------------------------------------------------------

_BOOKS = {8: 2, 4: 3, 2: 4, 1: 5}
PLAIN = Form(0, 1, _plain_parts, _plain_items)
PLANES = Form(1, 0, _plane_parts, _plane_items)
FORMS = {form.number: form for form in (PLAIN, PLANES, *map(_codebook, _BOOKS))}
