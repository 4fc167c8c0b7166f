"""The byte parts of the codecs: compression of a tensor's bytes, and back, a short piece each.

Law: bytes only; knows no codec by name and no model. Nothing is expanded past the size that dtype and shape
declare, whatever a payload announces: who breaks that gets CorruptFrame. A new part is one entry in `PARTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lz4.block
import numpy as np
import zstandard

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.results import Array

Payload = bytes | memoryview

ZSTD_LEVEL = 1
_ZSTD_WINDOW = 128 << 20  # bytes; a frame that asks for more memory than that is not ours


@dataclass(frozen=True)
class BytePart:
    """A compression: `compress` takes an array, `expand` (payload, bytes that must come out, bytes of one item)."""

    compress: Callable[[Array], Payload]
    expand: Callable[[Payload, int, int], Payload]


def bytes_of(array: Array) -> Payload:
    """Return the bytes of `array` in C order, little-endian; a view where it lies so already."""
    if array.size == 0:
        return b""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


# --- zstd: smallest, for slow links --------------------------------------------------------------------


def _zstd_compress(array: Array) -> bytes:
    return zstandard.ZstdCompressor(ZSTD_LEVEL).compress(bytes_of(array))


def _zstd_expand(payload: Payload, size: int, _item: int) -> bytes:
    try:
        announced = zstandard.frame_content_size(payload)
        if (
            announced != size
        ):  # the library would allocate what the frame announces, whatever limit it is given
            raise CorruptFrame(f"a compressed tensor announces {announced} bytes where {size} were declared")
        tool = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return tool.decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptFrame(f"a compressed tensor cannot be read: {error}") from error


# --- lz4: less small and several times faster, for fast links ------------------------------------------


def _lz4_compress(array: Array) -> bytes:
    packed: bytes = lz4.block.compress(bytes_of(array), store_size=False)
    return packed


def _lz4_expand(payload: Payload, size: int, _item: int) -> bytes:
    try:
        expanded: bytes = lz4.block.decompress(payload, uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise CorruptFrame(f"a compressed tensor cannot be read: {error}") from error
    return expanded


# --- sparse: which items are not zero, one bit each (the first is the highest bit), then those that are not ---


def _sparse_compress(array: Array) -> bytes:
    bits = np.frombuffer(bytes_of(array), f"<u{array.itemsize}")  # as integers: -0.0 and NaN are themselves
    kept = bits != 0
    return b"".join([np.packbits(kept).tobytes(), bits[kept].tobytes()])


def _sparse_expand(payload: Payload, size: int, item: int) -> memoryview:
    count = size // item
    edge = -(-count // 8)
    view = memoryview(payload).cast("B")
    kept = (
        np.unpackbits(np.frombuffer(view[:edge], np.uint8), count=count).view(bool)
        if edge <= len(view)
        else None
    )
    if kept is None or len(view) - edge != int(np.count_nonzero(kept)) * item:
        raise CorruptFrame(f"a sparse tensor of {len(view)} bytes does not hold what it says")
    expanded = np.zeros(count, f"<u{item}")
    expanded[kept] = np.frombuffer(view[edge:], f"<u{item}")
    return expanded.view(np.uint8).data


PARTS = {
    "zstd": BytePart(_zstd_compress, _zstd_expand),
    "lz4": BytePart(_lz4_compress, _lz4_expand),
    "sparse": BytePart(_sparse_compress, _sparse_expand),
}
