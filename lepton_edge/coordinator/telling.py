"""What the running deployment owes and says: commands to devices, progress to its caller.

Law: pure; it decides nothing about the deployment's course.
"""

from __future__ import annotations

from lepton_edge.coordinator.commands import Command, Say, Tell
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
