"""The threads that compute, behind one bounded and fair queue.

Law: knows jobs, not models. Everything that uses the processor for a request goes through here, so that a measurement
sees what a request sees, and requests never fight for one core. asyncio stays outside: a job is a plain function.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import onnxruntime
import structlog

from device_agents.engine.gate import Gate
from device_agents.engine.waiting import Waiting
from lepton_edge.core.quick import quick
from partitioner.units import Bytes, Seconds

log = structlog.get_logger("engine")

T = TypeVar("T")
Told = Callable[[Any, "Exception | None"], None]

LOOK = 0.0005  # seconds; a job that waits for company looks this often whether some has come


class Cancelled(Exception):
    """The job was given up while it ran; nobody waits for its result."""


class Ticket:
    """What a job is told: how long it waited, and whether anybody still wants it."""

    def __init__(self) -> None:
        self.submitted = time.perf_counter()
        self.waited = 0.0
        self.run_options = onnxruntime.RunOptions()
        self._cancelled = False
        self._shared: SharedTicket | None = None

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the job any more."""
        return self._cancelled

    def begin(self) -> None:
        """Note that the job left the queue."""
        self.waited = time.perf_counter() - self.submitted

    def cancel(self) -> None:
        """Stop the job at its next node, block or nap."""
        self._cancelled = True
        self.run_options.terminate = True
        if self._shared is not None:
            self._shared.look()

    def check(self) -> None:
        """Raise Cancelled when nobody wants the job any more."""
        if self._cancelled:
            raise Cancelled

    def share(self, shared: SharedTicket) -> None:
        """Run as one with others from now on."""
        self._shared = shared


class SharedTicket(Ticket):
    """The ticket of several jobs that run as one: it is cancelled when every one of them is."""

    def __init__(self, members: Sequence[Ticket]) -> None:
        super().__init__()
        self._members = members
        for member in members:
            member.share(self)
        self.look()

    def look(self) -> None:
        """Stop when nobody wants any of the jobs."""
        if all(member.cancelled for member in self._members):
            self.cancel()


@quick
@dataclass(frozen=True)
class Company:
    """With whom a job may run as one: waiting jobs of equal `kind`, `most` in all, no more than fit into memory.

    `together(works, tickets, shared)` computes all of their `work` and returns a result for each; where it raises, the
    jobs run one by one. A job waits `wait` seconds for company, counted from when it was submitted; by default only
    what waits already joins.
    """

    kind: Hashable
    work: Any
    together: Callable[[Sequence[Any], Sequence[Ticket], Ticket], Sequence[Any]]
    most: int = 1
    wait: Seconds = Seconds(0.0)


@quick
@dataclass(frozen=True)
class Terms:
    """How a job wants to be run: `alone` means that nothing else computes meanwhile.

    A higher priority goes first; `flow` is who asked, and flows of one priority share fairly, by the seconds that their
    jobs `cost`; in its flow, what is `further` along goes first. `memory` is what the job takes while it runs.
    """

    priority: int = 0
    flow: str = ""
    alone: bool = False
    memory: Bytes = Bytes(0)
    company: Company | None = None
    cost: float = 0.02
    further: bool = False


