"""Clouds that stand in for the first one: they hold what it holds, and a deployment does not fail for their sake.

Law: pure. A replica that could not be prepared stays a part of the epoch, and is tried again as a device is that came
back without what it should hold.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import placement, telling
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.records import Hold
from lepton_edge.coordinator.state import Deployment, State
from partitioner.plan import PlanBook, Replica
from partitioner.units import Bytes, DeviceId


def add(
    state: State, run: Deployment, book: PlanBook, holds: tuple[Hold, ...]
) -> tuple[PlanBook, tuple[Hold, ...], list[Command]]:
    """Return a book and who holds it with the deployment's replicas, and what is told of those without room for it."""
    first = next((hold for hold in holds if hold.device == run.cloud), None)
    if first is None:
        return book, holds, []
    roomy = _roomy(state, run, placement.block_weights(book.held_by(first.device), first.blocks))
    told: list[Command] = [
        telling.tell(run, "preparing", f"{name} has no room for what {first.device} holds: it is no replica")
        for name in run.replicas
        if name not in roomy
    ]
    stand_ins = tuple(Replica(name, first.device) for name in roomy)
    also = tuple(Hold(name, first.blocks) for name in roomy)
    return dataclasses.replace(book, replicas=stand_ins), (*holds, *also), told


def _roomy(state: State, run: Deployment, weights: Bytes) -> list[DeviceId]:
    """Return the replicas that have room for so many bytes of weights."""
    rooms = ((name, placement.memory_of(state.devices[name])) for name in run.replicas)
    return [name for name, room in rooms if placement.fits(weights, room)]


def news(state: State, run: Deployment, book: PlanBook) -> bool:
    """Return whether a deployment has a replica that the epoch which runs has not."""
    record = state.active_epoch(*run.target)
    cloud = state.devices.get(run.cloud) if run.cloud else None
    held = placement.holds(book, None, cloud)
    if record is None or not held:
        return False
    weights = placement.block_weights(book.held_by(held[0].device), held[0].blocks)
    return not {*_roomy(state, run, weights)} <= {*record.replicas}


def is_excused(run: Deployment, device: DeviceId) -> bool:
    """Return whether a deployment goes on without `device`."""
    return run.record is not None and device in run.record.replicas


def there(state: State, run: Deployment) -> list[DeviceId]:
    """Return the devices that are still to be asked, without the replicas that were lost since they were ready."""
    away = {name for name in run.todo if state.devices[name].stream is None and is_excused(run, name)}
    return [name for name in run.todo if name not in away]


def excuse(state: State, run: Deployment, device: DeviceId, why: str) -> list[Command]:
    """Go on without a replica, and tell the caller."""
    for command in [key for key in run.waiting if state.pending[key].device == device]:
        run.waiting.discard(command)
        state.pending.pop(command)
    run.todo = [name for name in run.todo if name != device]
    return [telling.tell(run, run.phase, f"without the replica {device} for now: {why}")]
