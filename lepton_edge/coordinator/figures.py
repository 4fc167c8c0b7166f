"""The figures of a coordinator, for who watches it: devices, models, plans as predicted and as measured, links.

Law: reads the state, changes nothing; what is not known is left out. Devices' own figures are here too, since a board
behind NAT cannot be asked itself.
"""

from __future__ import annotations

from collections.abc import Callable

from lepton_edge.coordinator import changes, drift, reach
from lepton_edge.coordinator.state import Device, State
from lepton_edge.metrics import Family, counter, gauge
from partitioner.units import Seconds

COLD = -273.0
"""Degrees Celsius at or below which an agent means "the system does not tell"."""


def figures(state: State, started: Seconds, now: Seconds, control: int) -> list[Family]:
    """Return the figures of now; `control` is the port it listens at, which tells two on one machine apart."""
    return [
        *_coordinator(state, started, now, control),
        *_devices(state, now),
        *_plans(state),
        *_links(state),
    ]


def _coordinator(state: State, started: Seconds, now: Seconds, control: int) -> list[Family]:
    who = {"control": str(control), "software": state.settings.software}
    return [
        gauge("coordinator_info", "Who this is; always 1.").add(1, **who),
        gauge("coordinator_uptime_seconds", "Seconds since it started.").add(now - started),
        gauge("coordinator_term", "Starts on this state.").add(state.settings.term),
        gauge("models", "Models that were pushed.").add(len(state.models)),
        gauge("deploying", "Whether a deployment is under way.").add(state.running is not None),
        counter("changes_total", "Changes, by themselves or by a person's word.").add(state.log.serial),
    ]


def _devices(state: State, now: Seconds) -> list[Family]:
    there = gauge("device_connected", "Whether a device is attached.")
    heard = gauge("device_heard_seconds", "Seconds since a device was heard.")
    told = {name: _kind(name)(f"device_{name}", about) for name, about in _TOLD.items()}
    for name, device in sorted(state.devices.items()):
        there.add(device.stream is not None, device=name, role=device.hello.role)
        heard.add(now - device.heard if device.heard else None, device=name)
        for figure, value in _telemetry(device).items():
            told[figure].add(value, device=name)
    return [there, heard, *told.values()]


_TOLD = {
    "memory_available_bytes": "Memory that is available on a device.",
    "resident_bytes": "Memory of a device's agent.",
    "temperature_celsius": "The hottest sensor of a device's processor.",
    "throttled": "Whether heat or voltage slows a device.",
    "requests_active": "Requests in progress on a device.",
    "requests_served_total": "Requests that a device served since its agent began.",
    "requests_failed_total": "Requests that failed on a device since its agent began.",
}


def _kind(name: str) -> Callable[[str, str], Family]:
    return counter if name.endswith("_total") else gauge


def _telemetry(device: Device) -> dict[str, float | None]:
    """Return what an attached device told last, by the names of `_TOLD`."""
    told = device.telemetry
    if told is None or device.stream is None:
        return {}
    return {
        "memory_available_bytes": told.memory_available,
        "resident_bytes": told.resident,
        "temperature_celsius": told.temperature if told.temperature > COLD else None,
        "throttled": told.throttled,
        "requests_active": told.requests_active,
        "requests_served_total": told.requests_served,
        "requests_failed_total": told.requests_failed,
    }


def _plans(state: State) -> list[Family]:
    active = gauge("plan_active", "The epoch of an active plan, by the page that requests take now.")
    predicted = gauge("plan_predicted_seconds", "What a request was predicted to take, by page.")
    measured = gauge("plan_measured_seconds", "What requests took of late at their entry, by page.")
    drifted = gauge("profile_drifted", "Whether requests show a device other than it was measured.")
    for record in state.active_epochs():
        labels = {"model": record.model, "board": record.board}
        now = changes.page_now(state, record)
        active.add(record.epoch, **labels, page=now)
        for page in record.book.pages if record.book else ():
            if page.name == now:
                predicted.add(page.prediction.latency, **labels, page=now)
        for name, seconds in drift.measured(state, record).items():
            measured.add(seconds, **labels, page=name)
    for (model, version, device), kept in sorted(state.profiles.items()):
        if model in state.models and state.models[model].version == version:
            drifted.add(bool(kept.drift), model=model, device=device)
    return [active, predicted, measured, drifted]


def _links(state: State) -> list[Family]:
    up = gauge("link_up_bytes_per_second", "What a link is planned with, from a device to its peer.")
    down = gauge("link_down_bytes_per_second", "What a link is planned with, to a device from its peer.")
    trip = gauge("link_round_trip_seconds", "There and back of a link that is planned with.")
    for device, peer in sorted(state.links):
        link = reach.current(state, device, peer)
        if link is not None:
            up.add(link.up, device=device, peer=peer)
            down.add(link.down, device=device, peer=peer)
            trip.add(link.delay_up + link.delay_down, device=device, peer=peer)
    return [up, down, trip]
