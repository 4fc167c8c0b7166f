"""Carries out what the decider decides: the one loop that owns the coordinator's state.

Law: events come in by one bounded queue and are decided one at a time. What a decision writes down is written in one
transaction before anything of it is said or answered; where that fails, the decision is undone, and nobody is told
what it would have promised. Who reads the state waits for `settled`, so that nobody reads what is not written. No
decision is made here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import housekeeping, supervision, upkeep, writing
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.conversations import Call, Outbox, Reply
from lepton_edge.coordinator.journal import Journal
from lepton_edge.coordinator.ledger import Decision, recorded
from lepton_edge.coordinator.machine import step
from lepton_edge.coordinator.records import CallId, JobId, StreamId, wire_error
from lepton_edge.coordinator.state import State
from lepton_edge.coordinator.store import Store
from lepton_edge.core.errors import ServiceError
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Progress
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("coordinator")
T = TypeVar("T")

EVENT_LIMIT = 1024
TICK = 0.25
STUCK = Seconds(15.0)
"""Without a decision for so long, the loop does not turn: a slow disk makes one take a second."""
CLOCK_SET = 1.0
"""Seconds by which the machine's clock moves against the decider's before somebody is said to have set it."""

Job = c.MakeTrial | c.MakePlan
Work = Callable[[Job, Callable[[Progress], None]], Awaitable[e.Event]]


def wall() -> Seconds:
    """Return seconds since 1970 less the decider's clock: what turns its times into dates."""
    return Seconds(time.time() - time.monotonic())


