"""What a deployment measures: the model on its devices, then the variants that these might run instead.

Law: pure. One device after the other, since they may share a machine. A variant that cannot be measured somewhere is
passed over, and the caller told; the model itself must be measured, or the deployment fails (`deployments.py`).
"""

from __future__ import annotations

from lepton_edge.coordinator import orders, parts, placement, relatives, telling
from lepton_edge.coordinator.commands import Command, KeepProfile, MakeTrial
from lepton_edge.coordinator.records import JobId, ModelRecord, ProfileRecord, Subject, fingerprint
from lepton_edge.coordinator.state import Deployment, Device, State
from lepton_edge.core.messages import Profiled
from partitioner.units import DeviceId, Seconds

WITH_VARIANTS = ("activate", "plan")


def list_all(state: State, run: Deployment, devices: list[Device]) -> None:
    """Note who is to be measured, and with which variants after that."""
    run.todo = parts.to_measure(state, run, devices)
    run.also, run.subject = _variants(state, run, devices), None


def _variants(state: State, run: Deployment, devices: list[Device]) -> list[tuple[DeviceId, Subject]]:
    """Return which variants of the model are to be measured where: those that a person did not choose others over."""
    if run.goal not in WITH_VARIANTS or not run.request.wishes.measure:
        return []
    return [
        (device.name, (model.name, model.version))
        for model in relatives.variants_of(state, run.model, run.version)
        for device in devices
        if _may_run(run, model, device)
        and not orders.is_measured(state, run, device, (model.name, model.version))
    ]


def _may_run(run: Deployment, variant: ModelRecord, device: Device) -> bool:
    wishes = run.request.wishes
    chosen = wishes.board_variant if device.name == run.board else wishes.cloud_variant
    return chosen in ("", variant.name)


def next_trial(state: State, run: Deployment) -> list[Command] | None:
    """Have what is measured next cut into segments; None when all is measured."""
    if not run.todo:
        if not run.also:
            return None
        device, run.subject = run.also.pop(0)
        run.todo = [device]
    run.phase, run.job = "trial", JobId(state.new_id())
    device, (model, version) = run.todo[0], run.measured
    memory, minor = placement.memory_of(state.devices[device]), orders.minor_of(state, device)
    what = f"{run.subject[0]} " if run.subject else ""
    told = telling.tell(run, "cutting", f"{what}into segments to measure on {device}")
    return [
        told,
        MakeTrial(run.cause, run.job, model, version, memory, _lacks(state, run, device), minor),
    ]


def _lacks(state: State, run: Deployment, device: DeviceId) -> tuple[str, ...]:
    """Return the operators that a device lacks; a variant may have none of them, so it is tried whole."""
    return () if run.subject else orders.lacks(state, run, device)


def note(state: State, run: Deployment, device: DeviceId, message: Profiled, now: Seconds) -> list[Command]:
    """Remember a measurement."""
    seen = fingerprint(state.devices[device].hello)
    record = ProfileRecord(message.profile, seen, Seconds(now + state.settings.wall))
    model, version = run.measured
    state.profiles[model, version, device] = record
    run.todo.remove(device)
    return [KeepProfile(run.cause, model, version, record)]


def pass_over(run: Deployment, why: str) -> list[Command]:
    """Go on without a variant on the device where it was to be measured; tell the caller."""
    assert run.subject is not None, "only a variant is passed over"
    device = run.todo.pop(0)
    return [telling.tell(run, "measuring", f"not {run.subject[0]} on {device}: {why}")]
