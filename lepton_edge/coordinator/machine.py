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
    aside,
    beside,
    canary,
    causes,
    changes,
    deployments,
    epochs,
    hearing,
    housekeeping,
    leading,
    losing,
    operations,
    registry,
    relatives,
    requests,
    revoking,
    upkeep,
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
    Attached,
    Began,
    Broke,
    CertificatesRevoked,
    ClockSet,
    DeployAsked,
    Detached,
    DeviceRemoveAsked,
    DeviceReplaced,
    DeviceSuspected,
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
    TaskDied,
    Tick,
    TrialMade,
    WhatIfAsked,
    WorkFailed,
    WorkProgress,
)
from lepton_edge.coordinator.records import ACTIVE, wire_error
from lepton_edge.coordinator.state import Deployment, Moment, State
from lepton_edge.core.errors import Overloaded, RequestError, UnknownModel
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import (
    Deploy,
    EpochStatus,
    Gauged,
    Outcome,
    Probed,
    Profiled,
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
    anew = known is None or known.hello.incarnation != event.hello.incarnation
    device = registry.admit(state, event, now)
    said.append(registry.welcome(state, event))
    said += revoking.told(state, device, event.cause)
    said.append(changes.joined(state, device, known is not None, Moment(now, event.cause)))
    said += epochs.restore(state, device, Moment(now, event.cause))
    said += epochs.direct(state, device, Moment(now, event.cause))
    said += beside.resumed(state, device, anew, Moment(now, event.cause))
    if moved:
        said += epochs.refresh_peers(state, device, Moment(now, event.cause))
    said += epochs.reroute(state, device, Moment(now, event.cause))
    causes.joined(state, device, Moment(now, event.cause))
    if known is not None and registry.says_the_same(known.hello, device.hello):
        return said
    return [*said, KeepDevice(event.cause, device.hello, known is not None)]


def _detached(state: State, event: Detached, now: Seconds) -> list[Command]:
    device = state.device_of(event.stream)
    return [] if device is None else losing.lose(state, device, ENDED, Moment(now, event.cause))


# --- models and deployments ---------------------------------------------------------------------------------


def _model_pushed(state: State, event: ModelPushed, now: Seconds) -> list[Command]:
    known = relatives.bound(state, event.model)
    state.models |= {model.name: model for model in known}
    kept = [KeepModel(event.cause, model) for model in known]
    return [*kept, Finish(event.cause, event.call, Pushed(event.model.name))]


def _remove_asked(state: State, event: RemoveAsked, now: Seconds) -> list[Command]:
    if event.name not in state.models:
        error = UnknownModel(f"no model is called {event.name!r}", "see: lepton-edge model list")
        return [Fail(event.cause, event.call, wire_error(error))]
    if any(run is not None and run.model == event.name for run in (state.running, *state.aside.values())):
        busy = Overloaded(f"{event.name!r} is being deployed", "remove it when that is over")
        return [Fail(event.cause, event.call, wire_error(busy))]
    if (of := housekeeping.runs_as_variant(state, event.name)) is not None:
        used = RequestError(f"devices run {event.name!r} as a variant of {of!r}", f"remove {of!r} first")
        return [Fail(event.cause, event.call, wire_error(used))]
    del state.models[event.name]
    for key in [key for key in state.profiles if key[0] == event.name]:
        del state.profiles[key]
    said: list[Command] = [ForgetModel(event.cause, event.name)]  # first: if it fails, no agent is told
    for record in [r for r in state.epochs.values() if r.model == event.name and r.state == ACTIVE]:
        said += epochs.drain(state, record, Moment(now, event.cause))
    for target in [target for target in state.kept if target[0] == event.name]:
        said += canary.forget(state, target, Moment(now, event.cause))
    said.append(changes.removed(state, event.name, Moment(now, event.cause)))
    return [*said, Finish(event.cause, event.call, Removed(event.name))]


def _deploy_asked(state: State, event: DeployAsked, now: Seconds) -> list[Command]:
    goal = "plan" if event.request.dry_run else "activate"
    return deployments.begin(state, Deployment(event.cause, event.call, goal, event.request), now)


def _profile_asked(state: State, event: ProfileAsked, now: Seconds) -> list[Command]:
    request = Deploy(event.name, refresh=event.refresh)
    run = Deployment(event.cause, event.call, "profile", request, only=event.devices)
    return deployments.begin(state, run, now)


def _pin_asked(state: State, event: PinAsked, now: Seconds) -> list[Command]:
    """Deploy as the active epoch was, with the split or page that is asked for instead of the one before."""
    try:
        request = requests.pinned(state, event.request)
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    goal = "plan" if request.dry_run else "activate"
    record = state.active_epoch(request.name, request.board)
    run = Deployment(event.cause, event.call, goal, request, asked=requests.as_asked(record, request))
    if record is not None:
        run.version = record.version  # a newer one that was pushed meanwhile is not what is pinned
    return deployments.begin(state, run, now)


def _move_asked(state: State, event: MoveAsked, now: Seconds) -> list[Command]:
    """Deploy on another device what one runs, and end it there when that is active."""
    asked = event.request
    try:
        request, record = requests.relocated(state, asked)
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    why = f"moved from {asked.source} to {asked.target}"
    run = Deployment(event.cause, event.call, "activate", request, why=why, instead=record.key)
    run.version = record.version  # who moves a model wants no other one
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


def _plan_made(state: State, event: PlanMade, now: Seconds) -> list[Command]:
    with aside.turned_to(state, aside.planned_by(state, event.job)):
        return deployments.plan_made(state, event, now)


def _work_failed(state: State, event: WorkFailed, now: Seconds) -> list[Command]:
    with aside.turned_to(state, aside.planned_by(state, event.job)):
        run = state.running
        if run is None or run.job != event.job:
            return []
        return deployments.work_failed(state, event.error, now)


def _store_failed(state: State, event: StoreFailed, now: Seconds) -> list[Command]:
    """What cannot be written down did not happen: a deployment that waits for it ends."""
    _hear_all_the_same(state, event.on, now)
    run, said = state.running, _end_aside(state, event.on, event.error, now)
    ends = run is not None and (event.on is None or _waits_for(run, event.on))
    return said + (deployments.fail_with(state, event.error, now) if ends else [])


def _end_aside(state: State, on: Event | None, error: WireError, now: Seconds) -> list[Command]:
    """End those that are prepared beside the one that runs and wait for what was not decided."""
    said: list[Command] = []
    for run in list(state.aside.values()):
        if on is not None and _waits_for(run, on):
            with aside.turned_to(state, run):
                said += deployments.fail_with(state, error, now)
    return said


def _hear_all_the_same(state: State, event: Event | None, now: Seconds) -> None:
    """Who said what could not be decided or written down is alive; else it would be taken for lost while it speaks."""
    if isinstance(event, Heard):
        registry.hear(state, event.stream, now)


def _waits_for(run: Deployment, event: Event) -> bool:
    """Return whether a deployment would wait for ever for an event that was not decided, or until somebody is late."""
    if isinstance(event, (TrialMade, PlanMade, WorkFailed)):
        return run.job == event.job
    told = event.message if isinstance(event, Heard) else None
    return isinstance(told, (Outcome, Profiled, Probed, Gauged)) and told.command in run.waiting


def _broke(state: State, event: Broke, now: Seconds) -> list[Command]:
    """What runs might wait for ever for what was not decided: it ends, unless an agent only told how it is."""
    _hear_all_the_same(state, event.on, now)
    tells = isinstance(event.on, Heard) and isinstance(event.on.message, (Telemetry, EpochStatus))
    ended = _end_aside(state, event.on, event.error, now)
    if ended or tells or state.running is None:
        return ended
    return deployments.fail_with(state, event.error, now)


def _task_died(state: State, event: TaskDied, now: Seconds) -> list[Command]:
    why = f"its {event.task} died: {event.error}"
    return [changes.note(state, "coordinator", why, Moment(now, event.cause), message="it is begun again")]


def _clock_set(state: State, event: ClockSet, now: Seconds) -> list[Command]:
    """Date what follows by the new clock, and what a restart must find by its date."""
    state.settings, at = dataclasses.replace(state.settings, wall=event.wall), Moment(now, event.cause)
    dated = [beside.noted(state, target, at) for target in state.canaries]
    return [*dated, changes.note(state, "coordinator", "its clock was set", at)]


def _tick(state: State, event: Tick, now: Seconds) -> list[Command]:
    said: list[Command] = []
    for name, part in upkeep.PARTS.items():
        if event.part in ("", name):
            said += part(state, Moment(now, event.cause))
    return said


HANDLERS: dict[type[Any], Any] = {
    Began: _began,
    Attached: _attached,
    Detached: _detached,
    Heard: hearing.heard,
    Tick: _tick,
    ClockSet: _clock_set,
    ModelPushed: _model_pushed,
    RemoveAsked: _remove_asked,
    DeployAsked: _deploy_asked,
    PinAsked: _pin_asked,
    MoveAsked: _move_asked,
    WhatIfAsked: _what_if_asked,
    ProfileAsked: _profile_asked,
    TrialMade: deployments.trial_made,
    PlanMade: _plan_made,
    WorkProgress: _work_progress,
    WorkFailed: _work_failed,
    StoreFailed: _store_failed,
    Broke: _broke,
    TaskDied: _task_died,
    DrainAsked: operations.drain_asked,
    DeviceRemoveAsked: operations.remove_asked,
    RollBackAsked: operations.roll_back_asked,
    CertificatesRevoked: revoking.revoked,
    DeviceSuspected: revoking.suspected,
    DeviceReplaced: revoking.replaced,
}
