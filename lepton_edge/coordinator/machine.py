"""The coordinator's decider: one event in, what to do out.

Law: pure (DESIGN D8): no await, no clock, no randomness, no protobuf, no file. `step` changes the state it is
given and returns commands; the driver carries them out in order, and each outcome comes back as an event.

    device:      away <-> attached (lease renewed by whatever it says)
    deployment:  waiting -> trial -> profiling -> probing -> planning -> preparing -> activating -> one answer
    epoch:       PLANNED -> PREPARING -> READY -> ACTIVE -> DRAINING -> RETIRED, or FAILED before it is ACTIVE
"""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.coordinator import (
    adapting,
    canary,
    changes,
    deployments,
    drift,
    epochs,
    judging,
    leading,
    loads,
    losing,
    operations,
    pressure,
    pulse,
    quarantine,
    registry,
    requests,
)
from lepton_edge.coordinator.commands import (
    Command,
    Fail,
    Finish,
    ForgetModel,
    Hang,
    KeepDevice,
    KeepModel,
    Pushed,
    Removed,
    Tell,
)
from lepton_edge.coordinator.events import (
    AgentReport,
    Attached,
    Began,
    Broke,
    DeployAsked,
    Detached,
    DeviceRemoveAsked,
    DrainAsked,
    Event,
    Heard,
    ModelPushed,
    MoveAsked,
    PinAsked,
    PlanMade,
    ProfileAsked,
    RemoveAsked,
    RollBackAsked,
    StoreFailed,
    Tick,
    TrialMade,
    WhatIfAsked,
    WorkFailed,
    WorkProgress,
)
from lepton_edge.coordinator.losing import OF_DEPLOYMENT
from lepton_edge.coordinator.records import ACTIVE, wire_error
from lepton_edge.coordinator.state import Deployment, Device, Moment, Pending, State
from lepton_edge.core.errors import Overloaded, UnknownModel
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import (
    Deploy,
    EpochStatus,
    Gauged,
    Outcome,
    Probed,
    Profiled,
    Progress,
    Telemetry,
)
from partitioner.errors import LeptonError
from partitioner.units import Seconds

ENDED, ANEW = "its stream ended", "it attached anew"
ASKED = (
    ModelPushed,
    RemoveAsked,
    DeployAsked,
    PinAsked,
    MoveAsked,
    WhatIfAsked,
    ProfileAsked,
    DrainAsked,
    DeviceRemoveAsked,
    RollBackAsked,
)


def step(state: State, event: Event, now: Seconds) -> list[Command]:
    """Decide what to do about `event` at `now` (any monotonic clock); `state` is changed in place."""
    if state.superseded and isinstance(event, ASKED):
        return [Fail(event.cause, event.call, wire_error(leading.superseded(state)))]
    handler = HANDLERS[type(event)]
    commands: list[Command] = handler(state, event, now)
    return operations.noted(state, commands, Moment(now, event.cause))


def _began(state: State, event: Began, now: Seconds) -> list[Command]:
    return list(changes.began(state, Moment(now, event.cause)))


# --- agents -------------------------------------------------------------------------------------------------


def _attached(state: State, event: Attached, now: Seconds) -> list[Command]:
    refused = registry.refuse(state, event, now)
    if refused is not None:
        return refused
    said: list[Command] = []
    known = state.devices.get(event.hello.device)
    if known is not None and known.stream is not None:
        said += [Hang(event.cause, known.stream), *losing.lose(state, known, ANEW, Moment(now, event.cause))]
    moved = registry.moved(known, event.hello)
    device = registry.admit(state, event, now)
    said.append(registry.welcome(state, event))
    said.append(changes.joined(state, device, known is not None, Moment(now, event.cause)))
    said += epochs.restore(state, device, Moment(now, event.cause))
    if moved:
        said += epochs.refresh_peers(state, device, Moment(now, event.cause))
    said += epochs.reroute(state, device, Moment(now, event.cause))
    adapting.joined(state, device, Moment(now, event.cause))
    return [*said, KeepDevice(event.cause, device.hello)]


