"""Planned work: devices drained, removed, taking part again; the version of a model before.

Law: pure. Draining is a state, not a script: at each look the next epoch that the device has a part in is moved
elsewhere by an ordinary deployment (make before break), until none is left and nothing runs there. So it may be asked
for twice, and goes on after whatever happens meanwhile, a restart of the coordinator too. Each call ends in one answer.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import (
    availability,
    canary,
    changes,
    deployments,
    epochs,
    losing,
    moving,
    quarantine,
    requests,
)
from lepton_edge.coordinator.commands import (
    Command,
    Deployed,
    DeviceGone,
    Drained,
    Fail,
    Finish,
    ForgetDevice,
    Hang,
    KeepDrained,
    RolledBack,
    Say,
    Tell,
)
from lepton_edge.coordinator.events import DeviceRemoveAsked, DrainAsked, RollBackAsked
from lepton_edge.coordinator.records import CallId, EpochRecord, wire_error
from lepton_edge.coordinator.standing import MAX_CALLERS, Caller, Drain
from lepton_edge.coordinator.state import Deployment, Device, Moment, State
from lepton_edge.core.errors import NotFound, Overloaded, Unavailable
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Progress, Rejected
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

TRIES = 3  # of moving one epoch, before who waits is told; it is tried on without them
RETRY_AFTER = Seconds(5.0)  # times the failures so far, twelve at most
MAX_REMOVED = 64


# --- what people ask for --------------------------------------------------------------------------


def drain_asked(state: State, event: DrainAsked, now: Seconds) -> list[Command]:
    """Begin to drain a device, wait with those who wait already, or let it take part again."""
    name, at = event.request.device, Moment(now, event.cause)
    if name not in state.devices:
        return [_unknown(event.cause, event.call, name)]
    if event.request.undo:
        return _undo(state, name, Caller(event.cause, event.call), at)
    return _begin(state, name, Caller(event.cause, event.call), event.request.force, at)


def remove_asked(state: State, event: DeviceRemoveAsked, now: Seconds) -> list[Command]:
    """Drain a device and forget it then; with force, let go of it at once and move its work after."""
    name, at = event.request.device, Moment(now, event.cause)
    device = state.devices.get(name)
    if device is None and name in state.removed:
        return [Finish(event.cause, event.call, DeviceGone(name))]
    if device is None:
        return [_unknown(event.cause, event.call, name)]
    return _begin(state, name, Caller(event.cause, event.call, removed=True), event.request.force, at)


def _unknown(cause: str, call: CallId, name: DeviceId) -> Fail:
    error = NotFound(f"no device is called {name!r}", "see: lepton-edge device list")
    return Fail(cause, call, wire_error(error))


def _begin(state: State, name: DeviceId, caller: Caller, force: bool, at: Moment) -> list[Command]:
    drain, said = state.drains.get(name), list[Command]()
    if drain is None:
        drain = state.drains[name] = Drain(at.now)
        said = [
            KeepDrained(at.cause, tuple(sorted(state.drains))),
            changes.note(
                state, "device", "a person's word", at, device=name, before="takes part", after="drained"
            ),
        ]
    if len(drain.callers) >= MAX_CALLERS:
        full = Overloaded(f"{MAX_CALLERS} calls wait for {name} to be drained", "wait for one of them")
        return [*said, Fail(caller.cause, caller.call, wire_error(full))]
    drain.callers.append(caller)
    drain.force, drain.tries, drain.retry_at = drain.force or force, 0, at.now
    return said + advance(state, at)


def _undo(state: State, name: DeviceId, caller: Caller, at: Moment) -> list[Command]:
    """Let a device take part again; who waited for it to be drained is told."""
    drain, released = state.drains.pop(name, None), quarantine.release(state, name)
    said: list[Command] = []
    if drain is not None:
        over = wire_error(Unavailable(f"{name} takes part again: draining it was undone"))
        said += [KeepDrained(at.cause, tuple(sorted(state.drains)))]
        said += [Fail(one.cause, one.call, over) for one in drain.callers]
    if drain is not None or released:
        about = {"device": name, "before": "drained" if drain else "quarantined", "after": "takes part"}
        said.append(changes.note(state, "device", "a person's word", at, **about))
    return [*said, Finish(caller.cause, caller.call, Drained(name, undone=True))]


def roll_back_asked(state: State, event: RollBackAsked, now: Seconds) -> list[Command]:
    """Call off what is tried, or activate the version before again: at once, since its devices hold it ready."""
    asked, at = event.request, Moment(now, event.cause)
    try:
        record = requests.active(state, asked.name, asked.board)
        if record is None:
            raise NotFound(f"no version of {asked.name!r} is active", "see: lepton-edge model list")
        target = (record.model, record.board)
        if target in state.canaries:
            said = canary.call_off(state, target, "a person called it off", at)
            return [*said, Finish(event.cause, event.call, RolledBack(record.model, record.epoch))]
        run = requests.activating(
            canary.version_before(state, target, now), event.cause, "a person wants the version before"
        )
    except LeptonError as error:
        return [Fail(event.cause, event.call, wire_error(error))]
    run.call = event.call
    return deployments.begin(state, run, now)


# --- getting there --------------------------------------------------------------------------------


def advance(state: State, at: Moment) -> list[Command]:
    """Do what is next for every device that is being drained."""
    said: list[Command] = []
    for name, drain in list(state.drains.items()):
        said += _advance(state, name, drain, at)
    return said


def _advance(state: State, name: DeviceId, drain: Drain, at: Moment) -> list[Command]:
    if drain.moving is not None or drain.retry_at > at.now:
        return []
    record = moving.next_to_move(state, name)
    if record is not None:
        drain.idle = False
        return _move(state, name, drain, record, at)
    left = canary.leave(state, name, at)
    if moving.is_busy(state, name) and not drain.force:
        return left
    drain.idle, drain.tries = True, 0
    return left + _done(state, name, drain, at)


def _move(state: State, name: DeviceId, drain: Drain, record: EpochRecord, at: Moment) -> list[Command]:
    """Let others run what `record` runs; where others do already, or nobody can and that is wanted, end it."""
    if moving.is_served_elsewhere(state, record, name):
        return epochs.drain(state, record, at)
    try:
        request = moving.elsewhere(state, record, availability.placeable(state, at.now), name)
    except LeptonError as error:
        if drain.force:
            return epochs.drain(state, record, at)
        hint = f"end it with --force, or first: {error.hint}"
        return _give_up(state, name, drain, dataclasses.replace(wire_error(error), hint=hint), at)
    state.counter += 1
    call = CallId(f"drain {name} {state.counter}")
    drain.moving = call
    told = [_tell(caller, f"{record.model} to {request.board or request.cloud}") for caller in drain.callers]
    run = Deployment(at.cause, call, "activate", request, why=f"{name} is drained")
    run.version, run.asked = record.version, requests.as_asked(record, request, without=name)
    return [*told, *noted(state, deployments.begin(state, run, at.now), at)]


def _tell(caller: Caller, message: str) -> Tell:
    return Tell(caller.cause, caller.call, Progress(caller.call, "moving", 0, 0, message))


def _give_up(state: State, name: DeviceId, drain: Drain, error: WireError, at: Moment) -> list[Command]:
    """Tell who waits; the device takes part as before, since what it runs could not be moved."""
    del state.drains[name]
    said: list[Command] = [KeepDrained(at.cause, tuple(sorted(state.drains)))]
    said.append(
        changes.note(
            state, "device", error.message, at, device=name, message="it is not drained", after="takes part",
            verdict="refused",
        )
    )  # fmt: skip
    return said + [Fail(one.cause, one.call, error) for one in drain.callers]


def noted(state: State, said: list[Command], at: Moment) -> list[Command]:
    """Take out of what is said the answers to this room's own deployments, and go on by them."""
    own = {drain.moving: (name, drain) for name, drain in state.drains.items() if drain.moving is not None}
    if not own:
        return said
    kept: list[Command] = []
    for command in said:
        found = own.get(command.call) if isinstance(command, (Finish, Fail, Tell)) else None
        if found is None:
            kept.append(command)
        elif isinstance(command, Tell):
            kept += [_passed_on(caller, command.progress) for caller in found[1].callers]
        else:
            kept += _moved(state, *found, command, at)
    return kept


