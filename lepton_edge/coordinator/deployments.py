"""How a call becomes an active epoch: measure, probe, plan, prepare, activate; one deployment at a time.

Law: pure. Each function moves the running deployment to its next phase and returns what that takes.
Measurements of one deployment would disturb those of another, so they queue, boundedly. Whatever happens, the
call ends in exactly one `Finish` or one `Fail`, and an epoch that did not become active leaves the older one
as it was.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import (
    adapting,
    aside,
    availability,
    canary,
    epochs,
    loads,
    measuring,
    orders,
    parts,
    placement,
    reach,
    replicas,
    telling,
)
from lepton_edge.coordinator.commands import (
    Abandon,
    Command,
    Deployed,
    Fail,
    Finish,
    MakePlan,
    Measured,
    Supposed,
)
from lepton_edge.coordinator.events import PlanMade, TrialMade
from lepton_edge.coordinator.limits import MAX_WAITING
from lepton_edge.coordinator.records import (
    ACTIVE,
    PREPARING,
    READY,
    JobId,
    wire_error,
)
from lepton_edge.coordinator.state import (
    ADAPT,
    GAVE_WAY,
    NOBODY,
    Deployment,
    Device,
    Moment,
    Pending,
    State,
)
from lepton_edge.core.errors import Overloaded, PrepareFailed, Unavailable, UnknownModel
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import GaugeCommand, Gauged, Outcome, Probed, Profiled
from partitioner.errors import LeptonError, ProfileError
from partitioner.plan import PlanBook
from partitioner.units import DeviceId, Epoch, Seconds

PROFILE_GRACE = Seconds(
    90.0
)  # beyond the budget, without a sign of progress: fetching weights, opening blocks
GAUGE_LIMIT = Seconds(30.0)


def begin(state: State, deployment: Deployment, now: Seconds) -> list[Command]:
    """Run a deployment, or let it wait for the one that runs."""
    if deployment.model not in state.models:
        return [Fail(deployment.cause, deployment.call, wire_error(parts.unknown_model(state, deployment)))]
    gone = _give_way(state, deployment, now)
    if state.running is None:
        state.running = deployment
        return gone + _start(state, now)
    if len(state.waiting) >= MAX_WAITING:
        error_full = Overloaded(f"{MAX_WAITING} deployments wait already", "try again when they are through")
        return [Fail(deployment.cause, deployment.call, wire_error(error_full))]
    state.waiting.append(deployment)
    return [telling.tell(deployment, "waiting", f"for the deployment of {state.running.model}")]


def _give_way(state: State, asked: Deployment, now: Seconds) -> list[Command]:
    """End a replan that nobody asked for, unless it is about to be active: what somebody asked for goes first."""
    if asked.goal == ADAPT:
        return []
    first, said = WireError(GAVE_WAY, f"what was asked for goes first ({asked.model})"), list[Command]()
    for run in [*state.aside.values(), state.running]:
        if run is not None and run.goal == ADAPT and run.phase != "activating":
            with aside.turned_to(state, None if run is state.running else run):
                said += fail_with(state, first, now)
    return said


def go_back(state: State, run: Deployment, now: Seconds) -> list[Command]:
    """Activate an epoch again that its devices kept prepared; nothing else may run."""
    assert run.record is not None, "only an epoch can be gone back to"
    state.running, run.phase = run, "activating"
    run.todo = parts.to_activate(run)
    return activate_next(state, now)


def _start(state: State, now: Seconds) -> list[Command]:
    run = telling.running(state)
    if run.record is not None:
        return go_back(state, run, now)
    model = state.models.get(run.model)
    if model is None:
        return fail(state, UnknownModel(f"model {run.model!r} was removed meanwhile"), now)
    away = [] if run.goal == ADAPT else availability.awaited(state, run.request, now)
    if away:
        return telling.awaiting(run, away)
    run.version = run.version or model.version
    try:
        devices = parts.choose(state, run, now)
        placement.check_size(model.name, model.weights, devices)
        placement.check_engine(model.name, model.opset, devices)
        placement.check_custom(model.name, model.operators, devices)
    except LeptonError as error:
        return fail(state, error, now)
    measuring.list_all(state, run, devices)
    return _measure_next(state, now)


def look_again(state: State, at: Moment) -> list[Command]:
    """Go on with a deployment once those that it waits for are back, or had their time."""
    run = state.running
    return _start(state, at.now) if run is not None and run.phase == "awaiting" else []


def _measure_next(state: State, now: Seconds) -> list[Command]:
    """Measure on one device after the other, since they may share a machine; first cut for it."""
    run = telling.running(state)
    said = measuring.next_trial(state, run)
    return _after_profiles(state, now) if said is None else said


def work_failed(state: State, error: WireError, now: Seconds) -> list[Command]:
    """Fail, because the worker could not do its job; without a variant that it could not cut it goes on."""
    run = telling.running(state)
    run.job = None
    if run.phase == "trial" and run.subject is not None:
        return [*measuring.pass_over(run, error.message), *_measure_next(state, now)]
    return fail_with(state, error, now)


def trial_made(state: State, event: TrialMade, now: Seconds) -> list[Command]:
    """Have a device measure what was cut for it."""
    run = state.running
    if run is None or run.job != event.job:
        return []
    run.job, run.phase, device = None, "profiling", run.todo[0]
    command = telling.owe(state, run, "profile", device, Seconds(now + event.command.budget + PROFILE_GRACE))
    say = telling.say(state, run, device, dataclasses.replace(event.command, command=command))
    return [telling.tell(run, "measuring", f"on {device}"), *say]


def profiled(state: State, pending: Pending, message: Profiled, now: Seconds) -> list[Command]:
    """Remember a device's measurement and go on."""
    kept = measuring.note(state, telling.running(state), pending.device, message, now)
    return [*kept, *telling.note_speed(state, pending.device, message.probe), *_measure_next(state, now)]


