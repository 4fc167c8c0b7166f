"""What follows when certificates count no more, or one is shown where it does not belong.

Law: pure. Agents hear every serial that is revoked, whenever they attach and whenever one is added, since they meet
each other without the coordinator. Agents before protocol 1.1 have no certificates.
"""

from __future__ import annotations

from lepton_edge.coordinator import changes, losing
from lepton_edge.coordinator.commands import Command, Hang, Say
from lepton_edge.coordinator.events import CertificatesRevoked, DeviceReplaced, DeviceSuspected
from lepton_edge.coordinator.records import wire_error
from lepton_edge.coordinator.state import Device, Moment, State
from lepton_edge.core import joining
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.messages import Rejected, Revoked
from partitioner.units import Seconds

SINCE_MINOR = 1


def revoked(state: State, event: CertificatesRevoked, now: Seconds) -> list[Command]:
    """Remember what is revoked, tell every agent, and let go of the one that is shut out."""
    state.revoked, state.shut_out = event.serials, event.shut_out
    said = [one for device in state.connected() for one in told(state, device, event.cause)]
    device = state.devices.get(event.device)
    if device is None:
        return said
    at = Moment(now, event.cause)
    if device.stream is None:
        return [
            *said,
            changes.note(state, "device", "a person's word", at, device=device.name, after="revoked"),
        ]
    error = joining.revoked(Identity(Role.AGENT, device.name))
    said += [
        Say(event.cause, device.stream, Rejected(wire_error(error))),
        Hang(event.cause, device.stream),
        *losing.lose(state, device, "its certificate is revoked", at),
    ]
    return said


def told(state: State, device: Device, cause: str) -> list[Command]:
    """Tell an agent whom it must not believe."""
    if not state.revoked or device.stream is None or device.hello.protocol_minor < SINCE_MINOR:
        return []
    return [Say(cause, device.stream, Revoked(state.revoked))]


def suspected(state: State, event: DeviceSuspected, now: Seconds) -> list[Command]:
    """Write down that a device's certificate was shown on another machine, or by two at a time."""
    at = Moment(now, event.cause)
    cause = "its certificate was shown where it should not be"
    return [changes.note(state, "device", cause, at, device=event.device, after="refused", message=event.why)]


def replaced(state: State, event: DeviceReplaced, now: Seconds) -> list[Command]:
    """Write down that another key took a device's name over."""
    at, cause = Moment(now, event.cause), "another agent joined under its name"
    return [
        changes.note(state, "device", cause, at, device=event.device, after="replaced", message=event.what)
    ]
