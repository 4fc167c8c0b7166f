"""How often agents are to be heard: every `heartbeat`, and more seldom where many of them would keep us busy.

Law: pure. A sign of life costs this process 0.3 to 0.7 ms (`bench.agents`), so that 5,000 agents at a second and a
half would take more than a processor. Past `BEATS` a second the pauses grow with the number of agents, and their leases
with the pauses; agents that were told another pause hear the new one when it differs by half, some at a time.
"""

from __future__ import annotations

from lepton_edge.coordinator import leading
from lepton_edge.coordinator.commands import Command, Say
from lepton_edge.coordinator.state import Device, Moment, State
from lepton_edge.core.messages import Welcome
from partitioner.units import Seconds

BEATS = 600
"""Signs of life a second: a fifth of a processor with 1,000 agents, half of one with 5,000 (`bench.agents`)."""
APART = 1.5
AT_ONCE = 100  # told anew in one look, so that a crowd does not make a burst


def pause(state: State) -> Seconds:
    """Return the seconds between two signs of life of one agent that are right for as many as are attached."""
    attached = sum(device.stream is not None for device in state.devices.values())
    return Seconds(max(state.settings.heartbeat, attached / BEATS))


def lease(state: State, device: Device) -> Seconds:
    """Return how long an agent may be silent: as many of its pauses as the settings say."""
    settings = state.settings
    told = max(device.heartbeat, settings.heartbeat)
    return Seconds(settings.lease * told / settings.heartbeat)


def welcome(state: State, device: Device) -> Welcome:
    """Return the greeting of an agent, with its pause; it is remembered as told."""
    settings = state.settings
    device.heartbeat = pause(state)
    return Welcome(
        device.name,
        lease(state, device),
        device.heartbeat,
        settings.software,
        settings.term,
        leading.leader(state),
    )


def adjust(state: State, at: Moment) -> list[Command]:
    """Tell agents whose pause no longer fits."""
    right = pause(state)
    said: list[Command] = []
    for device in state.devices.values():
        if device.stream is not None and not right / APART <= device.heartbeat <= right * APART:
            said.append(Say(at.cause, device.stream, welcome(state, device)))
            if len(said) == AT_ONCE:
                break
    return said