def _after_profiles(state: State, now: Seconds) -> list[Command]:
    run = telling.running(state)
    if run.goal == "profile":
        return _end(state, Finish(run.cause, run.call, Measured(run.model)), now)
    if unknown := orders.to_gauge(state, run):
        return _gauge(state, unknown[0], now)
    if run.board is None or run.cloud is None or run.goal == "suppose" or orders.is_link_known(state, run):
        return _plan(state, now)
    return _reach(state, now)


def _reach(state: State, now: Seconds) -> list[Command]:
    """Find a way between board and cloud and measure it; then plan."""
    try:
        said = reach.probe(state, now)
    except LeptonError as error:
        return fail(state, error, now)
    return _plan(state, now) if said is None else said


def _gauge(state: State, device: DeviceId, now: Seconds) -> list[Command]:
    """Have a device tell how fast it is: it, or what is known of another, is to be estimated by that."""
    run = telling.running(state)
    run.phase = "gauging"
    command = telling.owe(state, run, "gauge", device, Seconds(now + GAUGE_LIMIT))
    return [
        telling.tell(run, "gauging", f"how fast {device} is"),
        *telling.say(state, run, device, GaugeCommand(command)),
    ]


def gauged(state: State, pending: Pending, message: Gauged, now: Seconds) -> list[Command]:
    """Note how fast a device is and go on."""
    if message.probe <= 0:
        return fail(state, ProfileError(f"{pending.device} cannot tell how fast it is"), now)
    return [*telling.note_speed(state, pending.device, message.probe), *_after_profiles(state, now)]


def probed(state: State, message: Probed, now: Seconds) -> list[Command]:
    """Remember a link and go on."""
    return [*reach.note(state, telling.running(state), message.link, now), *_reach(state, now)]


