"""One request until it is answered: its turn in flight, its tries, its deadline.

Law: owns the bound on requests in flight and the client's clock; speaks frames to a `Transport`, knows nothing
of arrays or models. A request keeps its id over all tries. Where the far side answered with an error, the next
try is another attempt (it remembers the error of the first); where the link broke, it is the same attempt, which
the far side recognises if it began.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace

from lepton_edge.client.exchange import aged, error_in
from lepton_edge.client.retries import pause_before
from lepton_edge.client.transport import Transport
from lepton_edge.core.errors import LeptonError, Overloaded, RequestError
from lepton_edge.core.frames import Frame

MAX_WAITING = 1024
LONG_TRY = 2.0
"""Seconds after which a try that reached nobody has waited enough: it is not made again."""


@dataclass(frozen=True)
class Told:
    """A REPLY, and when its request was sent and it came, on the monotonic clock."""

    frame: Frame
    sent: float
    answered: float


class Asker:
    """Puts requests to `transport`, at most `max_in_flight` at once, each again up to `retries` times."""

    def __init__(self, transport: Transport, max_in_flight: int, retries: int) -> None:
        self.closed = False
        self._transport = transport
        self._retries = retries
        self._slots = asyncio.Semaphore(max_in_flight)
        self._waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def check_usable(self) -> None:
        """Return where calls may be made; the first caller's event loop becomes the client's.

        Raises:
            RequestError: the client is closed, or belongs to another event loop.
        """
        if self.closed:
            raise RequestError("this client is closed", "make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RequestError(
                "this AsyncClient belongs to another event loop",
                "make one in each loop, or share one Client between threads",
            )

    async def ask(self, frame: Frame, started: float, limit: float) -> Told:
        """Return the answer to the REQUEST `frame`, which must be here `limit` seconds after `started`.

        The caller ends this coroutine at the limit; what it does here is not to begin what cannot end.

        Raises:
            LeptonError: what the last try ended with.
        """
        tried = 0
        while True:
            async with _Turn(self):
                sent = time.monotonic()
                answer, error = await self._try(aged(frame, sent - started))
            now = time.monotonic()
            if error is None:
                assert answer is not None
                return Told(answer, sent, now)
            if answer is None and now - sent > LONG_TRY:
                raise error
            await self._pause(error, tried, limit - (now - started))
            tried += 1
            frame = frame if answer is None else replace(frame, attempt=frame.attempt + 1)

    async def _try(self, frame: Frame) -> tuple[Frame | None, LeptonError | None]:
        """Return what was answered, if anything, and what went wrong, if something did."""
        try:
            answer = await self._transport.call(frame)
        except LeptonError as error:
            return None, error
        return answer, error_in(answer)

    async def _pause(self, error: LeptonError, tried: int, left: float) -> None:
        """Wait until the next try, or raise `error` where there will be none."""
        pause = pause_before(error, tried, left, random.random())
        if pause is None or tried >= self._retries or self.closed:
            raise error
        await asyncio.sleep(pause)

    async def take(self) -> None:
        """Wait for a place in flight.

        Raises:
            Overloaded: too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded(
                f"{MAX_WAITING} calls of this client wait already", "slow down, or use more clients"
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the place in flight back."""
        self._slots.release()


class _Turn:
    """A place in flight, for as long as the body runs."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def __aenter__(self) -> None:
        await self._asker.take()

    async def __aexit__(self, *reason: object) -> None:
        self._asker.leave()
