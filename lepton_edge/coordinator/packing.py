"""Weights in packed form, made when the first device asks, kept beside the blob that they are of.

Law: a file for each tensor in `packed/` of the compiled model's folder, whole or not there, gone with the model; an
empty one says that packing does not pay. One tensor is packed at a time, slab by slab: it is work for a processor that
has other work. Whoever cannot have the packed form gets the bytes themselves.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from lepton_edge.wire.packed import packed_pieces
from partitioner.units import Bytes, Sha256

log = structlog.get_logger("coordinator")

FOLDER = "packed"
LEAST = 16 << 10  # bytes; the packed form of a smaller tensor saves less than a round trip
WORTH = 0.9  # of a tensor's bytes; a packed form that is larger is not worth the work at both ends


class Packing:
    """Packs weights on demand."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def packed(self, blob: Path, sha256: Sha256, offset: Bytes, length: Bytes) -> Path | None:
        """Return the file with the packed form of `length` bytes at `offset` of `blob`; None where it does not pay.

        A disk that is full or read-only makes nobody wait: the tensor then travels as it is. So does one whose blob
        is cut off: whoever reads on meets its end, and says so.
        """
        if length < LEAST:
            return None
        target = blob.parent / FOLDER / sha256
        try:
            async with self._one:  # two that ask for one tensor pack it once
                return await asyncio.to_thread(_pack, blob, offset, length, target)
        except (OSError, ValueError) as error:  # the second: there is less of the blob than is to be mapped
            log.warning("weights travel as they are", file=str(target), error=str(error))
            return None


def _pack(blob: Path, offset: int, length: int, target: Path) -> Path | None:
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                file.writelines(_worth(np.memmap(blob, np.uint8, "r", offset, (length,)).data))
                file.flush()
                os.fsync(file.fileno())
            if part.stat().st_size > WORTH * length:
                os.truncate(part, 0)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # it is gone already when all went well
    return target if target.stat().st_size else None


def _worth(content: memoryview) -> Iterator[bytes]:
    """Yield the packed form until it is clear that it does not pay."""
    sent = 0
    for piece in packed_pieces(content):
        sent += len(piece)
        yield piece
        if sent > WORTH * len(content):
            return
