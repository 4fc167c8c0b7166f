"""Sections: runs of bytes that are compressed where that makes them smaller.

Law: what a section expands to is said beside it and never believed beyond a bound that the caller gives; the
compressed frame must announce exactly that size before a byte is reserved for it.
"""

from __future__ import annotations

import struct

import zstandard

from lepton_edge.core.errors import CorruptFrame

HEAD = struct.Struct("<II")
"""Stored bytes, expanded bytes; equal where the section is as it is."""

LEVEL = 3  # entropy coding does the work here; higher levels gain under one percent on indices and planes
_WINDOW = 1 << 23  # bytes; a frame that asks for more memory than that is not ours


def write(content: bytes) -> bytes:
    """Return `content` (under 4 GiB) as a section."""
    squeezed = zstandard.ZstdCompressor(LEVEL).compress(content)
    stored = squeezed if len(squeezed) < len(content) else content
    return HEAD.pack(len(stored), len(content)) + stored


def read(packed: memoryview, at: int, limit: int) -> tuple[bytes, int]:
    """Return the section at `at`, expanded to `limit` bytes at most, and where the next one begins.

    Raises CorruptFrame when it is cut off, larger than `limit`, or not what it says.
    """
    if at + HEAD.size > len(packed):
        raise CorruptFrame("a packed section has no head")
    stored, size = HEAD.unpack_from(packed, at)
    begin, end = at + HEAD.size, at + HEAD.size + stored
    if size > limit or stored > size or end > len(packed):
        raise CorruptFrame(f"a packed section of {stored} bytes for {size} does not fit")
    held = packed[begin:end]
    return (bytes(held) if stored == size else _expanded(held, size)), end


def _expanded(held: memoryview, size: int) -> bytes:
    try:
        announced = zstandard.frame_content_size(held)
        if announced != size:  # the library would reserve what the frame announces
            raise CorruptFrame(f"a packed section announces {announced} bytes where {size} were said")
        content = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompress(held, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptFrame(f"a packed section cannot be read: {error}") from error
    if len(content) != size:
        raise CorruptFrame(f"a packed section has {len(content)} bytes where {size} were said")
    return content
