"""What the control port answers: agents that attach, files that are fetched, calls of people.

Law: turns messages into events and answers into messages; decides nothing. Implements
`wire.rpc.ControlServicer`. Reading is answered from the state as it is written down; changing goes through the decider.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import structlog

from lepton_edge.coordinator import access, doors, entries, exposure, granting, history, reports
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.artifacts import Artifacts, check_name
from lepton_edge.coordinator.conversations import Call
from lepton_edge.coordinator.driver import Driver, unexpected
from lepton_edge.coordinator.gate import Gate
from lepton_edge.coordinator.guarding import guarded
from lepton_edge.coordinator.jobs import Jobs
from lepton_edge.coordinator.packing import Packing
from lepton_edge.coordinator.records import CallId, StreamId, wire_error
from lepton_edge.coordinator.sealing import heard, sealed
from lepton_edge.coordinator.store import Store
from lepton_edge.coordinator.uploads import Spool, receive
from lepton_edge.core import messages as m
from lepton_edge.core.errors import (
    CorruptFrame,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    ServiceError,
)
from lepton_edge.core.keys import KeyCall
from lepton_edge.wire.rpc import FETCH_CHUNK, PeerContext
from partitioner.compiled import CodecSample
from partitioner.errors import LeptonError
from partitioner.nouns_json import from_json
from partitioner.units import Bytes, ModelName

log = structlog.get_logger("coordinator")

FIRST_WORD = 10.0  # seconds within which a new stream must say what it is
MAX_PUSHES = 4
MAX_CALLS = 256
MAX_CALLS_OF_ONE = 32  # of one application or agent


class Service:
    """The coordinator's servicer. `address` is where its control port is told to be."""

    def __init__(self, driver: Driver, store: Store, artifacts: Artifacts, jobs: Jobs) -> None:
        self._driver = driver
        self._store = store
        self._artifacts = artifacts
        self._jobs = jobs
        self._packing = Packing()
        self._own_doors = doors.OwnDoors()
        self._calls: Counter[str] = Counter()  # by who asks; "" are administrators
        self.address = ""
        self.name = "coordinator"
        self.upload_limit = Bytes(4 << 30)
        self.gate: Gate | None = None  # where nobody need prove who they are

    # --- agents -----------------------------------------------------------------------------------

    async def attach(
        self, said: AsyncIterator[m.AgentSays], peer: PeerContext
    ) -> AsyncIterator[m.CoordinatorSays]:
        """Serve one agent for as long as its stream lives; its first word must be Hello."""
        self._check_known(peer)
        hello = await _first(said)
        if not isinstance(hello, m.Hello):
            raise CorruptFrame("an agent begins with Hello", "is this an agent of the same release?")
        doors.check_hello(hello)
        if self.gate is not None:
            await self.gate.check_agent(hello, peer)
        hello = heard(self.gate, hello, self._driver.state.settings.identity)
        stream, outbox = self._driver.open_stream()
        log.info("an agent attaches", cause=stream, device=hello.device, peer=peer.peer)
        await self._driver.post(e.Attached(stream, stream, hello))
        listening = asyncio.create_task(self._listen(stream, said))
        try:
            async for message in outbox.messages():
                yield sealed(self.gate, message)
        finally:
            listening.cancel()
            self._driver.close_stream(stream)
            await self._driver.post(e.Detached(stream, stream))
            log.info("an agent's stream ended", cause=stream, device=hello.device)

    async def _listen(self, stream: StreamId, said: AsyncIterator[m.AgentSays]) -> None:
        """Hand what an agent says to the decider until it hangs up."""
        try:
            async for message in said:
                if not isinstance(message, m.Hello):
                    await self._driver.post(e.Heard(stream, stream, message))
        except LeptonError as error:
            log.warning("an agent broke the protocol", cause=stream, error=str(error))
        finally:
            self._driver.close_stream(stream)

    # --- files ------------------------------------------------------------------------------------

    async def fetch(self, request: m.FetchRequest, peer: PeerContext) -> AsyncIterator[m.FetchChunk]:
        """Yield the bytes of an artifact or weight tensor from the asked offset on, 1 MiB at a time."""
        if self.gate is not None:
            access.check_fetch(peer.identity)
        path, start, total, packed = await self._find(request)
        if not 0 <= request.offset <= total:
            raise InvalidInput(f"offset {request.offset} is outside of the {total} bytes of {request.sha256}")
        offset = request.offset
        with path.open("rb") as file:
            while True:
                read = await asyncio.to_thread(_read, file, start + offset, min(FETCH_CHUNK, total - offset))
                yield m.FetchChunk(Bytes(offset), total, read, packed)
                offset = Bytes(offset + len(read))
                if offset >= total:
                    return
                if not read:
                    raise ServiceError(f"{request.sha256} ends early on the coordinator's disk")

    async def _find(self, request: m.FetchRequest) -> tuple[Path, int, Bytes, bool]:
        """Return the file that holds an artifact or weight, where in it, how long it is, whether it is packed."""
        path = self._artifacts.find(request.sha256)
        if path is not None:
            return path, 0, Bytes(path.stat().st_size), False
        place = await self._driver.on_disk(self._store.find_weight, request.sha256)
        blob = self._artifacts.model(place.model, place.version) / "weights.bin" if place else None
        if place is None or blob is None or not blob.is_file():
            raise NotFound(
                f"there is no artifact {request.sha256!r}", "the plan that named it may be retired"
            )
        packed = None
        if request.packed:
            packed = await self._packing.packed(blob, request.sha256, place.offset, place.length)
        if packed is not None:
            return packed, 0, Bytes(packed.stat().st_size), True
        return blob, place.offset, place.length, False

    # --- people -----------------------------------------------------------------------------------

    async def describe(self, peer: PeerContext) -> m.Description:
        """Say who answers here, and where the entries are."""
        async with self._driver.settled:
            told = entries.description(self._driver.state, self.name, self.address)
        return told if self.gate is None else access.shown(peer.identity, told)

    async def admin(
        self, calls: AsyncIterator[m.AdminCall], peer: PeerContext
    ) -> AsyncIterator[m.AdminEvent]:
        """Serve one administrative call: progress, then one document or one error."""
        self._check_known(peer)  # before anything is counted: strangers take no place
        with self._counted(peer):
            async for event in self._answered(calls, peer):
                yield event

    def _check_known(self, peer: PeerContext) -> None:
        if self.gate is not None:
            access.check_known(peer.identity)

    @contextlib.contextmanager
    def _counted(self, peer: PeerContext) -> Iterator[None]:
        """Count a call meanwhile; raise Overloaded where there are too many, in all or of one who is no person."""
        who = peer.identity
        caller = who.name if who is not None and not who.may_administer() else ""
        if sum(self._calls.values()) >= MAX_CALLS or (caller and self._calls[caller] >= MAX_CALLS_OF_ONE):
            raise Overloaded(f"{sum(self._calls.values())} calls are being served", "try again later")
        self._calls[caller] += 1
        try:
            yield
        finally:
            self._calls[caller] -= 1
            self._calls += Counter()  # forgets who has none left

    async def _answered(
        self, calls: AsyncIterator[m.AdminCall], peer: PeerContext
    ) -> AsyncIterator[m.AdminEvent]:
        try:
            first = await _first(calls)
            served = self._serve(first, calls, peer)
            async for event in served if self.gate is None else guarded(self.gate, first, peer, served):
                yield event
        except LeptonError as error:
            yield wire_error(error)

    async def _serve(
        self, call: m.AdminCall, rest: AsyncIterator[m.AdminCall], peer: PeerContext
    ) -> AsyncIterator[m.AdminEvent]:
        events: AsyncIterator[m.AdminEvent]
        if isinstance(call, m.PushModel):
            events = self._push(call, rest)
        elif isinstance(call, m.ShowEvents):
            events = history.tell(self._driver, self._store, call)
        elif isinstance(call, granting.KEY_CALLS):
            yield history.document(await granting.answer(self.gate, cast(KeyCall, call), peer.identity))
            return
        elif isinstance(call, m.CheckDoors):
            yield history.document(await self._doors(call, peer))
            return
        elif (asked := _to_decide(call)) is not None:
            events = self._decided(asked)
        else:
            async with self._driver.settled:
                found = self._read(call)
            yield history.document(await exposure.added(self._jobs, call, found))
            return
        async for event in events:
            yield event

    async def _doors(self, call: m.CheckDoors, peer: PeerContext) -> reports.Json:
        async with self._driver.settled:
            found = doors.chosen(self._driver.state, call.device)
        if self.gate is None:
            return await doors.document(found)
        if peer.identity is not None and peer.identity.may_administer():
            return await doors.document(found, self.gate.trust)
        return await self._own_doors.document(found, self.gate.trust, peer)

    def _read(self, call: m.AdminCall) -> reports.Json:
        """Return the document that answers a call which changes nothing."""
        state, now = self._driver.state, self._driver.now()
        if isinstance(call, m.ListDevices):
            return reports.devices(state, now)
        if isinstance(call, m.ListModels):
            return reports.models(state)
        if isinstance(call, m.ShowModel):
            return self._model(call.name)
        if isinstance(call, m.ShowProfile):
            return reports.profile(state, call.name, now)
        if isinstance(call, m.ExplainPlan):
            return reports.plan(state, call.name, call.epoch, call.board)
        if isinstance(call, m.RemoveModel):
            return reports.removal(state, call.name)
        if isinstance(call, m.ShowStatus):
            return reports.status(state, self._driver.started, now)
        raise InvalidInput(f"{type(call).__name__} cannot begin a call")

    def _model(self, name: ModelName) -> reports.Json:
        record = reports.find_model(self._driver.state, name)
        compiled = self._artifacts.model(name, record.version) / "model.json"
        with contextlib.suppress(OSError):  # the codecs are an extra here; the record is what counts
            kept = json.loads(compiled.read_text(encoding="utf-8"))
            codecs = [from_json(CodecSample, sample) for sample in kept.get("codecs", [])]
            return reports.model(self._driver.state, name, codecs, kept.get("unmeasured", []))
        return reports.model(self._driver.state, name)

    async def _decided(self, event: Callable[[CallId], e.Event]) -> AsyncIterator[m.AdminEvent]:
        """Ask the decider; yield its progress and its one answer."""
        call = self._driver.open_call()
        try:
            await self._driver.post(event(call.number))
            async for told in call.events():
                yield await self._event(told)
        finally:
            self._driver.close_call(call)

    async def _event(self, told: m.Progress | c.Finish | c.Fail) -> m.AdminEvent:
        if isinstance(told, m.Progress):
            return told
        if isinstance(told, c.Fail):
            return told.error
        async with self._driver.settled:  # the next decision may be under way already
            found = self._ended(told.ending)
        return history.document(found)

    def _ended(self, ending: c.Ending) -> reports.Json:
        if isinstance(ending, c.Deployed):
            return reports.deployment(self._driver.state, ending)
        if isinstance(ending, c.Measured):
            return reports.profile(self._driver.state, ending.model, self._driver.now())
        if isinstance(ending, c.Supposed):
            return reports.what_if(self._driver.state, ending)
        if isinstance(ending, c.Pushed):
            return self._model(ending.model)
        if isinstance(ending, c.RolledBack):
            return self._model(ending.model)
        if isinstance(ending, (c.Drained, c.DeviceGone)):
            return reports.drained(self._driver.state, ending)
        return {"schema": reports.MODEL, "model": ending.model, "removed": True}

    async def _push(self, call: m.PushModel, rest: AsyncIterator[m.AdminCall]) -> AsyncIterator[m.AdminEvent]:
        name = check_name(call.name)
        if self._driver.pushes >= MAX_PUSHES:
            raise Overloaded(f"{MAX_PUSHES} models are being pushed", "try again when one is through")
        self._driver.pushes += 1
        folder = self._artifacts.new_folder("push")
        waiting = self._driver.open_call()
        spool = Spool(folder, self.upload_limit)
        compiling: asyncio.Task[None] | None = None
        try:
            await receive(rest, spool)
            compiling = asyncio.create_task(self._compile(call, name, spool, waiting))
            async for told in waiting.events():
                yield await self._event(told)
        finally:
            if compiling is not None:
                compiling.cancel()
            spool.close()
            self._driver.close_call(waiting)
            self._driver.pushes -= 1
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _compile(self, call: m.PushModel, name: ModelName, spool: Spool, waiting: Call) -> None:
        """Have an upload compiled, put it in its place, and tell the decider."""
        cause = waiting.number
        into = spool.folder / "compiled"
        try:
            done = await self._jobs.push(spool.job(call, name, into), waiting.tell)
            await asyncio.to_thread(self._artifacts.adopt, into, name, done.record.version)
            await self._driver.on_disk(self._store.keep_weights, name, done.record.version, done.weights)
        except LeptonError as error:
            waiting.answer(c.Fail(cause, cause, wire_error(error)))
            return
        except Exception as error:  # the top of a task of its own: who waits is answered whatever happens
            log.exception("compiling failed unexpectedly", cause=cause)
            waiting.answer(c.Fail(cause, cause, unexpected(error)))
            return
        await self._driver.post(e.ModelPushed(cause, cause, done.record))


