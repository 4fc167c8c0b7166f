"""What a plan is ordered with: profiles (measured, stale or estimated), the link, the room, the wishes.

Law: pure functions of the state. Nothing is measured here; what is not known is estimated only where the person
said so, and then named.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import placement, reach, relatives
from lepton_edge.coordinator.records import (
    EpochRecord,
    Estimate,
    ModelRecord,
    PlanOrder,
    ProfileRecord,
    Scale,
    Subject,
    VariantOrder,
    changed_since,
    fingerprint,
)
from lepton_edge.coordinator.state import ADAPT, Deployment, Device, State
from lepton_edge.core.errors import NotFound
from lepton_edge.core.messages import PROTOCOL_MINOR, DeviceSpeed, Wishes
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem, ProfileError
from partitioner.units import Bytes, DeviceId

GAUGING = 1  # the minor version of the protocol from which on an agent knows a GaugeCommand
HOW_TO_MEASURE = "deploy without --no-measure, or measure it: lepton-edge profile show NAME"


def stale(state: State, record: ProfileRecord) -> str:
    """Return why a profile no longer counts: the device changed, or requests drifted; empty while it does."""
    device = state.devices.get(record.profile.device)
    changed = changed_since(record.fingerprint, fingerprint(device.hello)) if device else ""
    return changed or record.drift


def is_measured(state: State, run: Deployment, device: Device, subject: Subject | None = None) -> bool:
    """Return whether `device` needs no measurement of the model, or of its variant `subject`, for this deployment."""
    record = state.profiles.get((*(subject or (run.model, run.version)), device.name))
    if record is None or run.request.refresh:
        return False
    if run.goal == ADAPT:  # requests run: what drifted is planned with as far as it drifted
        return not changed_since(record.fingerprint, fingerprint(device.hello))
    return not stale(state, record)


def is_link_known(state: State, run: Deployment) -> bool:
    """Return whether a replan needs no probe: requests run on the link, which show it, or it was probed before."""
    if run.goal != ADAPT or run.board is None or run.cloud is None:
        return False
    return reach.current(state, run.board, run.cloud) is not None


def with_inputs(state: State, run: Deployment, record: EpochRecord) -> EpochRecord:
    """Return a new epoch that knows what it was planned with."""
    return dataclasses.replace(record, link=_link(state, run), scales=_scales(state, run))


def _scales(state: State, run: Deployment) -> tuple[Scale, ...]:
    """Return how far the devices of a replan have drifted, by what they run; a person's deployment measures anew."""
    active = state.active_epoch(*run.target)
    same = active if active is not None and active.version == run.version else None
    records = [
        (name, state.profiles.get((*(same.runs_on(name) if same else (run.model, run.version)), name)))
        for name in (run.board, run.cloud)
        if name
    ]
    return tuple(Scale(name, one.scale) for name, one in records if one is not None and one.scale != 1.0)


def plan_order(state: State, run: Deployment) -> PlanOrder:
    """Return what the worker is told to plan.

    Raises:
        ProfileError: a device was never measured, and nothing is there to estimate it by.
        NotFound, InvalidProblem: what is supposed names a device that takes no part, or what cannot be.
    """
    records = {name: _record(state, run, name) for name in (run.board, run.cloud) if name}
    board, cloud = (records.get(name) if name else None for name in (run.board, run.cloud))
    wishes = _with_watts(run.request.wishes, _device(state, run.board), _device(state, run.cloud))
    wishes = _with_lacks(wishes, state, run)
    order = PlanOrder(
        run.model,
        run.version,
        board.profile if board else None,
        cloud.profile if cloud else None,
        _link(state, run),
        run.request.keep_input_on_board,
        run.request.page,
        room(state, run.board, left(run, run.board, wishes.board_memory)),
        room(state, run.cloud, left(run, run.cloud, wishes.cloud_memory)),
        wishes,
        _estimate(state, run, run.board) if board is None else None,
        _estimate(state, run, run.cloud) if cloud is None else None,
        tuple(name for name, record in records.items() if record is not None and stale(state, record)),
        minor=min((minor_of(state, name) for name in records), default=PROTOCOL_MINOR),
        queue=run.request.queue,
        variants=_variants(state, run),
        outdated=relatives.outdated(state, run.model, run.version),
    )
    order = _supposing(order, run)
    return _adapting(order, state, run) if run.goal == ADAPT else order


def _variants(state: State, run: Deployment) -> tuple[VariantOrder, ...]:
    """Return the variants of the model that were measured on a device that takes part, and still count there."""
    found = []
    for record in relatives.variants_of(state, run.model, run.version):
        board, cloud = (_counting(state, record, name) for name in (run.board, run.cloud))
        if board or cloud:
            found.append(VariantOrder(record.name, record.version, board, cloud))
    return tuple(found)


def _counting(state: State, model: ModelRecord, device: DeviceId | None) -> DeviceProfile | None:
    """Return the measurement of a variant while the device is as it was, drifted or not."""
    record = state.profiles.get((model.name, model.version, device)) if device else None
    known = state.devices.get(device) if device else None
    if record is None or (known and changed_since(record.fingerprint, fingerprint(known.hello))):
        return None
    return record.profile


def _adapting(order: PlanOrder, state: State, run: Deployment) -> PlanOrder:
    """Return the order of a replan: devices as slow as they have become; cut only what is to be prepared."""
    speeds = tuple(DeviceSpeed(scale.device, 1.0 / scale.times) for scale in _scales(state, run))
    return dataclasses.replace(order, speeds=speeds, explain_only=run.weighing, front=False)


def minor_of(state: State, name: DeviceId) -> int:
    """Return the minor version of the protocol that a device speaks, as far as it is known and we speak it."""
    device = state.devices.get(name)
    return min(device.hello.protocol_minor, PROTOCOL_MINOR) if device else PROTOCOL_MINOR