class Driver:
    """The coordinator's loop, which alone changes `state`. `work` runs jobs of the worker process."""

    def __init__(self, state: State, store: Store, artifacts: Artifacts, work: Work) -> None:
        self.state = state
        self.started = self._decided_at = self.now()
        self._wall = wall()
        self.pushes = 0  # uploads and compilations under way: their artifacts are in no book yet
        self._store = store
        self._artifacts = artifacts
        self._work = work
        self.journal = Journal(lambda changes: self.on_disk(store.keep_changes, changes))
        self._queue: asyncio.Queue[e.Event] = asyncio.Queue(EVENT_LIMIT)
        self._streams: dict[StreamId, Outbox] = {}
        self._calls: dict[CallId, Call] = {}
        self._jobs: dict[JobId, asyncio.Task[None]] = {}
        self._disk = ThreadPoolExecutor(1, "store")
        self._litter = True
        self._numbers = 0
        self._failing = False  # the last decision could not be written down
        self._owed: list[e.StoreFailed] = []  # deployments whose end could not be: no more than there run
        self.settled = asyncio.Lock()  # held while a decision is made and not yet written

    @staticmethod
    def now() -> Seconds:
        """Return the time of the decider's clock."""
        return Seconds(time.monotonic())

    def open_stream(self) -> tuple[StreamId, Outbox]:
        """Return a new control stream's name and outbox."""
        stream, outbox = StreamId(f"stream {self._next()}"), Outbox()
        self._streams[stream] = outbox
        return stream, outbox

    def open_call(self) -> Call:
        """Return a new call; it stays until `close_call`."""
        call = Call(CallId(f"call {self._next()}"))
        self._calls[call.number] = call
        return call

    def close_stream(self, stream: StreamId) -> None:
        """Forget a stream that ended."""
        outbox = self._streams.pop(stream, None)
        if outbox is not None:
            outbox.close()

    def close_call(self, call: Call) -> None:
        """Forget a call; an answer that comes later is dropped."""
        self._calls.pop(call.number, None)

    async def post(self, event: e.Event) -> None:
        """Hand an event to the decider; waits while too many are undecided."""
        await self._queue.put(event)

    async def on_disk(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the store in its one thread."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    async def run(self) -> None:
        """Decide events until cancelled. Raises ServiceError when what runs beside this dies again and again."""
        beside = {
            asyncio.create_task(supervision.keep("clock", self._tick, self._died)),
            asyncio.create_task(supervision.keep("journal", self.journal.run, self._died)),
        }
        deciding = asyncio.create_task(self._decide_all())
        try:
            done, _ = await asyncio.wait({*beside, deciding}, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in (*beside, deciding):
                task.cancel()
            await asyncio.gather(*beside, deciding, return_exceptions=True)
            for outbox in self._streams.values():
                outbox.close()
            for job in self._jobs.values():
                job.cancel()
            self._disk.shutdown(wait=True)

    async def _decide_all(self) -> None:
        while True:
            await self._survived(await self._queue.get())
            self._decided_at = self.now()

    def turns(self) -> bool:
        """Whether events are still decided: there is one at each tick."""
        return self.now() - self._decided_at < STUCK

    def _died(self, task: str, error: Exception) -> None:
        """Have it told that a task died, where there is room for that."""
        if not self._queue.full():
            self._queue.put_nowait(e.TaskDied(task, task, f"{type(error).__name__}: {error}"))

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self.post(e.Tick())
            if abs(wall() - self._wall) > CLOCK_SET:
                self._wall = wall()
                await self.post(e.ClockSet("clock", self._wall))

    async def _survived(self, event: e.Event) -> None:
        """Decide one event; where that breaks, it is undone, who asked is told, and others go on."""
        try:
            await self._decide(event)
        except Exception as error:
            log.exception("deciding failed unexpectedly", cause=event.cause, on=type(event).__name__)
            failed = unexpected(error)
            self._fail_call(event, failed)
            if isinstance(event, e.Tick) and not event.part:
                await self._in_parts(event, self._survived)
            elif not isinstance(event, e.Broke):
                await self._survived(e.Broke(event.cause, event, failed))

    async def _decide(self, event: e.Event) -> None:
        async with self.settled:
            with recorded() as decision:
                made = step(self.state, event, self.now())
            failed = await self._written(decision, made)
        if failed is not None:
            await self._undone(event, made, failed)
            return
        if made:
            log.debug(
                "decided", cause=event.cause, on=type(event).__name__, do=[type(x).__name__ for x in made]
            )
        for waiting in [one for one in made if writing.is_keep(one) and writing.may_wait(one)]:
            await self._write_if_possible(waiting)
        for command in made:
            self._carry_out(command)
        if isinstance(event, e.Tick) and not event.part:
            await self._owed_again()
            await self._tidy()

    async def _written(self, decision: Decision, made: list[c.Command]) -> LeptonError | None:
        """Write down what was decided; return why nothing of it could be: then it is undone."""
        keeps = [one for one in made if writing.is_keep(one) and not writing.may_wait(one)]
        if not keeps:
            return None
        try:
            await self.on_disk(writing.write, self._store, keeps)
        except LeptonError as error:
            decision.undo()
            return error
        except Exception:
            decision.undo()
            raise
        self._litter = self._litter or any(writing.leaves_litter(one) for one in keeps)
        if self._failing:
            log.warning("what is decided can be written down again")
        self._failing = False
        return None

    async def _undone(self, event: e.Event, made: list[c.Command], error: LeptonError) -> None:
        """Go on after a decision that could not be written down, and so did not happen."""
        if not self._failing:
            log.error(
                "a decision cannot be written down, and did not happen", cause=event.cause, error=str(error)
            )
        self._failing = True
        if isinstance(event, e.Tick):
            self._tell_failed(made, error)
            if not event.part:  # what can go on does
                await self._in_parts(event, self._decide)
            return
        if isinstance(event, e.Attached):
            self.close_stream(event.stream)  # it tries again
        elif isinstance(event, e.StoreFailed):
            self._owed.append(event)
        else:
            await self._decide(e.StoreFailed(event.cause, wire_error(error), event))
        self._tell_failed(made, error)
        self._fail_call(event, wire_error(error))

    def _tell_failed(self, made: list[c.Command], error: LeptonError) -> None:
        """Tell who would have heard how it ended that it could not be written; by time alone, nothing ends well."""
        for one in made:
            if isinstance(one, c.Fail):
                self._answer(c.Fail(one.cause, one.call, wire_error(error)))

    def _fail_call(self, event: e.Event, error: WireError) -> None:
        call = getattr(event, "call", CallId(""))
        if call in self._calls:
            self._answer(c.Fail(event.cause, call, error))

    async def _in_parts(self, event: e.Tick, decide: Callable[[e.Event], Awaitable[None]]) -> None:
        for part in upkeep.PARTS:
            await decide(dataclasses.replace(event, part=part))

    async def _owed_again(self) -> None:
        """Try again to write down how deployments ended for want of room."""
        owed, self._owed = self._owed, []
        for event in owed:
            await self._decide(event)

    def _carry_out(self, command: c.Command) -> None:
        if isinstance(command, c.Say):
            self._say(command)
        elif isinstance(command, c.Hang):
            self.close_stream(command.stream)
        elif isinstance(command, (c.Finish, c.Fail)):
            self._answer(command)
        elif isinstance(command, c.Tell):
            self._tell(command)
        elif isinstance(command, (c.MakeTrial, c.MakePlan)):
            self._jobs[command.job] = asyncio.create_task(self._run_job(command))
        elif isinstance(command, c.Abandon):
            self._abandon(command)
        elif isinstance(command, c.KeepChange):
            self._note(command)
        elif isinstance(command, c.KeepEpoch):
            one = command.record
            log.info("epoch", cause=command.cause, model=one.model, epoch=one.epoch, state=one.state)

    def _abandon(self, command: c.Abandon) -> None:
        task = self._jobs.pop(command.job, None)
        if task is not None:
            task.cancel()

    async def _write_if_possible(self, command: c.Keep) -> None:
        if isinstance(command, c.KeepTerm):
            log.error("two coordinators run on copies of this state", cause=command.cause, term=command.term)
        try:
            await self.on_disk(writing.write, self._store, [command])
        except LeptonError as error:
            log.warning("not written down", cause=command.cause, error=str(error))

    def _note(self, command: c.KeepChange) -> None:
        change = command.change
        about = {name: value for name, value in dataclasses.asdict(change).items() if value}
        log.info("change", story=command.cause, **about)
        self.journal.add(change)

    def _say(self, command: c.Say) -> None:
        outbox = self._streams.get(command.stream)
        if outbox is not None and not outbox.put(command.message):
            log.warning("an agent takes no messages: hanging up", cause=command.cause, stream=command.stream)
            self.close_stream(command.stream)

    def _tell(self, command: c.Tell) -> None:
        call = self._calls.get(command.call)
        if call is not None:
            call.tell(command.progress)

    def _answer(self, reply: Reply) -> None:
        if isinstance(reply, c.Fail):
            log.warning("call failed", cause=reply.cause, code=reply.error.code, message=reply.error.message)
        else:
            log.info("call answered", cause=reply.cause, ending=type(reply.ending).__name__)
        call = self._calls.pop(reply.call, None)
        if call is not None:
            call.answer(reply)

    async def _run_job(self, job: Job) -> None:
        """Run a job of the worker to its end and tell the decider; the top of a loop of its own."""

        def progress(told: Progress) -> None:
            if not self._queue.full():
                self._queue.put_nowait(e.WorkProgress(job.cause, job.job, told))

        try:
            event = await self._work(job, progress)
        except LeptonError as error:
            event = e.WorkFailed(job.cause, job.job, wire_error(error))
        except Exception as error:  # the worker's own face failed: that call must still be answered
            log.exception("a job failed unexpectedly", cause=job.cause)
            event = e.WorkFailed(job.cause, job.job, unexpected(error))
        self._jobs.pop(job.job, None)
        await self.post(event)

    async def _tidy(self) -> None:
        """Delete files that nobody needs, when nobody is making new ones."""
        if not self._litter or self.state.running is not None or self.state.aside or self.pushes:
            return
        self._litter = False
        artifacts = housekeeping.wanted_artifacts(self.state)
        versions = housekeeping.wanted_versions(self.state)
        await self.on_disk(self._sweep, artifacts, versions)

    def _sweep(self, artifacts: set[Any], versions: set[Any]) -> None:
        self._artifacts.sweep(artifacts)
        for name, version in self._artifacts.versions():
            if (name, version) not in versions:
                self._artifacts.forget(name, version)
                self._store.forget_version(name, version)


def unexpected(error: Exception) -> WireError:
    """Return the error that says that the coordinator itself failed."""
    return wire_error(ServiceError(f"the coordinator failed: {type(error).__name__}: {error}", "see its log"))
