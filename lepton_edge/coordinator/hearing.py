"""What agents say: signs of life and what they tell of themselves, answers to what they were told to do.

Law: pure. An answer that nobody waits for any more changes nothing, nor does one of another kind than was asked for.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import (
    aside,
    canary,
    causes,
    changes,
    deployments,
    drift,
    epochs,
    judging,
    loads,
    pressure,
    quarantine,
    registry,
)
from lepton_edge.coordinator.commands import Command, Tell
from lepton_edge.coordinator.events import AgentReport, Heard
from lepton_edge.coordinator.losing import OF_DEPLOYMENT
from lepton_edge.coordinator.state import Device, Moment, Pending, State
from lepton_edge.core.messages import EpochStatus, Gauged, Outcome, Probed, Profiled, Progress, Telemetry
from partitioner.units import Seconds


def heard(state: State, event: Heard, now: Seconds) -> list[Command]:
    """Renew the lease of who speaks, and go on by what is said."""
    device = registry.hear(state, event.stream, now)
    if device is None:
        return []
    message = event.message
    if isinstance(message, (Telemetry, EpochStatus)):
        registry.note_status(state, device, message)
        at = Moment(now, event.cause)
        return _telemetry(state, device, message, at) if isinstance(message, Telemetry) else []
    pending = state.pending.get(message.command)
    if pending is None or pending.device != device.name:
        return []  # late: somebody gave up waiting for it
    if isinstance(message, Progress):
        return _agent_progress(state, pending, message, now)
    return _answered(state, pending, message, Moment(now, event.cause))


def _telemetry(state: State, device: Device, told: Telemetry, at: Moment) -> list[Command]:
    """Hold what an agent tells against what is planned."""
    loads.heard(state, device, told.loads, at.now)
    judging.heard(state, device, told.epochs, at.now)
    said = [*canary.heard(state, device, told.epochs, at), *changes.turned(state, device, told.turns, at)]
    drifted = drift.heard(state, device, told.stages, at)
    drifted += drift.strained(state, device, told.loads, at)
    causes.heard(state, device, told, drifted, at)
    return said + drifted + pressure.heard(state, device, at)


def _agent_progress(state: State, pending: Pending, message: Progress, now: Seconds) -> list[Command]:
    """Progress is a sign of life: it moves the deadline, and the caller hears of it."""
    patience = Seconds(max(pending.deadline, now + epochs.PREPARE_LIMIT / 4))
    state.pending[pending.command] = dataclasses.replace(pending, deadline=patience)
    run = state.running
    if run is None or pending.command not in run.waiting:
        return []
    told = dataclasses.replace(message, command=run.call, stage=f"{pending.device}: {message.stage}")
    return [Tell(run.cause, run.call, told)]


def _answered(state: State, pending: Pending, message: AgentReport, at: Moment) -> list[Command]:
    """An agent did, or could not do, what it was told."""
    if not _fits(pending, message):
        return []
    state.pending.pop(pending.command)
    said = _conduct(state, pending, message, at)
    if pending.kind not in OF_DEPLOYMENT:
        return said + (epochs.answered(state, pending, message, at) if isinstance(message, Outcome) else [])
    with aside.turned_to(state, aside.owner(state, pending.command)):
        return said + _of_deployment(state, pending, message, at)


def _of_deployment(state: State, pending: Pending, message: AgentReport, at: Moment) -> list[Command]:
    if state.running is not None:
        state.running.waiting.discard(pending.command)
    if isinstance(message, Profiled):
        return deployments.profiled(state, pending, message, at.now)
    if isinstance(message, Probed):
        return deployments.probed(state, message, at.now)
    if isinstance(message, Gauged):
        return deployments.gauged(state, pending, message, at.now)
    return _outcome(state, pending, message, at.now) if isinstance(message, Outcome) else []


def _conduct(state: State, pending: Pending, message: AgentReport, at: Moment) -> list[Command]:
    """Note how a device does what it is told."""
    if pending.kind not in ("prepare", "restore") or not isinstance(message, Outcome):
        return []
    return quarantine.prepared(state, state.devices[pending.device], message.error, at)


def _fits(pending: Pending, message: AgentReport) -> bool:
    """Return whether `message` answers what was asked; a confused agent is ignored."""
    if isinstance(message, Profiled):
        return pending.kind == "profile"
    if isinstance(message, Probed):
        return pending.kind == "probe"
    if isinstance(message, Gauged):
        return pending.kind == "gauge"
    if isinstance(message, Outcome):
        return message.error is not None or pending.kind not in ("profile", "probe", "gauge")
    return False


def _outcome(state: State, pending: Pending, message: Outcome, now: Seconds) -> list[Command]:
    epochs.note(state.devices[pending.device], pending, failed=message.error is not None)
    if message.error is not None:
        return deployments.refused(state, pending, message, now)
    if pending.kind == "prepare":
        return deployments.prepared(state, pending, now)
    return deployments.activate_next(state, now)
