"""What every row of the oracle's table costs, term by term as `problem.py` defines it.

Law: pure; a stranger to `costing.py` and to every solver, on purpose: the oracle and they must be able to
disagree. Columns are float64 arrays, one entry a row; a row is one assignment of layers to stages with one codec
for each tensor at each boundary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from partitioner.graph import CostTensor
from partitioner.solve.problem import CodecOption, CodecSeconds, Device, Hop, HopKey, Objective, Problem
from partitioner.units import BytesPerSecond, DeviceId, Seconds, TensorName

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[np.float64]
Stages = npt.NDArray[np.int8]  # [rows, layers]: the stage of each layer
NOTHING = Hop(BytesPerSecond(math.inf), Seconds(0.0), 1.0)  # where there is no hop


@dataclass(frozen=True)
class Pick:
    """The codecs that one tensor may cross one boundary by, and which of them each row takes."""

    options: tuple[CodecOption, ...]
    taken: npt.NDArray[np.intp]


Picks = dict[tuple[int, TensorName], Pick]


@dataclass(frozen=True)
class Table:
    """Plans of one order of devices, one a row."""

    devices: tuple[Device, ...]
    stages: Stages
    picks: Picks

    def used(self, boundary: int) -> Mask:
        """Return the rows with a layer behind `boundary`."""
        return np.asarray((self.stages > boundary).any(axis=1))

    def zeros(self) -> Column:
        """Return a column of nothing."""
        return np.zeros(len(self.stages))


@dataclass
class Tally:
    """Running totals of every row: busy seconds of devices and directed hops, delays, wire bytes, loss."""

    busy: dict[DeviceId, Column]
    hops: dict[HopKey, Column]
    delays: Column
    egress: Column
    loss: Column
    watts: Mapping[DeviceId, float]
    radio: Mapping[DeviceId, float]

    @property
    def latency(self) -> Column:
        """Seconds of one request."""
        return np.asarray(self.delays + sum(self.busy.values()) + sum(self.hops.values()))

    @property
    def bottleneck(self) -> Column:
        """Busy seconds of the busiest device or directed hop."""
        return np.asarray(np.max([*self.busy.values(), *self.hops.values()], axis=0))

    @property
    def energy(self) -> Column:
        """Joules of one request."""
        total = np.zeros(len(self.delays))
        for name, seconds in self.busy.items():
            total += self.watts[name] * seconds
        for (sender, receiver), seconds in self.hops.items():
            total += (self.radio[sender] + self.radio[receiver]) * seconds
        return total

    def value(self, objective: Objective) -> Column:
        """Return the objective of every row."""
        return (
            objective.latency * self.latency
            + objective.bottleneck * self.bottleneck
            + objective.energy * self.energy
            + objective.egress * self.egress
        )


def tally(problem: Problem, table: Table) -> Tally:
    """Return what every row costs."""
    devices = {device.name: device for device in table.devices}
    totals = Tally(
        {name: table.zeros() for name in devices},
        {},
        *(table.zeros(), table.zeros(), table.zeros()),
        {name: device.watts for name, device in devices.items()},
        {name: device.radio_watts for name, device in devices.items()},
    )
    totals.busy[problem.entry] += devices[problem.entry].costs.overhead
    for stage, device in enumerate(table.devices):
        _add_stage(problem, table, totals, stage, device)
    for boundary in range(len(table.devices) - 1):
        _add_forward(problem, table, totals, boundary)
        _add_home(problem, table, totals, boundary)
    return totals


def crosses(tensor: CostTensor, stages: Stages, boundary: int) -> Mask:
    """Return the rows in which `tensor` is there before `boundary` and is needed behind it."""
    needed = np.asarray((stages[:, list(tensor.consumers)] > boundary).any(axis=1))
    return needed if tensor.producer < 0 else needed & (stages[:, tensor.producer] <= boundary)


def goes_home(tensor: CostTensor, table: Table, boundary: int) -> Mask:
    """Return the rows in which the output `tensor` goes back over `boundary`."""
    if tensor.producer < 0 or not tensor.is_output:
        return np.zeros(len(table.stages), dtype=bool)
    names = [device.name for device in table.devices]
    latest_entry = np.array([_last_index(names[: stage + 1], names[0]) for stage in range(len(names))])
    made = table.stages[:, tensor.producer]
    back: Mask = (latest_entry[made] <= boundary) & (boundary < made)
    return back


def codec_price(
    problem: Problem, ends: tuple[Device, Device], tensor: CostTensor, option: CodecOption
) -> float:
    """Return what `option` adds to an objective that is a sum when `tensor` crosses from one end to the other."""
    a, b = ends
    objective, hop = problem.objective, _hop(problem, a, b)
    near = _codec(a, tensor, option).encode + option.wire_bytes * a.costs.send_byte
    far = _codec(b, tensor, option).decode + option.wire_bytes * b.costs.receive_byte
    if a.name == b.name:
        return 0.0
    wire = option.wire_bytes * hop.overhead / hop.rate
    joules = a.watts * near + b.watts * far + (a.radio_watts + b.radio_watts) * wire
    seconds = near + wire + far
    return objective.latency * seconds + objective.energy * joules + objective.egress * option.wire_bytes


def memory_needs(problem: Problem, table: Table) -> Iterator[tuple[Device, Column]]:
    """Yield each device and the bytes that every row needs of it, headroom included."""
    for device in {device.name: device for device in table.devices}.values():
        own = [stage for stage, one in enumerate(table.devices) if one.name == device.name]
        here = np.isin(table.stages, own)
        alive = np.array(device.activations or np.zeros(here.shape[1]), dtype=float)
        peak = (here * alive).max(axis=1, initial=0.0)
        yield device, (_weights(problem, device, here) + peak) * (1 + problem.headroom)


def _weights(problem: Problem, device: Device, here: Mask) -> Column:
    layers, sizes = problem.graph.layers, problem.sizes_on(device)
    if not sizes:
        return np.asarray(here @ np.array([layer.weights for layer in layers], dtype=float))
    held = np.zeros(len(here))
    for name, size in sizes.items():
        users = [layer.index for layer in layers if name in layer.weight_names]
        held += size * here[:, users].any(axis=1)
    return held


def _add_stage(problem: Problem, table: Table, totals: Tally, stage: int, device: Device) -> None:
    here = table.stages == stage
    totals.busy[device.name] += here @ np.array(device.costs.layers, dtype=float).reshape(here.shape[1])
    engine = [layer.index for layer in problem.graph.layers if not layer.pseudo]
    divided = here[:, engine].any(axis=1) & ~here[:, engine].all(axis=1)
    totals.busy[device.name] += divided * device.costs.segment


def _add_forward(problem: Problem, table: Table, totals: Tally, boundary: int) -> None:
    a, b = table.devices[boundary], table.devices[boundary + 1]
    used, hop = table.used(boundary), _hop(problem, a, b)
    totals.busy[b.name] += used * b.costs.overhead
    if a.name == b.name:
        return
    totals.delays += used * hop.delay
    totals.busy[a.name] += used * a.costs.send_message
    totals.busy[b.name] += used * b.costs.receive_message
    for tensor in problem.graph.tensors:
        crossing = crosses(tensor, table.stages, boundary)
        if not _is_door(problem, tensor):
            totals.busy[a.name] += crossing * (tensor.size * a.costs.leaving)
            totals.busy[b.name] += crossing * (tensor.size * b.costs.entering)
        pick = table.picks[boundary, tensor.name]
        for index, option in enumerate(pick.options):
            sent = crossing & (pick.taken == index)
            _add_bytes(totals, (a, b), hop, np.where(sent, float(option.wire_bytes), 0.0))
            totals.busy[a.name] += sent * _codec(a, tensor, option).encode
            totals.busy[b.name] += sent * _codec(b, tensor, option).decode
            totals.loss += sent * option.loss


def _add_home(problem: Problem, table: Table, totals: Tally, boundary: int) -> None:
    a, b = table.devices[boundary], table.devices[boundary + 1]
    if a.name == b.name:
        return
    hop = _hop(problem, b, a)
    used = np.zeros(len(table.stages), dtype=bool)
    for tensor in problem.graph.tensors:
        back = goes_home(tensor, table, boundary)
        used |= back
        _add_bytes(totals, (b, a), hop, np.where(back, float(tensor.size), 0.0))
    totals.delays += used * hop.delay
    totals.busy[b.name] += used * b.costs.send_message
    totals.busy[a.name] += used * a.costs.receive_message


def _add_bytes(totals: Tally, ends: tuple[Device, Device], hop: Hop, size: Column) -> None:
    sender, receiver = ends
    totals.busy[sender.name] += size * sender.costs.send_byte
    totals.busy[receiver.name] += size * receiver.costs.receive_byte
    key = (sender.name, receiver.name)
    totals.hops[key] = totals.hops.get(key, np.zeros(len(size))) + size * hop.overhead / hop.rate
    totals.egress += size


def _hop(problem: Problem, sender: Device, receiver: Device) -> Hop:
    # Rows that use a hop that is not there were refused before: what stands here for it is never paid.
    return problem.hops.get((sender.name, receiver.name), NOTHING)


def _codec(device: Device, tensor: CostTensor, option: CodecOption) -> CodecSeconds:
    return device.codecs.get((tensor.name, option.codec), CodecSeconds())


def _is_door(problem: Problem, tensor: CostTensor) -> bool:
    return tensor.producer < 0 or problem.graph.layers[tensor.producer].pseudo != ""


def _last_index(names: list[DeviceId], name: DeviceId) -> int:
    return max(index for index, one in enumerate(names) if one == name)
