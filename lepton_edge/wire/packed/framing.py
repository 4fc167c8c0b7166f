"""Packed tensors as streams: packed slab by slab, expanded as the bytes come.

Law: at most one slab is held. The length at the head must be what the reader expects, so nothing that is announced is
believed; bytes after the last slab are an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire.packed import guess, slabs

HEAD = struct.Struct("<4sQ")
MAGIC = b"LPK1"
MAX_LENGTH = 1 << 40  # bytes of one tensor; more is a mistake


def packed_pieces(content: bytes | memoryview, itemsize: int = 0, row: int = 0) -> Iterator[bytes]:
    """Yield the packed form of `content` piece by piece.

    `itemsize` is the bytes of an item (1, 2, 4 or 8; 1 is taken where it does not divide the content; 0: it and the
    row are guessed), `row` how many items in a row share a scale (0: unknown); both only help to make it smaller.
    """
    view = memoryview(content).cast("B")
    if not itemsize:
        itemsize, row = guess.items_of(view)
    itemsize = itemsize if itemsize in slabs.ITEM_SIZES and len(view) % itemsize == 0 else 1
    step = _step(itemsize, row)
    yield HEAD.pack(MAGIC, len(view))
    for start in range(0, len(view), step):
        yield slabs.pack(view[start : start + step], itemsize, row)


def pack(content: bytes | memoryview, itemsize: int = 0, row: int = 0) -> bytes:
    """Return `content` packed, as `packed_pieces` has it."""
    return b"".join(packed_pieces(content, itemsize, row))


def _step(itemsize: int, row: int) -> int:
    """Return the bytes of a slab: whole rows where one fits."""
    line = itemsize * max(row, 1)
    return slabs.SLAB // line * line if line <= slabs.SLAB else slabs.SLAB


class Expander:
    """Expands a packed tensor of exactly `length` bytes as it comes, in pieces of any size."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._left = -1  # until the head is there
        self._slab: bytes = b""
        self._held = bytearray()

    def feed(self, piece: bytes | memoryview) -> Iterator[bytes]:
        """Yield the bytes that `piece` completes, in order.

        Raises:
            CorruptFrame: it is no packed tensor of that length.
        """
        view = memoryview(piece)
        while (need := self._need()) and len(view):
            taken = min(need - len(self._held), len(view))
            self._held += view[:taken]
            view = view[taken:]
            if len(self._held) == need:
                yield from self._complete()
        if len(view):
            raise CorruptFrame(
                f"a packed tensor of {self._length} bytes has {len(view)} or more bytes too many"
            )

    def finish(self) -> None:
        """Raise CorruptFrame unless all of it came."""
        if self._left != 0 or self._held or self._slab:
            raise CorruptFrame("a packed tensor ends early")

    def _need(self) -> int:
        """Return how many bytes make the next unit: the head, a slab's head, its body; 0 at the end."""
        if self._left < 0:
            return HEAD.size
        if self._slab:
            return slabs.body_size(self._slab, self._left)
        return slabs.HEAD.size if self._left else 0

    def _complete(self) -> Iterator[bytes]:
        unit, self._held = bytes(self._held), bytearray()
        if self._left < 0:
            self._left = self._begun(unit)
        elif not self._slab:
            self._slab = unit
            if not slabs.body_size(unit, self._left):
                raise CorruptFrame("a packed slab is empty")
        else:
            whole = slabs.expand(self._slab, memoryview(unit))
            self._slab, self._left = b"", self._left - len(whole)
            yield whole

    def _begun(self, head: bytes) -> int:
        magic, length = HEAD.unpack(head)
        if magic != MAGIC or length != self._length:
            raise CorruptFrame(
                f"this is no packed tensor of {self._length} bytes", "it is damaged, or of another version"
            )
        return self._length


def expand(packed: bytes | memoryview, length: int) -> bytes:
    """Return the `length` bytes that `packed` stands for.

    Raises:
        CorruptFrame: it stands for something else, or for nothing.
    """
    expander = Expander(length)
    whole = b"".join(expander.feed(packed))
    expander.finish()
    return whole