@dataclass(eq=False)
class Job:
    """A job as it waits. `told` gets its result and None, or None and its error, in the loop's thread."""

    do: Callable[[Ticket], Any]
    terms: Terms
    told: Told
    loop: asyncio.AbstractEventLoop
    ticket: Ticket = field(default_factory=Ticket)

    def finish(self, result: Any, error: Exception | None = None) -> None:
        """Tell the outcome to whoever waits for it, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._tell, result, error)

    def _tell(self, result: Any, error: Exception | None) -> None:
        if not self.ticket.cancelled:
            self.told(result, error)


class Workers:
    """`threads` computing threads. `limit` bounds the waiting jobs, `gate` those that run at once."""

    def __init__(self, limit: int, threads: int = 1, name: str = "engine", gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self._waiting: Waiting[Job] = Waiting(limit)
        self._idle = 0
        self._count = threading.Lock()
        self._threads = [
            threading.Thread(target=self._loop, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Return how many jobs wait."""
        return len(self._waiting)

    def begin(
        self, do: Callable[[Ticket], Any], told: Told, terms: Terms | None = None
    ) -> Callable[[], None]:
        """Let `do(ticket)` wait for its turn; return what gives it up: then `told` is not called any more.

        Raises:
            Overloaded: the queue is full.
            Unavailable: the workers are closed.
        """
        terms = terms or Terms()
        job = Job(do, terms, told, asyncio.get_running_loop())
        self._waiting.put(job, terms.flow, terms.priority, terms.cost, terms.further)
        return lambda: self._give_up(job)

    def start(self, do: Callable[[Ticket], T], terms: Terms | None = None) -> asyncio.Future[T]:
        """Do what `begin` does; the future tells the result, and cancelling that gives the job up."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        give_up = self.begin(do, functools.partial(_tell, outcome), terms)
        outcome.add_done_callback(lambda told: give_up() if told.cancelled() else None)
        return outcome

    async def submit(self, do: Callable[[Ticket], T], terms: Terms | None = None) -> T:
        """Run `do(ticket)` and return its result; a cancelled caller cancels the job. Raises what `begin` does."""
        return await self.start(do, terms)

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new jobs, finish those that wait, and end the threads."""
        self._waiting.close()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _give_up(self, job: Job) -> None:
        job.ticket.cancel()
        self._waiting.drop(job)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            jobs = self._joined(job)
            memory = Bytes(job.terms.memory * len(jobs))
            with self.gate.passed(memory, job.terms.alone):
                _serve([one for one in jobs if not one.ticket.cancelled])

    def _next(self) -> Job | None:
        with self._count:
            self._idle += 1
        try:
            return self._waiting.take()
        finally:
            with self._count:
                self._idle -= 1

    def _joined(self, job: Job) -> list[Job]:
        """Return the job and those that run with it: never what an idle thread would take at once."""
        company = job.terms.company
        jobs = [job]
        most = min(company.most, self.gate.fitting(job.terms.memory)) if company else 1
        if company is None or most < 2:
            return jobs
        jobs += self._like(company, most - 1)
        end = job.ticket.submitted + company.wait
        while len(jobs) < most and time.perf_counter() < end and not job.ticket.cancelled:
            time.sleep(LOOK)
            jobs += self._like(company, most - len(jobs))
        return jobs

    def _like(self, company: Company, most: int) -> list[Job]:
        spare = len(self._waiting) - (0 if company.wait else self._idle)
        if spare <= 0:
            return []
        kind = company.kind
        return self._waiting.take_like(lambda other: _kind(other) == kind, min(most, spare))


def _kind(job: Job) -> Hashable:
    return job.terms.company.kind if job.terms.company else None


def _serve(jobs: list[Job]) -> None:
    for job in jobs:
        job.ticket.begin()
    if len(jobs) < 2 or not _serve_together(jobs):
        for job in jobs:
            _serve_one(job)


def _serve_together(jobs: list[Job]) -> bool:
    """Run the jobs as one; False when that failed: then each runs, and fails, by itself."""
    company = jobs[0].terms.company
    if company is None:
        return False
    tickets = [job.ticket for job in jobs]
    works = [job.terms.company.work for job in jobs if job.terms.company]
    try:
        results = company.together(works, tickets, SharedTicket(tickets))
    except Exception as error:  # whose fault it is shows when each runs by itself
        log.info("a batch failed: its requests run one by one", requests=len(jobs), error=repr(error)[:300])
        return False
    for job, result in zip(jobs, results, strict=True):
        job.finish(result)
    return True


def _serve_one(job: Job) -> None:
    try:
        job.finish(job.do(job.ticket))
    except Exception as error:  # the top of the driver loop: whoever awaits the outcome gets it
        job.finish(None, error)


def _tell(outcome: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if outcome.done():
        return
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(result)
