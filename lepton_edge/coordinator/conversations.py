"""Who the coordinator speaks with: agents on their streams, callers that wait for an answer.

Law: bounded queues and nothing else; what is said is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator.records import CallId
from lepton_edge.core.messages import CoordinatorSays, Progress

STREAM_LIMIT = 256
PROGRESS_LIMIT = 64

Reply = c.Finish | c.Fail


class Outbox:
    """What waits to be said on one control stream; ends after what was said before `close`."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[CoordinatorSays | None] = asyncio.Queue(STREAM_LIMIT + 1)

    def put(self, message: CoordinatorSays) -> bool:
        """Add a message; return False when the agent has not taken the ones before."""
        if self._queue.qsize() >= STREAM_LIMIT:
            return False
        self._queue.put_nowait(message)
        return True

    def close(self) -> None:
        """End the stream after what waits; doing so twice is harmless."""
        if not self._queue.full():
            self._queue.put_nowait(None)

    async def messages(self) -> AsyncIterator[CoordinatorSays]:
        """Yield messages until the stream is closed."""
        while (message := await self._queue.get()) is not None:
            yield message


class Call:
    """One admin call that waits for its one answer, hearing of progress until then."""

    def __init__(self, number: CallId) -> None:
        self.number = number
        self._queue: asyncio.Queue[Progress | Reply] = asyncio.Queue(PROGRESS_LIMIT + 1)

    def tell(self, progress: Progress) -> None:
        """Pass progress on; it is dropped when nobody takes it."""
        if self._queue.qsize() < PROGRESS_LIMIT:
            self._queue.put_nowait(progress)

    def answer(self, reply: Reply) -> None:
        """Give the one answer; there is always room for it."""
        self._queue.put_nowait(reply)

    async def events(self) -> AsyncIterator[Progress | Reply]:
        """Yield progress, then the answer, then end."""
        while True:
            event = await self._queue.get()
            yield event
            if not isinstance(event, Progress):
                return
