"""What follows when a device is away: what it owes is not coming, and others go on without it.

Law: pure. Whoever notices it (a stream that ended, a lease, a person who removes it) says why.
"""

from __future__ import annotations

from lepton_edge.coordinator import aside, changes, deployments, epochs, quarantine
from lepton_edge.coordinator.commands import Command, Hang
from lepton_edge.coordinator.state import Device, Moment, State

SILENT = "nothing was heard of it for a lease"
OF_DEPLOYMENT = frozenset({"profile", "gauge", "probe", "prepare", "activate", "try"})


def silent(state: State, devices: list[Device], at: Moment) -> list[Command]:
    """Note that devices were not heard for a lease; where most are silent at once, that is not their conduct."""
    if len(devices) > 1 and 2 * len(devices) > len(state.connected()):
        state.excused_until = max(state.excused_until, at.now)
    said: list[Command] = []
    for device in devices:
        if device.stream is not None:
            said += [Hang(at.cause, device.stream), *lose(state, device, SILENT, at)]
    return said


def lose(state: State, device: Device, why: str, at: Moment) -> list[Command]:
    """Note that a device is away: what it owes is not coming."""
    device.stream = None
    owed = [pending for pending in state.pending.values() if pending.device == device.name]
    said: list[Command] = [changes.lost(state, device, why, at), *quarantine.lost(state, device, at)]
    if any(pending.kind in OF_DEPLOYMENT for pending in owed) or state.running is not None:
        said += deployments.device_lost(state, device.name, at.now)
    for run in list(state.aside.values()):
        with aside.turned_to(state, run):
            said += deployments.device_lost(state, device.name, at.now)
    for pending in owed:
        state.pending.pop(pending.command, None)
    for key in sorted({(pending.model, pending.epoch) for pending in owed}):
        said += epochs.settle(state, key, at)
    return said + epochs.reroute(state, device, at)
