"""Pull the bytes of one artifact through an injected `fetch`, in order, again from where it broke off.

Law: knows offsets and retries, not files. Retries are bounded and back off; an attempt that brought bytes
makes the count begin anew, so that a bad link ends in a whole artifact or in a typed error, never in a loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

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
    fetch: Fetch,
    request: FetchRequest,
    sink: Sink,
    policy: RetryPolicy,
    expected: int = -1,
    *,
    packed: Sink | None = None,
) -> Bytes:
    """Fetch from `request.offset` to the end into `sink` and return the artifact's whole size.

    `expected` is that size when it is known (-1: not). Where the request lets it come packed, `packed` takes the bytes
    of that form, which are fewer. Raises the fetch's own error when it is not retryable, Unavailable when the retries
    are used up, CorruptFrame when offsets, sizes or forms disagree.
    """
    course, failures = _Course(int(request.offset), expected, packed is not None), 0
    while True:
        begun = course.offset
        try:
            async for chunk in fetch(course.go_on(request)):
                course.check(chunk)
                into = packed if packed is not None and chunk.packed else sink
                await asyncio.to_thread(into, course.offset, chunk.data)
                course.offset += len(chunk.data)
                if course.offset == chunk.total:
                    return chunk.total
            raise Unavailable("the download ended early")
        except LeptonError as error:
            failures = 1 if course.offset > begun else failures + 1
            if not error.retryable:
                raise
            if failures >= policy.attempts:
                message = f"fetching {request.sha256[:12]} failed {failures} times in a row: {error.message}"
                raise Unavailable(message, "is the coordinator up?") from error
        await asyncio.sleep(policy.pause(failures))


class _Course:
    """How far a download is, and what its next chunk must be: one form from the first chunk on, and no gap."""

    def __init__(self, offset: int, expected: int, may_be_packed: bool) -> None:
        self.offset = offset
        self._expected = expected
        self._packed = None if may_be_packed else False

    def go_on(self, request: FetchRequest) -> FetchRequest:
        """Return the request for the rest, in the form that the first chunk had: offsets count its bytes."""
        packed = request.packed and self._packed is not False
        return replace(request, offset=Bytes(self.offset), packed=packed)

    def check(self, chunk: FetchChunk) -> None:
        """Raise CorruptFrame unless `chunk` comes next."""
        if self._packed is None:
            self._packed = chunk.packed
            if chunk.packed and 0 < chunk.total < self._expected:
                self._expected = chunk.total
        known = chunk.total if self._expected < 0 else self._expected
        next_one = chunk.offset == self.offset and self.offset + len(chunk.data) <= chunk.total == known
        if not next_one or chunk.packed != self._packed:
            raise CorruptFrame(
                f"a chunk at {chunk.offset} of {chunk.total} bytes does not fit: {self.offset} of {known} are here",
                "the peer is broken or of another version",
            )
