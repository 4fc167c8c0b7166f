"""Slabs: some items of a tensor in the form that is smallest, with or without their zeros and their scales.

Law: a slab stands for itself, so that a tensor of any size is packed and expanded in bounded memory. It is never
larger than its plain bytes and two heads, and a reader relies on that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.results import Array
from lepton_edge.wire.packed import scaled, sections
from lepton_edge.wire.packed.forms import FORMS, integers

SLAB = 1 << 20
"""Expanded bytes of a slab at most."""

HEAD = struct.Struct("<BBHII")
"""Form (with what was done before it), bytes of an item, 0, expanded bytes, bytes that follow."""

SCALED = 0x40
"""Items are numbers of one byte times their row's scale; the scales are the first section."""
MASKED = 0x80
"""Zeros are left out; which items there are is the next section."""
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
    """Yield (form, body) for every way to hold `items`; the plain one is always among them."""
    yield from _masked_or_not(items, 0, [])
    split = scaled.split(items, row)
    if split is not None:
        scales, numbers = split
        yield from _masked_or_not(numbers, SCALED, [scales])


def _masked_or_not(items: Array, done: int, before: list[bytes]) -> Iterator[tuple[int, bytes]]:
    yield from _formed(items, done, before)
    kept = items != 0
    if items.size and np.count_nonzero(kept) <= (1 - _SPARSE_FROM) * items.size:
        mask = np.packbits(kept, bitorder="little").tobytes()
        yield from _formed(items[kept], done | MASKED, [*before, mask])


def _formed(items: Array, done: int, before: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for form in FORMS.values():
        parts = form.parts(items)
        if parts is not None:
            yield form.number | done, _body([*before, *parts])


def _body(parts: list[bytes]) -> bytes:
    return b"".join(sections.write(part) for part in parts)


def body_size(head: bytes, left: int) -> int:
    """Return how many bytes follow `head`; raise CorruptFrame when no slab of a tensor with `left` to go has it."""
    number, itemsize, _, size, stored = HEAD.unpack(head)
    known = number & ~(MASKED | SCALED) in FORMS and itemsize in ITEM_SIZES
    if not known or (number & SCALED and itemsize != 4):
        raise CorruptFrame(f"no packed form {number} of items of {itemsize} bytes is known", _OTHER_VERSION)
    if not 0 < size <= min(SLAB, left) or size % itemsize or stored > size + sections.HEAD.size:
        raise CorruptFrame(f"a packed slab of {stored} bytes for {size} does not fit: {left} are left")
    return int(stored)


def expand(head: bytes, body: memoryview) -> bytes:
    """Return the bytes of the slab with a `head` that `body_size` let pass; raise CorruptFrame if it lies."""
    number, itemsize, _, size, _ = HEAD.unpack(head)
    parts = _Parts(body, size)
    scales = parts.take() if number & SCALED else None
    items = _items(number, parts, 1 if number & SCALED else itemsize, size // itemsize)
    parts.finish()
    return (items if scales is None else scaled.join(scales, items)).tobytes()


def _items(number: int, parts: _Parts, itemsize: int, count: int) -> Array:
    form = FORMS[number & ~(MASKED | SCALED)]
    mask = _mask(parts.take(), count) if number & MASKED else None
    told = [parts.take() for _ in range(form.sections or itemsize)]
    if mask is None:
        return form.items(told, itemsize, count)
    whole = np.zeros(count, integers(itemsize))
    whole[mask] = form.items(told, itemsize, int(np.count_nonzero(mask)))
    return whole


def _mask(packed: bytes, count: int) -> Array:
    if len(packed) != -(-count // 8):
        raise CorruptFrame(f"a packed mask has {len(packed)} bytes for {count} items")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count, bitorder="little").view(bool)


class _Parts:
    """The sections of a body one after another, none larger than the slab."""

    def __init__(self, body: memoryview, limit: int) -> None:
        self._body = body
        self._limit = limit
        self._at = 0

    def take(self) -> bytes:
        part, self._at = sections.read(self._body, self._at, self._limit)
        return part

    def finish(self) -> None:
        if self._at != len(self._body):
            raise CorruptFrame(f"a packed slab has {len(self._body) - self._at} bytes too many")


_OTHER_VERSION = "it was packed by a newer version, or is damaged"
