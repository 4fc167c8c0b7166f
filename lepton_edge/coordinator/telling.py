"""What the running deployment owes and says: commands to devices, progress to its caller.

Law: pure; it decides nothing about the deployment's course.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator.commands import Command, KeepDevice, Say, Tell
from lepton_edge.coordinator.state import Deployment, Pending, State
from lepton_edge.core.messages import GaugeCommand, ProbeCommand, ProfileCommand, Progress
from partitioner.units import DeviceId, Epoch, Seconds


def running(state: State) -> Deployment:
    """Return the deployment that runs."""
    if state.running is None:
        raise AssertionError("no deployment runs")
    return state.running


def owe(state: State, run: Deployment, kind: str, device: DeviceId, deadline: Seconds) -> str:
    """Note that `device` owes the deployment an answer until `deadline`; return the command's id."""
    command = state.new_id()
    state.pending[command] = Pending(command, kind, device, run.model, Epoch(0), deadline)
    run.waiting.add(command)
    return command


def say(
    state: State, run: Deployment, device: DeviceId, message: ProfileCommand | ProbeCommand | GaugeCommand
) -> list[Command]:
    """Say `message` to `device`, if it is there."""
    stream = state.devices[device].stream
    return [Say(run.cause, stream, message)] if stream is not None else []


def tell(run: Deployment, stage: str, message: str) -> Tell:
    """Tell the caller how far the deployment has come."""
    return Tell(run.cause, run.call, Progress(run.call, stage, 0, 0, message))


def awaiting(run: Deployment, away: list[DeviceId]) -> list[Command]:
    """Let the deployment wait for agents that are not back since this coordinator began, and say so once."""
    if run.phase == "awaiting":
        return []
    run.phase = "awaiting"
    names = ", ".join([*away[:3], *(["..."] if len(away) > 3 else [])])
    return [tell(run, "waiting", f"for {names} to come back to a coordinator that has just begun")]


def note_speed(state: State, name: DeviceId, probe: Seconds) -> list[Command]:
    """Remember how fast a device is, to estimate others by it, or it by others."""
    device = state.devices[name]
    if probe <= 0 or probe == device.hello.probe:
        return []
    device.hello = dataclasses.replace(device.hello, probe=probe)
    return [KeepDevice(running(state).cause, device.hello, known=True)]