def _passed_on(caller: Caller, progress: Progress) -> Tell:
    return Tell(caller.cause, caller.call, dataclasses.replace(progress, command=caller.call))


def _moved(state: State, name: DeviceId, drain: Drain, answer: Command, at: Moment) -> list[Command]:
    """Go on after an epoch was moved, or could not be."""
    drain.moving = None
    if isinstance(answer, Fail):
        drain.tries, drain.error = drain.tries + 1, answer.error
        drain.retry_at = Seconds(at.now + RETRY_AFTER * min(drain.tries, 12))
        return _give_up(state, name, drain, answer.error, at) if drain.tries >= TRIES else []
    drain.tries = 0
    if isinstance(answer, Finish) and isinstance(answer.ending, Deployed):
        model, epoch = answer.ending.model, answer.ending.epoch
        if (
            state.active_epoch(model, name) is not None
        ):  # it ends next: what was made instead ends when it is back
            state.stand_ins[model, name] = (model, epoch)
    return []  # what is left of it is looked at next


def _done(state: State, name: DeviceId, drain: Drain, at: Moment) -> list[Command]:
    """Answer who waits; forget the device if one of them wants that."""
    callers, drain.callers = drain.callers, []
    said: list[Command] = []
    if any(caller.removed for caller in callers):
        said = forget(state, name, at)
    for caller in callers:
        ending = DeviceGone(name) if caller.removed else Drained(name)
        said.append(Finish(caller.cause, caller.call, ending))
    return said


def forget(state: State, name: DeviceId, at: Moment) -> list[Command]:
    """Forget a device on which nothing runs; its process is not let in again before it is started anew."""
    device = state.devices[name]
    told = _dismiss(state, device, at)
    del state.devices[name], state.drains[name]
    state.conduct.pop(name, None)
    _remember_removed(state, device)
    for key in [key for key in state.profiles if key[2] == name]:
        del state.profiles[key]
    for pair in [pair for pair in state.links if name in pair]:
        del state.links[pair]
        state.probed_at.pop(pair, None)
        state.dialled_by_cloud.discard(pair)
    for target in [key for key in state.stand_ins if key[1] == name]:
        del state.stand_ins[target]
    for watch in [key for key in state.watches if key[0] == name]:
        del state.watches[watch]
    return [
        *told,
        ForgetDevice(at.cause, name),
        KeepDrained(at.cause, tuple(sorted(state.drains))),
        changes.note(state, "device", "a person's word", at, device=name, after="removed"),
    ]


def _dismiss(state: State, device: Device, at: Moment) -> list[Command]:
    """Tell the process of a device that it is wanted no more, and let go of it."""
    if device.stream is None:
        return []
    told = Rejected(wire_error(availability.removed(device.name)))
    said: list[Command] = [Say(at.cause, device.stream, told), Hang(at.cause, device.stream)]
    return said + losing.lose(state, device, "it is removed", at)


def _remember_removed(state: State, device: Device) -> None:
    state.removed[device.name] = device.hello.incarnation
    while len(state.removed) > MAX_REMOVED:
        del state.removed[next(iter(state.removed))]
