"""One thread that computes, behind one bounded queue.

Law: knows jobs, not models. Everything that uses the processor for a request goes through here, so that a
measurement sees what a request sees, and two requests never fight for one core. asyncio stays outside: a job
is a plain function.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import onnxruntime

from lepton_edge.core.errors import Overloaded, Unavailable

T = TypeVar("T")

GIVEN_UP = 4  # the queue is so many times longer than what may wait
STOP_PRIORITY = 1 << 30  # smaller sorts first: the stop job comes last
LARGEST_PRIORITY = 1 << 20


class Cancelled(Exception):
    """The job was given up while it ran; nobody waits for its result."""


class Ticket:
    """What a job is told: how long it waited, and whether anybody still wants it."""

    def __init__(self) -> None:
        self.submitted = time.perf_counter()
        self.waited = 0.0
        self.run_options = onnxruntime.RunOptions()
        self._cancelled = threading.Event()

    def begin(self) -> None:
        """Note that the job left the queue."""
        self.waited = time.perf_counter() - self.submitted

    def cancel(self) -> None:
        """Stop the job at its next node, block or nap."""
        self._cancelled.set()
        self.run_options.terminate = True

    def check(self) -> None:
        """Raise Cancelled when nobody wants the job any more."""
        if self._cancelled.is_set():
            raise Cancelled


Job = Callable[[Ticket], Any]
Entry = tuple[int, int, "Job | None", Ticket, "Future[Any]"]


class Worker:
    """The computing thread. `limit` bounds the waiting jobs; a higher priority goes first."""

    def __init__(self, limit: int, name: str = "engine") -> None:
        # given-up jobs stay in the queue until they come up, so it is longer than what may wait
        self._queue: queue.PriorityQueue[Entry] = queue.PriorityQueue(limit * GIVEN_UP + 1)
        self._limit = limit
        self._waiting = 0
        self._count = threading.Lock()
        self._order = itertools.count()
        self._open = True
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many jobs wait."""
        return self._waiting

    async def submit(self, job: Callable[[Ticket], T], priority: int = 0) -> T:
        """Run `job(ticket)` in the thread and return its result; a cancelled caller cancels the job.

        Raises:
            Overloaded: the queue is full.
            Unavailable: the worker is closed.
        """
        ticket, future = Ticket(), Future[T]()
        self._put(job, ticket, future, priority)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            ticket.cancel()
            if future.cancel():  # it had not begun, and now never will
                self._waits(-1)
            raise

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new jobs, finish those that wait, and end the thread."""
        if self._open:
            self._open = False
            self._queue.put((STOP_PRIORITY, next(self._order), None, Ticket(), Future()))
        self._thread.join(timeout)

    def _put(self, job: Job, ticket: Ticket, future: Future[Any], priority: int) -> None:
        if not self._open:
            raise Unavailable("this device is shutting down", "another device answers, or try again")
        if self._waiting >= self._limit or self._queue.qsize() >= self._limit * GIVEN_UP:
            raise Overloaded(f"{self._limit} computations wait already", "try again later, or add a device")
        urgency = -max(-LARGEST_PRIORITY, min(priority, LARGEST_PRIORITY))
        self._waits(1)
        self._queue.put_nowait((urgency, next(self._order), job, ticket, future))

    def _waits(self, more: int) -> None:
        with self._count:
            self._waiting += more

    def _loop(self) -> None:
        while True:
            _, _, job, ticket, future = self._queue.get()
            if job is None:
                return
            if future.set_running_or_notify_cancel():
                ticket.begin()
                self._waits(-1)
                _finish(job, ticket, future)


def _finish(job: Job, ticket: Ticket, future: Future[Any]) -> None:
    try:
        future.set_result(job(ticket))
    except Exception as error:  # the top of the driver loop: whoever awaits the future gets it
        future.set_exception(error)
