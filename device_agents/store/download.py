"""Pull the bytes of one artifact through an injected `fetch`, in order, again from where it broke off.

Law: knows offsets and retries, not files. Retries are bounded and back off; an attempt that brought bytes
makes the count begin anew, so that a bad link ends in a whole artifact or in a typed error, never in a loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.messages import FetchChunk, FetchRequest
from partitioner.errors import LeptonError
from partitioner.units import Bytes, Seconds, Sha256

Fetch = Callable[[FetchRequest], AsyncIterator[FetchChunk]]
Sink = Callable[[int, bytes], None]
"""Called in a thread with (offset, bytes), in order without gaps."""

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RetryPolicy:
    """`attempts` in a row without a new byte; pauses of `first` seconds, doubled up to `longest`."""

    attempts: int = 5
    first: Seconds = Seconds(0.2)
    longest: Seconds = Seconds(5.0)

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(float(self.longest), float(self.first) * 2.0 ** (failures - 1))


def require_sha256(name: Sha256) -> Sha256:
    """Return `name`; raise CorruptFrame unless it is a sha256 (it becomes a file name)."""
    if not SHA256.fullmatch(name):
        raise CorruptFrame(f"{name!r} is not a sha256", "the peer is broken or of another version")
    return name


async def pull(
    fetch: Fetch, request: FetchRequest, sink: Sink, policy: RetryPolicy, expected: int = -1
) -> Bytes:
    """Fetch from `request.offset` to the end into `sink` and return the artifact's whole size.

    `expected` is that size when it is known (-1: not). Raises the fetch's own error when it is not retryable,
    Unavailable when the retries are used up, CorruptFrame when offsets or sizes disagree.
    """
    offset, failures = int(request.offset), 0
    while True:
        begun = offset
        try:
            async for chunk in fetch(FetchRequest(request.sha256, Bytes(offset))):
                offset = await _take(chunk, offset, expected, sink)
                if offset == chunk.total:
                    return chunk.total
            raise Unavailable("the download ended early")
        except LeptonError as error:
            failures = 1 if offset > begun else failures + 1
            if not error.retryable:
                raise
            if failures >= policy.attempts:
                message = f"fetching {request.sha256[:12]} failed {failures} times in a row: {error.message}"
                raise Unavailable(message, "is the coordinator up?") from error
        await asyncio.sleep(policy.pause(failures))


async def _take(chunk: FetchChunk, offset: int, expected: int, sink: Sink) -> int:
    after = offset + len(chunk.data)
    known = chunk.total if expected < 0 else expected
    if chunk.offset != offset or after > chunk.total or chunk.total != known:
        raise CorruptFrame(
            f"a chunk at {chunk.offset} of {chunk.total} bytes does not fit: {offset} of {known} are here",
            "the peer is broken or of another version",
        )
    await asyncio.to_thread(sink, offset, chunk.data)
    return after
