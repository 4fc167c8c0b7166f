"""Which devices something new may be placed on, and what is said to who names another, or a model that there is not.

Law: pure functions of the state.
"""

from __future__ import annotations

import difflib
from typing import Any

from lepton_edge.coordinator import quarantine
from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.errors import NotFound, Unavailable, UnknownModel
from lepton_edge.core.messages import Deploy
from partitioner.units import DeviceId, ModelName, Seconds

MOST_TOLD = 5  # devices that a message names


def placeable(state: State, now: Seconds) -> list[Device]:
    """Return the attached devices that something new may be placed on, by name: not drained, not in quarantine."""
    return [device for device in state.connected() if is_open(state, device.name, now)]


def is_open(state: State, device: DeviceId, now: Seconds) -> bool:
    """Return whether something new may be placed on a device, if it is attached."""
    return device not in state.drains and not quarantine.is_in(state, device, now)


def candidates(state: State, request: Deploy, now: Seconds) -> list[Device]:
    """Return whom a deployment may choose from.

    Raises Unavailable when it names a device that is drained or in quarantine.
    """
    for name in (request.board, request.cloud):
        if name in state.drains:
            raise Unavailable(
                f"{name} is drained", f"let it take part again: lepton-edge device drain {name} --undo"
            )
        if name and quarantine.is_in(state, name, now):
            raise quarantine.refusal(state, name, now)
    return placeable(state, now)


def awaited(state: State, request: Deploy, now: Seconds) -> list[DeviceId]:
    """Return whom a deployment waits for: known devices that it may be about, not back since this process began.

    They have a lease for that. Where a role is left open, any device of it may be the one.
    """
    began = state.began_at if state.began_at is not None else now
    if now - began > state.settings.lease:
        return []
    named = {request.board, request.cloud, *request.replicas}
    roles = {role for role, name in (("board", request.board), ("cloud", request.cloud)) if not name}
    return [
        device.name
        for device in state.devices.values()
        if device.stream is None and device.heard <= 0.0 and device.name not in state.drains
        if device.name in named or device.hello.role in roles
    ]


def explained(state: State, error: NotFound, now: Seconds) -> NotFound:
    """Return an error for who finds nobody to deploy on, with the devices that are known and cannot take part now."""
    told = quarantine.told(state, now)
    if told:
        hint = f"wait, or let one take part now: lepton-edge device drain NAME --undo; or {error.hint}"
        return NotFound(f"{error.message}; in quarantine: {told}", hint)
    lost = [_lost(device, now) for device in state.devices.values() if device.stream is None]
    if not lost:
        return error
    more = f" and {len(lost) - MOST_TOLD} more" if len(lost) > MOST_TOLD else ""
    names = ", ".join(lost[:MOST_TOLD]) + more
    return NotFound(f"{error.message}; lost: {names}", f"start it again there; or {error.hint}")


def _lost(device: Device, now: Seconds) -> str:
    heard = f"heard {now - device.heard:.0f} s ago" if device.heard > 0.0 else "not heard since this start"
    return f"{device.name} ({heard})"


def unknown_model(state: State, name: ModelName) -> UnknownModel:
    """Return the error for who names a model that nobody pushed: those that there are, and the one that was meant."""
    near = difflib.get_close_matches(name, state.models, 1)
    meant = f"did you mean {near[0]!r}? else " if near else ""
    return UnknownModel(
        f"no model is called {name!r} (there is: {', '.join(sorted(state.models)) or 'none'})",
        f"{meant}push it: lepton-edge model push NAME FILE.onnx",
    )


def removed(name: DeviceId) -> NotFound:
    """Return what the process of a device that was removed is told."""
    return NotFound(f"{name!r} was removed from this coordinator", "stop it; started anew, it joins again")


def standing(state: State, device: DeviceId, now: Seconds) -> dict[str, Any]:
    """Return as plain data whether a device may be given new work, and why not.

    `left` are the active epochs that a drained device still has a part in; seconds of a quarantine are those left.
    """
    drain, conduct = state.drains.get(device), state.conduct.get(device)
    quarantined = conduct is not None and conduct.until > now
    return {
        "open": is_open(state, device, now),
        "drained": drain is not None,
        "left": sum(bool(one.blocks_of(device)) for one in state.active_epochs()) if drain else 0,
        "quarantine": round(conduct.until - now, 1) if conduct and quarantined else None,
        "why": conduct.why if conduct and quarantined else "",
    }