def _plan(state: State, now: Seconds) -> list[Command]:
    run = telling.running(state)
    try:
        order = orders.plan_order(state, run)
    except LeptonError as error:
        return fail(state, error, now)
    order = loads.counted(state, order, run.cloud, run.board, now)
    run.phase, run.job = "planning", JobId(state.new_id())
    said: list[Command] = [telling.tell(run, "planning", "and cutting"), MakePlan(run.cause, run.job, order)]
    return said + _next(state, now) if aside.step_aside(state, run) else said


def plan_made(state: State, event: PlanMade, now: Seconds) -> list[Command]:
    """Begin the new epoch, or answer a dry run."""
    run = state.running
    if run is None or run.job != event.job:
        return []
    run.job = None
    if run.goal == ADAPT and not adapting.is_worth(state, run, event, Moment(now, run.cause)):
        return _end(state, None, now)
    if event.book is None:
        supposed = Supposed(run.model, event.document, run.request.board)
        return _end(state, Finish(run.cause, run.call, supposed), now)
    unknown = parts.unknown_page(run, event.book)
    if unknown is not None:
        return fail(state, unknown, now)
    if run.goal == "plan":
        done = Deployed(run.model, run.version, Epoch(0), event.book.active, event.document)
        return _end(state, Finish(run.cause, run.call, done), now)
    return _prepare(state, event.book, event.document, now)


def _prepare(state: State, book: PlanBook, document: str, now: Seconds) -> list[Command]:
    run = telling.running(state)
    record, told = parts.new_epoch(state, run, book, document)
    said = told + epochs.put(state, record, run.cause)
    run.phase = "preparing"
    said += [
        *epochs.put(state, dataclasses.replace(record, state=PREPARING), run.cause),
        telling.tell(run, "preparing", f"epoch {record.epoch}"),
    ]
    run.record = state.epochs[record.key]
    for hold in record.holds:
        said += _ask(state, run, state.devices[hold.device], "prepare", now)
    return said + _next(state, now) if aside.step_aside(state, run) else said


def _ask(state: State, run: Deployment, device: Device, kind: str, now: Seconds) -> list[Command]:
    """Ask about the deployment's own epoch and wait for the answer."""
    assert run.record is not None, "there is no epoch to ask about"
    before = set(state.pending)
    said = epochs.ask(state, device, kind, run.record, Moment(now, run.cause))
    run.waiting |= set(state.pending) - before
    return said


def prepared(state: State, pending: Pending, now: Seconds) -> list[Command]:
    """Note that a device is ready; when all are, activate."""
    run = telling.running(state)
    record = state.epochs[pending.model, pending.epoch]
    said = epochs.put(state, dataclasses.replace(record, ready=(*record.ready, pending.device)), run.cause)
    run.record = state.epochs[record.key]
    return said + _go_on(state, now)


def _go_on(state: State, now: Seconds) -> list[Command]:
    """Go on when nobody is waited for."""
    run = telling.running(state)
    if run.waiting:
        return []
    return _ready(state, now) if run.phase == "preparing" else activate_next(state, now)


def _ready(state: State, now: Seconds) -> list[Command]:
    """Activate what is ready: the far side first, the entry last."""
    run = telling.running(state)
    assert run.record is not None, "there is no epoch that could be ready"
    record = dataclasses.replace(run.record, state=READY)
    run.record, run.phase = record, "activating"
    run.tried_first = canary.is_wanted(state, run)
    run.todo = parts.to_activate(run)
    return epochs.put(state, record, run.cause) + activate_next(state, now)


def activate_next(state: State, now: Seconds) -> list[Command]:
    """Go on after a device activated the epoch, or knows that it is tried."""
    run = telling.running(state)
    run.todo = replicas.there(state, run)
    if run.todo:
        kind = "try" if run.tried_first else "activate"
        return _ask(state, run, state.devices[run.todo.pop(0)], kind, now)
    if run.tried_first:
        return _done(state, canary.begin(state, run, Moment(now, run.cause)), now)
    return _activated(state, now)


def _done(state: State, said: list[Command], now: Seconds) -> list[Command]:
    run = telling.running(state)
    return said + _end(state, Finish(run.cause, run.call, parts.done(run)), now)


