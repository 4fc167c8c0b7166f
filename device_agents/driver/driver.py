"""The loop: events into the machine, its commands out to the rooms that execute them.

Law: one thread, no decisions, no lock. Commands are executed in order; what takes time has an outcome that is an
event: of a task, or, on the way of every request, of a plain call back. Nothing that breaks leaves this file as
anything but an event.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from device_agents.driver.alarms import Alarms
from device_agents.driver.errands import Errands
from device_agents.driver.flows import flow_of
from device_agents.driver.holdings import Holdings
from device_agents.driver.labels import label_scores
from device_agents.driver.measuring import Measuring
from device_agents.driver.peers import Peers
from device_agents.driver.pieces import Background
from device_agents.driver.saved import SavedEpochs
from device_agents.engine import Done
from device_agents.machine import State, step
from device_agents.machine.admission import work_key
from device_agents.machine.commands import (
    Answer,
    AskReady,
    CancelStage,
    CloseBlocks,
    CloseEpoch,
    Command,
    Fail,
    KeepPeers,
    Measure,
    OpenEpoch,
    OpenPieces,
    Persist,
    Refuse,
    Release,
    Reply,
    Resend,
    RunSegment,
    Say,
    SendStage,
    SetTimer,
)
from device_agents.machine.events import (
    CancelArrived,
    EpochKey,
    EpochOpened,
    EpochRefused,
    Event,
    LinkClosed,
    LinkId,
    Measured,
    PiecesOpened,
    ReadyTold,
    RequestArrived,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
)
from device_agents.machine.failures import as_wire, error_frame
from lepton_edge.core.errors import ComputeFailed, OutOfMemory, PrepareFailed, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, about
from lepton_edge.core.messages import AgentSays, Outcome
from lepton_edge.link.link import Link
from lepton_edge.link.reactions import HELD, Held
from partitioner.errors import LeptonError

log = structlog.get_logger("agent")


@dataclass(frozen=True)
class Parts:
    """The rooms that execute."""

    errands: Errands
    holdings: Holdings
    peers: Peers
    saved: SavedEpochs
    measuring: Measuring
    say: Callable[[AgentSays], None]
    background: Background


class Driver:
    """Feeds one machine and executes what it wants. `parts` are the rooms, once `connect` has brought them."""

    parts: Parts

    def __init__(self, state: State) -> None:
        self.state = state
        self._alarms = Alarms(lambda work, timer: self.submit(TimerFired(work, timer)))
        self._events: deque[Event] = deque()
        self._stepping = False
        self._links: dict[LinkId, Link] = {}
        self._numbers: dict[Link, LinkId] = {}
        self._last_number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: dict[EpochKey, asyncio.Task[None]] = {}

    def connect(self, parts: Parts) -> None:
        """Bring the rooms that execute (they need this driver's `submit`, so they come after it)."""
        self.parts = parts

    def submit(self, event: Event) -> None:
        """Give the machine an event and execute what follows; from inside a step, after it."""
        self._events.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events:
                for command in step(self.state, self._events.popleft(), time.monotonic()):
                    self._execute(command)
        finally:
            self._stepping = False

    # --- the data port (see service.py) ---

    def busy(self, link: Link) -> bool:
        """Whether somebody waits for an answer on a link, at either end of it."""
        number = self._numbers.get(link)
        return link.waiting > 0 or any(work.link == number for work in self.state.works.values())

    def opened(self, link: Link) -> None:
        """Use a link that came in as one to its peer, where that is an agent."""
        if link.peer.kind == "agent":
            self.parts.peers.add(link)

    def request(self, link: Link, frame: Frame) -> Held | None:
        """Take a REQUEST; its credit goes back when it no longer waits, so that the peer may send another."""
        number = self._number(link)
        self.submit(RequestArrived(number, frame, flow_of(link, number, frame)))
        waits = self.parts.errands.hold(work_key(frame), functools.partial(link.release, frame))
        return HELD if waits else None

    def cancel(self, link: Link, frame: Frame) -> None:
        """Take a CANCEL."""
        self.submit(CancelArrived(self._number(link), frame.request_id, frame.attempt))

    def _number(self, link: Link) -> LinkId:
        if link not in self._numbers:
            self._last_number += 1
            number = LinkId(self._last_number)
            self._numbers[link], self._links[number] = number, link
            self._spawn(self._until_closed(link, number))
        return self._numbers[link]

    async def _until_closed(self, link: Link, number: LinkId) -> None:
        await link.closed.wait()
        self.submit(LinkClosed(number))
        self._links.pop(number, None)
        self._numbers.pop(link, None)

    # --- executing ---

    def _execute(self, command: Command) -> None:
        _DO[type(command)](self, command)

    def _run(self, command: RunSegment) -> None:
        try:
            self.parts.errands.begin(command, functools.partial(self._ran, command))
        except LeptonError as error:  # too many wait, say, or the epoch is gone
            self._run_failed(command, error)

    def _ran(self, command: RunSegment, done: Done, error: Exception | None) -> None:
        """Take the outcome of a run: a plain call, since a task would cost two turns of the loop a request."""
        if error is None:
            self.submit(self.parts.errands.ran(command, done))
        elif isinstance(error, LeptonError):
            self._run_failed(command, error)
        else:
            log.error("a run of the agent broke", exc_info=error)
            self._run_failed(command, _internal(ComputeFailed, error))

    def _run_failed(self, command: RunSegment, error: LeptonError) -> None:
        self.submit(SegmentFailed(command.work, command.run, as_wire(error, self.state.device)))

    def _send_stage(self, command: SendStage) -> None:
        def told(answer: Frame) -> None:
            self.submit(StageReplied(command.work, answer, command.peer))

        def failed(error: LeptonError) -> None:
            log.warning("stage lost", **about(command.frame), peer=command.peer, why=error.message)
            lost = isinstance(error, Unavailable)
            why = f"the link to {command.peer} was lost" if lost else error.message
            self.submit(StageLost(command.work, why, command.peer))

        try:
            link = self.parts.peers.link(command.peer)
        except LeptonError as error:
            failed(error)
        else:
            asked = link.ask(command.frame, told, failed)
            self.parts.errands.of(command.work).stages[command.peer] = asked

    def _cancel_stage(self, command: CancelStage) -> None:
        self.parts.errands.stop_stage(command.work, command.peer)  # the link then tells the peer

    def _set_timer(self, command: SetTimer) -> None:
        self._alarms.set(command.work, command.timer, command.delay)

    def _reply(self, command: Reply) -> None:
        self._answer(command.link, self._labelled(command))

    def _fail(self, command: Fail) -> None:
        error = command.frame.error
        named = {**about(command.frame), "epoch": command.work.epoch}
        log.info("request failed", **named, error=error.code if error else "")
        self._answer(command.link, command.frame)

    def _refuse(self, command: Refuse) -> None:
        error = command.frame.error
        log.info("request refused", **about(command.frame), error=error.code if error else "")
        self._answer(command.link, command.frame)

    def _resend(self, command: Resend) -> None:
        answer = command.answer
        frame = self._labelled(answer) if isinstance(answer, Reply) else answer.frame
        self._answer(command.link, frame)

    def _labelled(self, command: Reply) -> Frame:
        if not command.labelled:
            return command.frame
        try:
            epoch = self.parts.holdings.opened(command.epoch)
        except LeptonError:  # a duplicate that came after its epoch was retired: the answer without names
            return command.frame
        labels = label_scores(command.frame, epoch.book.outputs, epoch.labels)
        return command.frame.but(labels=labels) if labels else command.frame

    def _answer(self, number: LinkId, frame: Frame) -> None:
        link = self._links.get(number)
        if link is not None and not link.closed.is_set():
            link.post(frame, functools.partial(self._unanswered, link, frame))

    def _unanswered(self, link: Link, frame: Frame, error: LeptonError) -> None:
        """Tell the caller at least that its answer cannot reach it: too large, say."""
        log.info("an answer did not reach its caller", **about(frame), why=str(error))
        if frame.kind is FrameKind.REPLY and not link.closed.is_set():
            device = self.state.device
            told = error_frame(frame, as_wire(error, device), device)
            link.post(told, functools.partial(self._unanswered, link, told))

    def _say_so(self, command: Answer) -> None:
        self._answer(command.link, command.frame)

    def _ask_ready(self, command: AskReady) -> None:
        frame = command.frame
        of = command.key, command.peer, frame.page, frame.request_id

        def told(answer: Frame) -> None:
            self.submit(ReadyTold(*of, answer.error))

        def failed(error: LeptonError) -> None:
            self.submit(ReadyTold(*of, as_wire(error, self.state.device)))

        try:
            self.parts.peers.link(command.peer).ask(frame, told, failed)
        except LeptonError as error:
            failed(error)

    def _release(self, command: Release) -> None:
        self._alarms.drop(command.work)
        self.parts.errands.release(command.work, command.heed)

    def _open_epoch(self, command: OpenEpoch) -> None:
        def failed(error: LeptonError) -> Event:
            log.warning("epoch refused", model=command.key.model, epoch=command.key.epoch, error=str(error))
            return EpochRefused(command.key, as_wire(error, self.state.device))

        self._opening[command.key] = self._start(self._opened_epoch(command), failed, PrepareFailed)

    async def _opened_epoch(self, command: OpenEpoch) -> EpochOpened:
        event = await self.parts.holdings.open(command)
        if not command.command:  # restored: it serves at once, and its requests may be batched a little later
            self.parts.background.prove(command.key)
        return event

    def _close_epoch(self, command: CloseEpoch) -> None:
        opening = self._opening.pop(command.key, None)
        if opening is not None and opening is not asyncio.current_task():
            opening.cancel()
        self.parts.holdings.close(command.key)
        self._spawn(self.parts.holdings.tidy())

    def _open_pieces(self, command: OpenPieces) -> None:
        def failed(error: LeptonError) -> Event:
            log.info("no pieces opened", model=command.key.model, why=error.message)
            error_ = as_wire(error, self.state.device)
            return PiecesOpened(command.key, command.first, command.last, error=error_)

        self._start(self.parts.background.open(command), failed, PrepareFailed)

    def _close_blocks(self, command: CloseBlocks) -> None:
        self.parts.holdings.close_blocks(command.key, command.blocks)
        self._spawn(self.parts.holdings.tidy())

    def _keep_peers(self, command: KeepPeers) -> None:
        self.parts.peers.keep(command.peers)

    def _persist(self, command: Persist) -> None:
        self.parts.saved.keep(command.epochs)

    def _say(self, command: Say) -> None:
        self.parts.say(command.message)

    def _measure(self, command: Measure) -> None:
        def failed(error: LeptonError) -> Event:
            log.warning("measurement failed", command=command.command.command, error=str(error))
            return Measured(Outcome(command.command.command, as_wire(error, self.state.device)))

        self._start(self.parts.measuring.measure(command.command), failed, ComputeFailed)

    # --- tasks ---

    def _start(
        self,
        outcome: Awaitable[Event],
        failed: Callable[[LeptonError], Event],
        kind: Callable[[str, str], LeptonError],
    ) -> asyncio.Task[None]:
        return self._spawn(self._told(outcome, failed, kind))

    async def _told(
        self,
        outcome: Awaitable[Event],
        failed: Callable[[LeptonError], Event],
        kind: Callable[[str, str], LeptonError],
    ) -> None:
        try:
            event = await outcome
        except LeptonError as error:
            event = failed(error)
        except Exception as error:
            log.exception("a task of the agent broke")
            event = failed(_internal(kind, error))
        self.submit(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Stop everything that goes on."""
        self.parts.errands.close()
        self._alarms.close()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _internal(kind: Callable[[str, str], LeptonError], error: BaseException) -> LeptonError:
    if isinstance(error, MemoryError) or "can't start new thread" in str(
        error
    ):  # Python's word for no memory, too
        return OutOfMemory(
            f"no memory is left on this device ({type(error).__name__}: {error})",
            "free some, allow the agent more memory or threads, or give it a smaller model",
        )
    return kind(f"internal error: {type(error).__name__}: {error}", "see the agent's log")


_DO: dict[type, Callable[[Any, Any], None]] = {
    RunSegment: Driver._run,
    SendStage: Driver._send_stage,
    CancelStage: Driver._cancel_stage,
    SetTimer: Driver._set_timer,
    Reply: Driver._reply,
    Fail: Driver._fail,
    Release: Driver._release,
    Refuse: Driver._refuse,
    Resend: Driver._resend,
    Answer: Driver._say_so,
    AskReady: Driver._ask_ready,
    OpenEpoch: Driver._open_epoch,
    OpenPieces: Driver._open_pieces,
    CloseBlocks: Driver._close_blocks,
    CloseEpoch: Driver._close_epoch,
    KeepPeers: Driver._keep_peers,
    Persist: Driver._persist,
    Say: Driver._say,
    Measure: Driver._measure,
}
