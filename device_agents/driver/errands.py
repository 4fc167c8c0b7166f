"""What the driver holds for each request: its tensors between two runs, its tasks, its timers.

Law: everything of a request is here, and `release` frees all of it. The machine says when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from device_agents.driver.holdings import Holdings
from device_agents.engine import Engine, Work
from device_agents.machine.commands import RunSegment
from device_agents.machine.events import SegmentDone, Timing, WorkKey
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.results import Array
from partitioner.codecs import RAW
from partitioner.plan import CodecChoice
from partitioner.units import Seconds, TensorName


@dataclass
class Errand:
    """One request on this device. `begun` is set when its first run has taken its tensors off the queue."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    kept: dict[TensorName, Array] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class Errands:
    """The errands of this process, by work."""

    def __init__(self, engine: Engine, holdings: Holdings) -> None:
        self._engine, self._holdings = engine, holdings
        self._errands: dict[WorkKey, Errand] = {}

    def of(self, work: WorkKey) -> Errand:
        """Return the errand of `work`, a new one where there is none."""
        return self._errands.setdefault(work, Errand())

    def known(self, work: WorkKey) -> Errand | None:
        """Return the errand of `work`, if there is one."""
        return self._errands.get(work)

    def release(self, work: WorkKey) -> None:
        """Forget `work`: stop its tasks and timers, free its tensors."""
        errand = self._errands.pop(work, None)
        if errand is None:
            return
        errand.begun.set()
        for timer in errand.timers:
            timer.cancel()
        for task in errand.tasks.values():
            if task is not asyncio.current_task():
                task.cancel()

    def stop(self, work: WorkKey, what: str) -> None:
        """Stop one task of `work`."""
        errand = self._errands.get(work)
        task = errand.tasks.pop(what, None) if errand else None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def set_timer(self, work: WorkKey, delay: Seconds, fire: Callable[[], None]) -> None:
        """Call `fire` after `delay`, unless the work is released before."""
        self.of(work).timers.append(asyncio.get_running_loop().call_later(delay, fire))

    async def run(self, command: RunSegment) -> SegmentDone:
        """Run a segment: decode, compute, encode; keep what a fallback would need."""
        errand = self.of(command.work)
        epoch = self._holdings.opened(command.epoch)
        given: dict[TensorName, Array | WireTensor] = {**errand.kept}
        given.update({tensor.name: tensor for tensor in command.tensors})
        raw = tuple(CodecChoice(name, RAW.name) for name in command.outputs)
        keep = frozenset(command.keep)
        work = Work(epoch.blocks, command.first, command.last, given, keep, (*command.forward, *raw))
        # a request that fell back was here before: what is further along goes first
        priority = 2 * command.priority + (command.run > 1)
        done = await self._engine.run(work, priority)
        errand.kept = done.arrays
        errand.begun.set()
        spent = done.timings
        timing = Timing(spent.queue, spent.decode, spent.compute, spent.encode, spent.batch)
        border = len(command.forward)
        return SegmentDone(command.work, command.run, timing, done.wire[:border], done.wire[border:])