def _activated(state: State, now: Seconds) -> list[Command]:
    run = telling.running(state)
    assert run.record is not None, "there is no epoch to activate"
    old = state.active_epoch(run.model, run.record.board)
    # The new one is written down first: a kill between leaves two active epochs, and the newest counts.
    said = epochs.put(state, dataclasses.replace(run.record, state=ACTIVE), run.cause)
    said += adapting.activated(state, run, old, Moment(now, run.cause))
    other = parts.left(state, run)
    said += epochs.drain(state, other, Moment(now, run.cause)) if other else []
    active = state.epochs[run.record.key]
    return _done(state, said + epochs.settled_in(state, active, Moment(now, run.cause)), now)


def refused(state: State, pending: Pending, outcome: Outcome, now: Seconds) -> list[Command]:
    """Fail, because a device answered a command of the running deployment with an error."""
    error = outcome.error or WireError("prepare_failed", f"{pending.device} failed to {pending.kind}")
    if pending.kind == "probe" and error.code in reach.NOT_THERE:
        return [*reach.note(state, telling.running(state), error, now), *_reach(state, now)]
    run = telling.running(state)
    if replicas.is_excused(run, pending.device):
        return _without(state, pending.device, error.message, now)
    if pending.kind == "profile" and run.subject is not None:
        return [*measuring.pass_over(run, error.message), *_measure_next(state, now)]
    named = dataclasses.replace(error, device=pending.device, message=f"{pending.device}: {error.message}")
    return fail_with(state, named, now)


def _without(state: State, device: DeviceId, why: str, now: Seconds) -> list[Command]:
    run = telling.running(state)
    return replicas.excuse(state, run, device, why) + _go_on(state, now)


def device_lost(state: State, device: DeviceId, now: Seconds) -> list[Command]:
    """Fail the running deployment when it needs a device that is gone."""
    run = state.running
    if run is not None and replicas.is_excused(run, device):
        return _without(state, device, "it was lost", now)
    if run is None or run.phase == "waiting" or not run.involves(device):
        return []
    error = Unavailable(
        f"{device} was lost while {run.model!r} was {run.phase}", "deploy again when it is back"
    )
    return fail(state, error, now)


def overdue(state: State, pending: Pending, now: Seconds) -> list[Command]:
    """Fail the running deployment: a device has not answered in time."""
    if replicas.is_excused(telling.running(state), pending.device):
        return _without(state, pending.device, f"it did not answer in time ({pending.kind})", now)
    error = PrepareFailed(
        f"{pending.device} did not answer in time ({pending.kind})", "look at the agent's log"
    )
    return fail(state, error, now)


def fail(state: State, error: LeptonError, now: Seconds) -> list[Command]:
    """End the running deployment with a typed error."""
    return fail_with(state, wire_error(error), now)


def fail_with(state: State, error: WireError, now: Seconds) -> list[Command]:
    """End the running deployment with an error; roll back what it began."""
    run = telling.running(state)
    said: list[Command] = [Abandon(run.cause, run.job)] if run.job is not None else []
    was_activating = run.phase == "activating"
    for command in run.waiting:
        state.pending.pop(command, None)
    run.waiting.clear()
    if run.record is not None:
        said += epochs.roll_back(state, run.record, error.message, Moment(now, run.cause), was_activating)
    said += adapting.failed(state, run, error, Moment(now, run.cause))
    return said + _end(state, Fail(run.cause, run.call, error), now)


def _end(state: State, answer: Finish | Fail | None, now: Seconds) -> list[Command]:
    """Give the running call, if somebody made one, its one answer, and start the next that waits."""
    state.running = None
    said: list[Command] = [answer] if answer is not None and answer.call != NOBODY else []
    return said + _next(state, now)


def _next(state: State, now: Seconds) -> list[Command]:
    if not state.waiting:
        return []
    state.running = state.waiting.popleft()
    return _start(state, now)
