"""Dialling until somebody answers: a new try beside the ones that have not ended, after growing pauses.

Law: knows tries and pauses; what is dialled is the caller's. A try that waits for a network which swallowed its first
packet learns late that the network is back, since TCP repeats that packet after 1, 3, 7, ... seconds; a new one learns
it at once. So tries overlap, `AT_ONCE` of them, the oldest gives way.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lepton_edge.core.errors import PermissionDenied, Unauthenticated
from partitioner.errors import LeptonError
from partitioner.units import Seconds

FIRST_PAUSE = Seconds(0.1)
LONGEST_PAUSE = Seconds(1.0)
SELDOM_PAUSE = Seconds(4.0)
PATIENCE = Seconds(120.0)
"""After so long without an answer, pauses grow from `LONGEST_PAUSE` to `SELDOM_PAUSE`, unless somebody is in need."""
NEED = Seconds(10.0)
AT_ONCE = 4
LOOK = Seconds(0.5)

T = TypeVar("T")


@dataclass
class Pauses:
    """The pauses between tries: they double, with jitter."""

    pause: Seconds = FIRST_PAUSE
    tries: int = 0
    began: float = field(default_factory=time.monotonic)
    needed_at: float = -1e9
    jitter: float = 1.0
    refused: bool = False
    """Whether who is dialled answers and one side does not believe the other: asking often changes nothing."""

    def reset(self) -> None:
        """Begin anew."""
        self.pause, self.tries, self.began = FIRST_PAUSE, 0, time.monotonic()

    def need(self, now: float) -> None:
        """Somebody would have used what is dialled: do not let him wait."""
        self.needed_at = now

    def next(self) -> None:
        """Begin the next pause."""
        self.jitter = random.uniform(0.5, 1.0)
        self.tries += 1
        if self.tries > 1:
            self.pause = Seconds(min(self.pause * 2, SELDOM_PAUSE))

    def left(self, since: float, now: float) -> float:
        """Return what is left of the pause that began at `since`."""
        seldom = self.refused or (now - self.began > PATIENCE and now - self.needed_at > NEED)
        pause = min(self.pause, SELDOM_PAUSE if seldom else LONGEST_PAUSE)
        return since + pause * self.jitter - now

    async def rest(self) -> None:
        """Wait for the length of a pause."""
        self.next()
        begun = time.monotonic()
        while (left := self.left(begun, time.monotonic())) > 0:  # noqa: ASYNC110 (what is left may shrink)
            await asyncio.sleep(min(left, LOOK))


@dataclass(frozen=True)
class Tries(Generic[T]):
    """What is tried, until when, who hears of failures, and what becomes of a second one that succeeds."""

    dial: Callable[[], Awaitable[T]]
    enough: Callable[[], bool]
    failed: Callable[[LeptonError], None]
    close: Callable[[T], Awaitable[None]]


async def until_answered(tries: Tries[T], pauses: Pauses) -> T | None:
    """Return what the first try that succeeds brings; None once it is said to be enough."""
    trying: list[asyncio.Task[T]] = []
    try:
        while not tries.enough():
            trying.append(asyncio.ensure_future(_task(tries.dial)))
            pauses.next()
            done = await _while_pausing(trying, tries, pauses)
            if done is not None:
                trying.remove(done)
                return done.result()
            if len(trying) >= AT_ONCE:
                await _let_go([trying.pop(0)], tries)
        return None
    finally:
        await _let_go(trying, tries)


async def _while_pausing(
    trying: list[asyncio.Task[T]], tries: Tries[T], pauses: Pauses
) -> asyncio.Task[T] | None:
    """Return the try that succeeded during the pause, if one did."""
    begun = time.monotonic()
    while (left := pauses.left(begun, time.monotonic())) > 0:
        if not trying:
            await asyncio.sleep(min(left, LOOK))
            continue
        done, _ = await asyncio.wait(trying, timeout=min(left, LOOK), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is None:
                return task
            trying.remove(task)
            if not isinstance(error, LeptonError):
                raise error
            pauses.refused = isinstance(error, (Unauthenticated, PermissionDenied))
            tries.failed(error)
    return None


async def _task(dial: Callable[[], Awaitable[T]]) -> T:
    return await dial()


async def _let_go(trying: Collection[asyncio.Task[T]], tries: Tries[T]) -> None:
    """Give up tries; close what has answered all the same."""
    for task in trying:
        task.cancel()
    for found in await asyncio.gather(*trying, return_exceptions=True):
        if not isinstance(found, BaseException):
            await tries.close(found)