def _detached(state: State, event: Detached, now: Seconds) -> list[Command]:
    device = state.device_of(event.stream)
    return [] if device is None else losing.lose(state, device, ENDED, Moment(now, event.cause))


def _tick(state: State, event: Tick, now: Seconds) -> list[Command]:
    registry.stood_still(state, now)
    said = losing.silent(state, registry.silent(state, now), Moment(now, event.cause))
    for pending in [p for p in state.pending.values() if p.deadline < now]:
        if pending.command in state.pending:  # an overdue one before it may have ended its deployment
            said += _overdue(state, pending, Moment(now, event.cause))
    said += pulse.adjust(state, Moment(now, event.cause))
    drift.forget(state)
    said += _adapt(state, Moment(now, event.cause))
    loads.forget(state, now)
    for device in state.connected():
        if device.retry_at is not None and device.retry_at <= now:
            said += epochs.restore(state, device, Moment(now, event.cause))
    return said + operations.advance(state, Moment(now, event.cause))


def _adapt(state: State, at: Moment) -> list[Command]:
    """Judge what was planned anew, and plan anew what gives cause for it: one thing at a time."""
    said = [*judging.judge(state, at), *canary.judge(state, at)]
    pressure.look(state, adapting.look(state, at), at)
    if state.running is not None or state.superseded:
        return said
    back = judging.to_go_back(state, at)
    if back is not None:
        return [*said, back[1], *deployments.go_back(state, back[0], at.now)]
    proven = canary.to_promote(state)
    if proven is not None:
        return said + deployments.go_back(state, proven, at.now)
    replan = adapting.next_replan(state, at)
    if replan is None:
        return said
    return said + adapting.give_way(state, replan, at) + deployments.begin(state, replan, at.now)


def _overdue(state: State, pending: Pending, at: Moment) -> list[Command]:
    if pending.kind in OF_DEPLOYMENT:
        return deployments.overdue(state, pending, at.now)
    state.pending.pop(pending.command)
    late = WireError("prepare_failed", f"{pending.device} did not answer in time ({pending.kind})")
    return epochs.answered(state, pending, Outcome(pending.command, late), at)


def _heard(state: State, event: Heard, now: Seconds) -> list[Command]:
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
    canary.heard(state, device, told.epochs)
    said: list[Command] = list(changes.turned(state, device, told.turns, at))
    drifted = drift.heard(state, device, told.stages, at)
    drifted += drift.strained(state, device, told.loads, at)
    adapting.heard(state, device, told, drifted, at)
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
    if state.running is not None:
        state.running.waiting.discard(pending.command)
    if isinstance(message, Profiled):
        return deployments.profiled(state, pending, message, at.now)
    if isinstance(message, Probed):
        return deployments.probed(state, message, at.now)
    if isinstance(message, Gauged):
        return deployments.gauged(state, pending, message, at.now)
    return said + (_outcome(state, pending, message, at.now) if isinstance(message, Outcome) else [])


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


# --- models and deployments ---------------------------------------------------------------------------------


def _model_pushed(state: State, event: ModelPushed, now: Seconds) -> list[Command]:
    state.models[event.model.name] = event.model
    return [KeepModel(event.cause, event.model), Finish(event.cause, event.call, Pushed(event.model.name))]


def _remove_asked(state: State, event: RemoveAsked, now: Seconds) -> list[Command]:
    if event.name not in state.models:
        error = UnknownModel(f"no model is called {event.name!r}", "see: lepton-edge model list")
        return [Fail(event.cause, event.call, wire_error(error))]
    if state.running is not None and state.running.model == event.name:
        busy = Overloaded(f"{event.name!r} is being deployed", "remove it when that is over")
        return [Fail(event.cause, event.call, wire_error(busy))]
    del state.models[event.name]
    for key in [key for key in state.profiles if key[0] == event.name]:
        del state.profiles[key]
    said: list[Command] = [ForgetModel(event.cause, event.name)]  # first: if it fails, no agent is told
    for record in [r for r in state.epochs.values() if r.model == event.name and r.state == ACTIVE]:
        said += epochs.drain(state, record, Moment(now, event.cause))
    said.append(changes.removed(state, event.name, Moment(now, event.cause)))
    return [*said, Finish(event.cause, event.call, Removed(event.name))]


