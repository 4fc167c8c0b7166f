"""Slabs: some items of a tensor in the form that is smallest, with or without their zeros.

Law: a slab stands for itself, so that a tensor of any size is packed and expanded in bounded memory. It is never
larger than its plain bytes and two heads, and a reader relies on that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.results import Array
from lepton_edge.wire.packed import sections
from lepton_edge.wire.packed.forms import FORMS, Form, integers

SLAB = 4 << 20
"""Expanded bytes of a slab at most."""

HEAD = struct.Struct("<BBHII")
"""Form (with MASKED where zeros are left out), bytes of an item, 0, expanded bytes, bytes that follow."""

MASKED = 0x80
MOST = SLAB + sections.HEAD.size
"""Bytes that follow a head at most: plain bytes that would not compress."""

_SPARSE_FROM = 0.05  # a share of zeros below which leaving them out gains nothing
ITEM_SIZES = (1, 2, 4, 8)


def pack(content: memoryview, itemsize: int, row: int) -> bytes:
    """Return `content` (SLAB bytes at most, whole items) as the smallest slab; `row` items belong together."""
    items = np.frombuffer(content, integers(itemsize))
    best = min(_bodies(items, row), key=lambda one: len(one[1]))
    return HEAD.pack(best[0], itemsize, 0, len(content), len(best[1])) + best[1]


def _bodies(items: Array, row: int) -> Iterator[tuple[int, bytes]]:
    """Yield (form, body) for every form that holds `items`; plain is always among them."""
    for form in FORMS.values():
        parts = form.parts(items, row)
        if parts is not None:
            yield form.number, _body(parts)
    kept = items != 0
    if items.size and np.count_nonzero(kept) <= (1 - _SPARSE_FROM) * items.size:
        mask, dense = np.packbits(kept, bitorder="little").tobytes(), items[kept]
        for form in FORMS.values():
            parts = form.parts(dense, 0)
            if parts is not None:
                yield form.number | MASKED, _body([mask, *parts])


def _body(parts: list[bytes]) -> bytes:
    return b"".join(sections.write(part) for part in parts)


def body_size(head: bytes, left: int) -> int:
    """Return how many bytes follow `head`; raise CorruptFrame when no slab of a tensor with `left` to go has it."""
    number, itemsize, _, size, stored = HEAD.unpack(head)
    if number & ~MASKED not in FORMS or itemsize not in ITEM_SIZES:
        raise CorruptFrame(f"no packed form {number} of items of {itemsize} bytes is known", _OTHER_VERSION)
    if not 0 < size <= min(SLAB, left) or size % itemsize or stored > size + sections.HEAD.size:
        raise CorruptFrame(f"a packed slab of {stored} bytes for {size} does not fit: {left} are left")
    return int(stored)


def expand(head: bytes, body: memoryview) -> bytes:
    """Return the bytes of the slab with a `head` that `body_size` let pass; raise CorruptFrame if it lies."""
    number, itemsize, _, size, _ = HEAD.unpack(head)
    form = FORMS[number & ~MASKED]
    parts, at = [], 0
    for _ in range((form.sections or itemsize) + bool(number & MASKED)):
        part, at = sections.read(body, at, size)
        parts.append(part)
    if at != len(body):
        raise CorruptFrame(f"a packed slab has {len(body) - at} bytes too many")
    count = size // itemsize
    items = _spread(parts, form, itemsize, count) if number & MASKED else form.items(parts, itemsize, count)
    return items.tobytes()


def _spread(parts: list[bytes], form: Form, itemsize: int, count: int) -> Array:
    if len(parts[0]) != -(-count // 8):
        raise CorruptFrame(f"a packed mask has {len(parts[0])} bytes for {count} items")
    kept = np.unpackbits(np.frombuffer(parts[0], np.uint8), count=count, bitorder="little").view(bool)
    whole = np.zeros(count, integers(itemsize))
    whole[kept] = form.items(parts[1:], itemsize, int(np.count_nonzero(kept)))
    return whole


_OTHER_VERSION = "it was packed by a newer version, or is damaged"
