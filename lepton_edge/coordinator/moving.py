"""What one device runs, on others instead.

Law: pure functions of the state; they return requests and say nothing to anybody.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import requests
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import Deploy
from partitioner.units import DeviceId


def involves(record: EpochRecord, device: DeviceId) -> bool:
    """Return whether a device has a part in an epoch."""
    return any(hold.device == device for hold in record.holds)


def entry_of(record: EpochRecord) -> DeviceId:
    """Return the device that admits the requests of an epoch."""
    return record.board or record.cloud


def next_to_move(state: State, device: DeviceId) -> EpochRecord | None:
    """Return the oldest active epoch that a device has a part in."""
    return next((record for record in state.active_epochs() if involves(record, device)), None)


def is_busy(state: State, device: DeviceId) -> bool:
    """Return whether something still runs, or is about to, on a device that has no part in any active epoch."""
    if any(pending.device == device for pending in state.pending.values()):
        return True
    there = state.devices[device]
    if there.stream is None:
        return False
    return there.telemetry is not None and there.telemetry.requests_active > 0


def is_served_elsewhere(state: State, record: EpochRecord, device: DeviceId) -> bool:
    """Return whether another entry has the model already, so that `device`, an entry, need not be stood in for."""
    if device != entry_of(record):
        return False
    pushed = state.models.get(record.model)
    good = {record.version, pushed.version if pushed else record.version}
    return any(one.version in good and not involves(one, device) for one in state.active_epochs(record.model))


def elsewhere(state: State, record: EpochRecord, there: list[Device], device: DeviceId) -> Deploy:
    """Return the request that deploys without `device` what `record` runs, on some of those that are `there`.

    Raises Unavailable when nobody else can.
    """
    open_to_it = {one.name for one in there}
    asked = requests.again(state, record, without=state.devices.keys() - open_to_it)
    boards, clouds = (_named(state, there, role) for role in ("board", "cloud"))
    if asked.cloud not in clouds:
        asked = dataclasses.replace(asked, cloud=clouds[0] if clouds else DeviceId(""))
    if not clouds:
        asked = dataclasses.replace(_unpinned(asked), replicas=())
    if device != entry_of(record):
        return asked
    if boards:
        return dataclasses.replace(asked if record.board else _unpinned(asked), board=boards[0])
    if clouds and not _stays(asked):
        return dataclasses.replace(_unpinned(asked), board=DeviceId(""))
    what = "board is there, and its input stays on one" if clouds else "device is there"
    why = f"no other {what} (connected, not drained, not in quarantine)"
    raise Unavailable(f"nobody else can run {record.model!r}: {why}", "connect another device")


def _named(state: State, there: list[Device], role: str) -> list[DeviceId]:
    """Return the devices of a role, the least burdened first."""
    return [one.name for one in sorted(there, key=lambda one: _load(state, one)) if one.hello.role == role]


def _unpinned(asked: Deploy) -> Deploy:
    """Return a request without a page or split of its own: other devices have other pages."""
    return dataclasses.replace(asked, page="", wishes=dataclasses.replace(asked.wishes, own_cut=""))


def _stays(asked: Deploy) -> bool:
    wishes = asked.wishes
    return asked.keep_input_on_board or wishes.keep_output or bool(wishes.stay or wishes.first_layers)


def _load(state: State, device: Device) -> tuple[int, DeviceId]:
    """Return what makes a device the lesser burdened of two: the epochs that it has a part in."""
    return sum(involves(record, device.name) for record in state.active_epochs()), device.name