def _link(state: State, run: Deployment) -> LinkProfile | None:
    """Return the link as a probe found it just now; without one, as it is best known."""
    if not run.board or not run.cloud:
        return None
    if run.goal == ADAPT and not run.tried:
        active = state.active_epoch(*run.target)
        planned = active.link if active is not None and active.cloud == run.cloud else None
        return reach.lately(state, run.board, run.cloud, planned)
    if run.tried:
        return state.links.get((run.board, run.cloud))
    return reach.current(state, run.board, run.cloud)


def _supposing(order: PlanOrder, run: Deployment) -> PlanOrder:
    if run.supposed is None:
        return order
    speeds = _speeds(run, run.supposed.speeds)
    return dataclasses.replace(order, link_change=run.supposed.link, speeds=speeds, explain_only=True)


def _record(state: State, run: Deployment, name: DeviceId) -> ProfileRecord | None:
    return state.profiles.get((run.model, run.version, name))


def _device(state: State, name: DeviceId | None) -> Device | None:
    return state.devices.get(name) if name else None


def room(state: State, name: DeviceId | None, declared: Bytes) -> Bytes:
    """Return the bytes a device has for the model: what was declared, within what it told."""
    told = placement.memory_of(_device(state, name))
    return min(told, declared) if told and declared else told or declared


def left(run: Deployment, name: DeviceId | None, declared: Bytes) -> Bytes:
    """Return the bytes that were declared for a device, or that it has left."""
    return run.rooms.get(name, declared) if name else declared


def _with_watts(wishes: Wishes, board: Device | None, cloud: Device | None) -> Wishes:
    """Return the wishes with the watts that agents told, where the wishes declare none."""
    return dataclasses.replace(
        wishes,
        board_watts=wishes.board_watts or (board.hello.watts if board else 0.0),
        cloud_watts=wishes.cloud_watts or (cloud.hello.watts if cloud else 0.0),
        radio_watts=wishes.radio_watts or (board.hello.radio_watts if board else 0.0),
    )


def _with_lacks(wishes: Wishes, state: State, run: Deployment) -> Wishes:
    """Return the wishes with what each device lacks, said or told."""
    board, cloud = (lacks(state, run, name) if name else () for name in (run.board, run.cloud))
    return dataclasses.replace(
        wishes, board_lacks=board or wishes.board_lacks, cloud_lacks=cloud or wishes.cloud_lacks
    )


def lacks(state: State, run: Deployment, name: DeviceId) -> tuple[str, ...]:
    """Return the operators that a device of a deployment lacks: was said to, or may not load the library of."""
    wishes, model = run.request.wishes, state.models.get(run.model)
    by_device = {run.board: wishes.board_lacks, run.cloud: wishes.cloud_lacks}
    told = placement.foreign(_device(state, name), model.operators if model else ())
    return tuple(dict.fromkeys((*by_device.get(name, ()), *told)))


def to_gauge(state: State, run: Deployment) -> list[DeviceId]:
    """Return whose speed must be known before a device is estimated: its own, and its sibling's if that is there."""
    missing = [name for name in (run.board, run.cloud) if name and _record(state, run, name) is None]
    if not missing:
        return []
    siblings = [device.name for device, _ in _siblings(state, run)]
    return [name for name in [*missing, *siblings] if siblings and _can_be_gauged(state.devices[name])]


def _can_be_gauged(device: Device) -> bool:
    """Return whether a device's speed is not known and it can be asked."""
    hello = device.hello
    return hello.probe <= 0 and device.stream is not None and hello.protocol_minor >= GAUGING


def _siblings(state: State, run: Deployment) -> list[tuple[Device, ProfileRecord]]:
    """Return the devices on which the model was measured, and their profiles."""
    return [
        (state.devices[name], record)
        for (model, version, name), record in state.profiles.items()
        if (model, version) == (run.model, run.version) and name in state.devices
    ]


def _estimate(state: State, run: Deployment, name: DeviceId | None) -> Estimate | None:
    """Return what to estimate a device by that was never measured: a sibling, of the same role if there is one."""
    if not name:
        return None
    device = state.devices[name]
    siblings = _siblings(state, run)
    known = [one for one in siblings if one[0].hello.probe > 0 and device.hello.probe > 0]
    if not known:
        raise ProfileError(
            f"{name} was never measured with {run.model!r}, and {_why_no_estimate(name, siblings)}",
            HOW_TO_MEASURE,
        )
    sibling, record = min(known, key=lambda one: (one[0].hello.role != device.hello.role, one[0].name))
    return Estimate(name, record.profile, sibling.hello.probe, device.hello.probe)


def _why_no_estimate(name: DeviceId, siblings: list[tuple[Device, ProfileRecord]]) -> str:
    if not siblings:
        return "neither was any other device, so there is nothing to estimate it by"
    return f"the speed of {name}, or that of who was measured, is not known"


def _speeds(run: Deployment, speeds: tuple[DeviceSpeed, ...]) -> tuple[DeviceSpeed, ...]:
    """Return the supposed speeds by the names of devices that take part."""
    by_role = {"board": run.board, "cloud": run.cloud}
    found = []
    for one in speeds:
        name = by_role.get(one.device) or one.device
        if name not in by_role.values():
            there = ", ".join(str(name) for name in by_role.values() if name)
            raise NotFound(
                f"{one.device!r} takes no part in this plan (there is: {there})", "name one of them"
            )
        if one.times <= 0:
            raise InvalidProblem(f"{name} cannot be {one.times:g} times as fast", "give a number above 0")
        found.append(DeviceSpeed(DeviceId(name), one.times))
    return tuple(found)
