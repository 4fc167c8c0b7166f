"""What the driver holds for each request: its tensors between two runs, what is under way.

Law: everything of a request is here, and `release` frees all of it. The machine says when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from device_agents.driver.holdings import NOBODY, Holdings
from device_agents.engine import Done, Engine, Told, Work
from device_agents.machine.commands import RunSegment
from device_agents.machine.events import SegmentDone, Timing, WorkKey
from device_agents.machine.far_side import MOST_TRIALS
from lepton_edge.core.frames import Frame, WireTensor
from lepton_edge.core.results import Array
from lepton_edge.link.reactions import Reaction
from partitioner.codecs import RAW
from partitioner.plan import CodecChoice
from partitioner.units import DeviceId, Seconds, TensorName


@dataclass
class Errand:
    """One request on this device.

    `give_up` stops the run of blocks that waits or computes; `held` are told when the first one no longer does;
    `stages` are what other devices were asked.
    """

    kept: dict[TensorName, Array] = field(default_factory=dict)
    give_up: Callable[[], None] | None = None
    held: list[Callable[[], None]] = field(default_factory=list)
    stages: dict[DeviceId, Reaction[Frame]] = field(default_factory=dict)

    def let_go(self) -> None:
        """Let whoever sent the request send another."""
        held, self.held = self.held, []
        for let_go in held:
            let_go()


class Errands:
    """The errands of this process, by work."""

    def __init__(self, engine: Engine, holdings: Holdings) -> None:
        self._engine, self._holdings = engine, holdings
        self._errands: dict[WorkKey, Errand] = {}
        self._heeded: dict[DeviceId, dict[WorkKey, Reaction[Frame]]] = {}  # awaited for their own sake

    def of(self, work: WorkKey) -> Errand:
        """Return the errand of `work`, a new one where there is none."""
        errand = self._errands.get(work)
        if errand is None:
            errand = self._errands[work] = Errand()
        return errand

    def known(self, work: WorkKey) -> Errand | None:
        """Return the errand of `work`, if there is one."""
        return self._errands.get(work)

    def hold(self, work: WorkKey, let_go: Callable[[], None]) -> bool:
        """Call `let_go` when `work` no longer waits to be computed; False where it does not wait."""
        errand = self._errands.get(work)
        if errand is None or errand.give_up is None:
            return False
        errand.held.append(let_go)
        return True

    def release(self, work: WorkKey, heed: DeviceId = NOBODY) -> None:
        """Forget `work`: stop its run and its stages, but for the answer of `heed`; free its tensors."""
        errand = self._errands.pop(work, None)
        if errand is None:
            return
        errand.let_go()
        if errand.give_up is not None:
            errand.give_up()
        for device, stage in errand.stages.items():
            if device == heed:
                self._heed(work, device, stage)
            else:
                stage.cancel()

    def _heed(self, work: WorkKey, device: DeviceId, stage: Reaction[Frame]) -> None:
        heeded = self._heeded.setdefault(device, {})
        heeded[work] = stage
        for one in list(heeded):
            if heeded[one].done() or len(heeded) > MOST_TRIALS:
                heeded.pop(one).cancel()

    def stop_stage(self, work: WorkKey, device: DeviceId) -> None:
        """Wait for what `device` was asked for `work` no longer."""
        errand = self._errands.get(work)
        asked = errand.stages if errand is not None else {}
        for stage in (asked.pop(device, None), self._heeded.get(device, {}).pop(work, None)):
            if stage is not None:
                stage.cancel()

    def close(self) -> None:
        """Release everything."""
        for work in list(self._errands):
            self.release(work)
        for stage in [stage for heeded in self._heeded.values() for stage in heeded.values()]:
            stage.cancel()

    def begin(self, command: RunSegment, told: Told) -> None:
        """Begin a run: decode, compute, encode; `ran` makes of what is told what the machine wants to know.

        Raises:
            StaleEpoch: the epoch is not open here.
            Overloaded, Unavailable: the engine takes no more.
        """
        errand = self.of(command.work)
        epoch = self._holdings.opened(command.epoch)
        given: dict[TensorName, Array | WireTensor] = {} if command.fresh else {**errand.kept}
        for tensor in command.tensors:
            given[tensor.name] = tensor
        raw = [CodecChoice(name, RAW.name) for name in command.outputs]
        leaving = (*command.forward, *raw)
        rule = epoch.book.queue
        work = Work(
            epoch.blocks,
            command.first,
            command.last,
            given,
            frozenset(command.keep),
            leaving,
            rule.max_batch,
            Seconds(rule.batch_wait_ms / 1e3),
            Seconds(command.cost),
            further=command.run > 1,  # a request that fell back was here before
        )
        errand.give_up = self._engine.begin(work, told, command.priority, command.flow)

    def ran(self, command: RunSegment, done: Done) -> SegmentDone:
        """Return what a run made, and keep what a fallback would need."""
        errand = self._errands.get(command.work)
        if errand is not None:
            errand.kept, errand.give_up = done.arrays, None
            errand.let_go()
        spent = done.timings
        timing = Timing(spent.queue, spent.decode, spent.compute, spent.encode, spent.batch)
        border = len(command.forward)
        return SegmentDone(command.work, command.run, timing, done.wire[:border], done.wire[border:])