def _deploy_asked(state: State, event: DeployAsked, now: Seconds) -> list[Command]:
    goal = "plan" if event.request.dry_run else "activate"
    return deployments.begin(state, Deployment(event.cause, event.call, goal, event.request), now)


def _profile_asked(state: State, event: ProfileAsked, now: Seconds) -> list[Command]:
    request = Deploy(event.name, refresh=event.refresh)
    return deployments.begin(state, Deployment(event.cause, event.call, "profile", request), now)


def _pin_asked(state: State, event: PinAsked, now: Seconds) -> list[Command]:
    """Deploy as the active epoch was, with the split or page that is asked for instead of the one before."""
    try:
        request = requests.pinned(state, event.request)
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    goal = "plan" if request.dry_run else "activate"
    asked = requests.as_asked(state.active_epoch(request.name, request.board), request)
    return deployments.begin(state, Deployment(event.cause, event.call, goal, request, asked=asked), now)


def _move_asked(state: State, event: MoveAsked, now: Seconds) -> list[Command]:
    """Deploy on another device what one runs, and end it there when that is active."""
    asked = event.request
    try:
        request, record = requests.relocated(state, asked)
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    why = f"moved from {asked.source} to {asked.target}"
    run = Deployment(event.cause, event.call, "activate", request, why=why, instead=record.key)
    run.asked = None if request.cloud == asked.target else requests.as_asked(record, request)
    return deployments.begin(state, run, now)


def _what_if_asked(state: State, event: WhatIfAsked, now: Seconds) -> list[Command]:
    """Plan what is not so, for the devices and by the wishes of the active plan."""
    try:
        request = requests.supposed(state, event.request)
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    run = Deployment(event.cause, event.call, "suppose", request, supposed=event.request)
    return deployments.begin(state, run, now)


# --- the worker and the store -------------------------------------------------------------------------------


def _work_progress(state: State, event: WorkProgress, now: Seconds) -> list[Command]:
    run = state.running
    if run is None or run.job != event.job:
        return []
    return [Tell(run.cause, run.call, dataclasses.replace(event.progress, command=run.call))]


def _work_failed(state: State, event: WorkFailed, now: Seconds) -> list[Command]:
    run = state.running
    if run is None or run.job != event.job:
        return []
    run.job = None
    return deployments.fail_with(state, event.error, now)


def _store_failed(state: State, event: StoreFailed, now: Seconds) -> list[Command]:
    """What cannot be written down is not promised: the running deployment ends."""
    return [] if state.running is None else deployments.fail_with(state, event.error, now)


def _broke(state: State, event: Broke, now: Seconds) -> list[Command]:
    """What runs might wait for ever for what was not decided: it ends, unless an agent only told how it is."""
    tells = isinstance(event.on, Heard) and isinstance(event.on.message, (Telemetry, EpochStatus))
    return [] if tells or state.running is None else deployments.fail_with(state, event.error, now)


HANDLERS: dict[type[Any], Any] = {
    Began: _began,
    Attached: _attached,
    Detached: _detached,
    Heard: _heard,
    Tick: _tick,
    ModelPushed: _model_pushed,
    RemoveAsked: _remove_asked,
    DeployAsked: _deploy_asked,
    PinAsked: _pin_asked,
    MoveAsked: _move_asked,
    WhatIfAsked: _what_if_asked,
    ProfileAsked: _profile_asked,
    TrialMade: deployments.trial_made,
    PlanMade: deployments.plan_made,
    WorkProgress: _work_progress,
    WorkFailed: _work_failed,
    StoreFailed: _store_failed,
    Broke: _broke,
    DrainAsked: operations.drain_asked,
    DeviceRemoveAsked: operations.remove_asked,
    RollBackAsked: operations.roll_back_asked,
}
