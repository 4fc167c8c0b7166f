"""Changes on their way to the store and to those who follow them.

Law: the decider never waits here. Changes are written in batches, in the order of their serials as they came, and told
only after they were written: a serial that somebody saw is never given again. Every queue is bounded; who follows
too slowly is told so and let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from lepton_edge.core.changes import Change
from lepton_edge.core.errors import Overloaded
from lepton_edge.core.messages import ShowEvents
from partitioner.errors import LeptonError

log = structlog.get_logger("coordinator")

UNWRITTEN = 4096
UNREAD = 1024
FOLLOWERS = 64

Write = Callable[[Sequence[Change]], Awaitable[None]]


class Follower:
    """One who hears of what is asked for, as it changes."""

    def __init__(self, asked: ShowEvents) -> None:
        self._asked = asked
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue(UNREAD + 1)

    def hear(self, change: Change) -> None:
        """Take note of a change; one too many ends it."""
        if not fits(change, self._asked) or self._queue.full():
            return
        self._queue.put_nowait(change if self._queue.qsize() < UNREAD else None)

    async def changes(self) -> AsyncIterator[Change]:
        """Yield changes as they come; raises Overloaded when more came than were taken."""
        seen = self._asked.since
        while (change := await self._queue.get()) is not None:
            seen = max(seen, change.serial)
            yield change
        raise Overloaded("changes come faster than they are read", f"go on with: --since {seen}")


def fits(change: Change, asked: ShowEvents) -> bool:
    """Return whether a change is about what was asked for."""
    about = ((asked.model, change.model), (asked.device, change.device), (asked.kind, change.kind))
    return all(wanted in ("", found) for wanted, found in about)


class Journal:
    """Has changes written by `write`, then tells them; `run` does the work."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._unwritten: dict[int, Change] = {}
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._followers: set[Follower] = set()

    def add(self, change: Change) -> None:
        """Take a change; where too many wait, the oldest is lost."""
        while len(self._unwritten) >= UNWRITTEN:
            lost = self._unwritten.pop(next(iter(self._unwritten)))
            log.warning("a change is lost: too many wait to be written", serial=lost.serial)
        self._unwritten[change.serial] = change
        self._idle.clear()
        self._added.set()

    async def written(self) -> None:
        """Wait until all that was added is written (or could not be)."""
        await self._idle.wait()

    @contextmanager
    def following(self, asked: ShowEvents) -> Iterator[Follower]:
        """Let somebody hear of changes meanwhile; raises Overloaded where too many do."""
        if len(self._followers) >= FOLLOWERS:
            raise Overloaded(f"{FOLLOWERS} callers follow the events already", "ask without --follow")
        follower = Follower(asked)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def run(self) -> None:
        """Write and tell until cancelled."""
        while True:
            await self._added.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, and tell it; what cannot be written is lost, and nobody is told."""
        self._added.clear()
        batch, self._unwritten = list(self._unwritten.values()), {}
        try:
            await self._write(batch)
            for change in batch:
                for follower in self._followers:
                    follower.hear(change)
        except LeptonError as error:  # a full disk: the story has a gap, the work goes on
            log.warning("changes are lost: they cannot be written down", count=len(batch), error=str(error))
        finally:  # whatever happens, nobody waits for what is lost
            if not self._unwritten:
                self._idle.set()
