"""Carries out what the decider decides: the one loop that owns the coordinator's state.

Law: events come in by one bounded queue and are decided one at a time; commands are carried out in order, a
`Keep...` before what follows it. No decision is made here. When something cannot be written down, nobody is
told what it would have promised: agents are not spoken to, and a call that would have ended well ends with
the error.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import housekeeping
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.journal import Journal
from lepton_edge.coordinator.machine import step
from lepton_edge.coordinator.records import FAILED, RETIRED, CallId, JobId, StreamId, wire_error
from lepton_edge.coordinator.state import State
from lepton_edge.coordinator.store import Store
from lepton_edge.core.errors import ServiceError
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import CoordinatorSays, Progress
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("coordinator")
T = TypeVar("T")

EVENT_LIMIT = 1024
STREAM_LIMIT = 256
PROGRESS_LIMIT = 64
TICK = 0.25

Job = c.MakeTrial | c.MakePlan
Work = Callable[[Job, Callable[[Progress], None]], Awaitable[e.Event]]
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


class Driver:
    """The coordinator's loop, which alone changes `state`. `work` runs jobs of the worker process."""

    def __init__(self, state: State, store: Store, artifacts: Artifacts, work: Work) -> None:
        self.state = state
        self.started = self.now()
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
        """Decide events until cancelled."""
        beside = [asyncio.create_task(self._tick()), asyncio.create_task(self.journal.run())]
        try:
            while True:
                await self._survived(await self._queue.get())
        finally:
            for task in beside:
                task.cancel()
            for outbox in self._streams.values():
                outbox.close()
            for task in self._jobs.values():
                task.cancel()
            self._disk.shutdown(wait=True)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self.post(e.Tick())

    async def _survived(self, event: e.Event) -> None:
        """Decide one event; where that breaks, who asked is told, and the decider, and others go on.

        Models, profiles and epochs are put back after a push or a removal; what else was changed stays so.
        """
        undo = _undo(self.state) if isinstance(event, (e.ModelPushed, e.RemoveAsked)) else _nothing
        try:
            await self._decide(event, undo)
        except Exception as error:
            log.exception("deciding failed unexpectedly", cause=event.cause, on=type(event).__name__)
            undo()
            failed = _unexpected(error)
            call = getattr(event, "call", CallId(""))
            if call in self._calls:
                self._answer(c.Fail(event.cause, call, failed), None)
            if not isinstance(event, e.Broke):
                await self._survived(e.Broke(event.cause, event, failed))

    async def _decide(self, event: e.Event, undo: Callable[[], None]) -> None:
        made = step(self.state, event, self.now())
        if made:
            log.debug(
                "decided", cause=event.cause, on=type(event).__name__, do=[type(x).__name__ for x in made]
            )
        failed: LeptonError | None = None
        for command in made:
            failed = await self._try(command, failed) or failed
        if failed is not None:
            undo()  # the caller is told that it failed, so it did not happen
            await self._decide(e.StoreFailed(event.cause, wire_error(failed)), _nothing)
        elif isinstance(event, e.Tick):
            await self._tidy()

    async def _try(self, command: c.Command, failed: LeptonError | None) -> LeptonError | None:
        """Carry out one command; return what kept it from being written down."""
        try:
            await self._carry_out(command, failed)
        except LeptonError as error:
            log.warning("not written down", cause=command.cause, error=str(error))
            return error
        return None

    async def _carry_out(self, command: c.Command, failed: LeptonError | None) -> None:
        if isinstance(command, c.Say):
            if failed is None:
                self._say(command)
        elif isinstance(command, c.Hang):
            self.close_stream(command.stream)
        elif isinstance(command, (c.Finish, c.Fail)):
            self._answer(command, failed)
        elif isinstance(command, c.Tell):
            self._tell(command)
        elif isinstance(command, (c.MakeTrial, c.MakePlan)):
            self._jobs[command.job] = asyncio.create_task(self._run_job(command))
        elif isinstance(command, c.Abandon):
            task = self._jobs.pop(command.job, None)
            if task is not None:
                task.cancel()
        elif isinstance(command, c.KeepChange):
            self._note(command, failed)
        else:
            await self.on_disk(self._keep, command)

    def _note(self, command: c.KeepChange, failed: LeptonError | None) -> None:
        if failed is not None:
            return  # what it tells of could not be written down
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

    def _answer(self, reply: Reply, failed: LeptonError | None) -> None:
        if isinstance(reply, c.Finish) and failed is not None:
            reply = c.Fail(reply.cause, reply.call, wire_error(failed))
        if isinstance(reply, c.Fail):
            log.warning("call failed", cause=reply.cause, code=reply.error.code, message=reply.error.message)
        else:
            log.info("call answered", cause=reply.cause, ending=type(reply.ending).__name__)
        call = self._calls.pop(reply.call, None)
        if call is not None:
            call.answer(reply)

    def _keep(self, command: c.Keep) -> None:
        """Write one thing down (in the store's thread)."""
        if isinstance(command, c.KeepDevice):
            self._store.keep_device(command.hello)
        elif isinstance(command, c.KeepModel):
            self._store.keep_model(command.model)
            self._litter = True
        elif isinstance(command, c.ForgetModel):
            self._store.forget_model(command.model)
            self._litter = True
        elif isinstance(command, c.KeepProfile):
            self._store.keep_profile(command.model, command.version, command.record)
        elif isinstance(command, c.KeepDrained):
            self._store.keep_drained(command.devices)
        elif isinstance(command, c.ForgetDevice):
            self._store.forget_device(command.device)
        elif isinstance(command, c.KeepTerm):
            log.error("two coordinators run on copies of this state", cause=command.cause, term=command.term)
            self._store.raise_term(command.term)
        elif isinstance(command, c.KeepLink):
            self._store.keep_link(command.device, command.peer, command.link)
        else:
            record = command.record
            self._store.keep_epoch(record)
            self._litter = self._litter or record.state in (RETIRED, FAILED)
            log.info("epoch", cause=command.cause, model=record.model, epoch=record.epoch, state=record.state)

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
            event = e.WorkFailed(job.cause, job.job, _unexpected(error))
        self._jobs.pop(job.job, None)
        await self.post(event)

    async def _tidy(self) -> None:
        """Delete files that nobody needs, when nobody is making new ones."""
        if not self._litter or self.state.running is not None or self.pushes:
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


def _undo(state: State) -> Callable[[], None]:
    """Return what puts back the models and their epochs as they are now."""
    models, profiles = dict(state.models), dict(state.profiles)
    epochs, pending = dict(state.epochs), dict(state.pending)

    def put_back() -> None:
        state.models, state.profiles, state.epochs, state.pending = models, profiles, epochs, pending

    return put_back


def _nothing() -> None:
    """Undo what changed nothing that could be put back."""


def _unexpected(error: Exception) -> WireError:
    return wire_error(ServiceError(f"the coordinator failed: {type(error).__name__}: {error}", "see its log"))