async def _first(messages: AsyncIterator[Any]) -> Any:
    """Return the first message of a stream; raise DeadlineExceeded or CorruptFrame when there is none."""
    try:
        return await asyncio.wait_for(messages.__anext__(), FIRST_WORD)
    except StopAsyncIteration as error:
        raise CorruptFrame("the stream ended before anything was said") from error
    except asyncio.TimeoutError as error:
        raise DeadlineExceeded(f"nothing was said within {FIRST_WORD:.0f} s") from error


_ASKED: dict[type, Callable[[CallId, CallId, Any], e.Event]] = {
    m.Deploy: e.DeployAsked,
    m.PinPlan: e.PinAsked,
    m.WhatIf: e.WhatIfAsked,
    m.MoveModel: e.MoveAsked,
    m.DrainDevice: e.DrainAsked,
    m.RemoveDevice: e.DeviceRemoveAsked,
    m.RollBack: e.RollBackAsked,
}
"""Calls that the decider is told as they are."""


def _to_decide(call: m.AdminCall) -> Callable[[CallId], e.Event] | None:
    """Return the event that asks the decider for what `call` wants; None for a call that only reads."""
    if type(call) in _ASKED:
        return lambda number: _ASKED[type(call)](number, number, call)
    if isinstance(call, m.RemoveModel) and not call.dry_run:
        return lambda number: e.RemoveAsked(number, number, call.name)
    if isinstance(call, m.ShowProfile) and (call.measure or call.refresh):
        return lambda number: e.ProfileAsked(number, number, call.name, call.refresh, call.devices)
    return None


def _read(file: Any, offset: int, size: int) -> bytes:
    file.seek(offset)
    content: bytes = file.read(size)
    return content
