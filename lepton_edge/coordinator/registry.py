"""Who is there: agents that say hello, are heard, fall silent, come back, or bear a name that is taken.

Law: pure. A name belongs to the process that holds a live stream under it; when that stream ends, or was not
heard for a lease, the name is free. The same process (incarnation) may replace its own stream at any time.
"""

from __future__ import annotations

import dataclasses
import math
import re

from lepton_edge.coordinator import availability, leading, pulse
from lepton_edge.coordinator.commands import Command, Hang, Say
from lepton_edge.coordinator.events import Attached
from lepton_edge.coordinator.leading import GONE
from lepton_edge.coordinator.limits import MAX_DEVICES
from lepton_edge.coordinator.records import StreamId, fingerprint, wire_error
from lepton_edge.coordinator.state import Device, Moment, State
from lepton_edge.core.errors import AlreadyExists, IncompatibleVersion, InvalidInput, Overloaded
from lepton_edge.core.messages import (
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    EpochStatus,
    Hello,
    Rejected,
    Telemetry,
)
from partitioner.errors import LeptonError
from partitioner.units import Seconds

STILL = Seconds(2.0)
"""Between two looks at the time: with more, this process stood still (a lid, a paused machine, SIGSTOP)."""
ROLES = ("board", "cloud")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # what an agent's command line lets through


def refusal(state: State, hello: Hello) -> LeptonError | None:
    """Return why an agent cannot be registered now, or None."""
    apart = abs(hello.protocol_minor - PROTOCOL_MINOR)
    if hello.protocol_major != PROTOCOL_MAJOR or apart > 1:  # what two ends of a link hold each other to
        return IncompatibleVersion(
            f"agent {hello.device!r} ({hello.software}) speaks protocol "
            f"{hello.protocol_major}.{hello.protocol_minor}, "
            f"this coordinator ({state.settings.software}) speaks {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}",
            "install the same release of lepton-edge on both",
        )
    if not NAME.fullmatch(hello.device) or hello.role not in ROLES:
        return InvalidInput(
            f"an agent needs a name and a role, not {hello.device[:80]!r} and {hello.role[:80]!r}",
            "names have letters, digits, '.', '_' and '-', 63 at most; roles are board and cloud",
        )
    if not 1.0 <= hello.simulated_slowdown < math.inf:
        return InvalidInput(
            f"{hello.device!r} is simulated {hello.simulated_slowdown} times slower", "give 1 or more"
        )
    if min(hello.watts, hello.radio_watts, hello.probe) < 0:
        return InvalidInput(f"{hello.device!r} tells negative watts or seconds of itself", "give 0 or more")
    known = state.devices.get(hello.device)
    if known is not None and known.stream is not None and known.hello.incarnation != hello.incarnation:
        return AlreadyExists(
            f"another agent called {hello.device!r} is connected from "
            f"{', '.join(known.hello.data_addresses)}",
            "start this one under another name (--name), or stop the other",
        )
    if known is None and len(state.connected()) >= MAX_DEVICES:
        return Overloaded(f"{MAX_DEVICES} devices are connected, which is as many as this coordinator takes")
    if state.removed.get(hello.device) == hello.incarnation:
        return availability.removed(hello.device)
    return leading.refusal(state, hello)


def refuse(state: State, event: Attached, now: Seconds) -> list[Command] | None:
    """Return what to say to an agent that cannot be registered, or None when it can."""
    error = refusal(state, event.hello)
    if error is None:
        return None
    refused: list[Command] = [
        Say(event.cause, event.stream, Rejected(wire_error(error))),
        Hang(event.cause, event.stream),
    ]
    return [*refused, *leading.heard_of(state, event.hello, Moment(now, event.cause))]


def admit(state: State, event: Attached, now: Seconds) -> Device:
    """Put an agent on the register under its new stream and return it."""
    known = state.devices.get(event.hello.device)
    if known is None:
        _make_room(state)
    held = {
        (status.model, status.epoch): leading.state_of(state, status.leader, status.state)
        for status in event.hello.epochs
        if status.state not in GONE
    }
    hello = _with_speed(event.hello, known)
    device = Device(hello, event.stream, now, known.telemetry if known else None, held)
    state.devices[event.hello.device] = device
    return device


def _with_speed(hello: Hello, known: Device | None) -> Hello:
    """Return the greeting with the speed that the same device, unchanged, was found to have before."""
    if known is None or hello.probe > 0 or fingerprint(known.hello) != fingerprint(hello):
        return hello
    return dataclasses.replace(hello, probe=known.hello.probe)


def _make_room(state: State) -> None:
    """Forget the device that is away for longest when the register is full."""
    away = sorted(
        (d for d in state.devices.values() if d.stream is None and d.name not in state.drains),
        key=lambda device: device.heard,
    )
    if len(state.devices) >= MAX_DEVICES and away:
        del state.devices[away[0].name]
        state.conduct.pop(away[0].name, None)


def welcome(state: State, event: Attached) -> Say:
    """Return the greeting of a registered agent."""
    return Say(event.cause, event.stream, pulse.welcome(state, state.devices[event.hello.device]))


def says_the_same(known: Hello, hello: Hello) -> bool:
    """Return whether a device said before what it says now, but for what it holds and whom it obeys."""
    before, now = (dataclasses.replace(one, epochs=(), leader=None, adopt=False) for one in (known, hello))
    return before == now


def moved(known: Device | None, hello: Hello) -> bool:
    """Return whether a returning agent must be looked for elsewhere than before."""
    if known is None:
        return False
    return known.hello.data_addresses != hello.data_addresses or known.hello.incarnation != hello.incarnation


def hear(state: State, stream: StreamId, now: Seconds) -> Device | None:
    """Renew the lease of the agent on `stream` and return it; None for a stream that is not registered."""
    device = state.device_of(stream)
    if device is not None:
        device.heard = now
    return device


def note_status(state: State, device: Device, message: Telemetry | EpochStatus) -> None:
    """Remember what an agent tells of itself."""
    if isinstance(message, Telemetry):
        device.telemetry = message
        return
    key = (message.model, message.epoch)
    if message.state in GONE:
        device.epochs.pop(key, None)
    else:
        device.epochs[key] = leading.state_of(state, message.leader, message.state)


def stood_still(state: State, now: Seconds) -> None:
    """Where this process itself stood still, nobody could be heard meanwhile: forgive that.

    Time is looked at every quarter of a second. Of a longer pause `STILL` counts, so that a process that is always
    late finds out at last who is gone. Agents hang up on who is silent: that is no conduct of theirs either.
    """
    before, state.ticked_at = state.ticked_at, now
    lost = now - before - STILL if before is not None else 0.0
    if lost <= 0:
        return
    state.excused_until = Seconds(now + state.settings.lease)
    for device in state.devices.values():
        if device.heard > 0.0:  # who was never heard stays so
            device.heard = Seconds(min(device.heard + lost, now))


def silent(state: State, now: Seconds) -> list[Device]:
    """Return the attached devices that were not heard for a lease."""
    return [device for device in state.connected() if now - device.heard > pulse.lease(state, device)]
