"""Where requests may enter: the agents that a client is named, best first.

Law: pure functions of the state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description, Peer, Serving
from partitioner.units import DeviceId, ModelName

MAX_ELSEWHERE = 8  # addresses that a device is told of


def description(state: State, name: str, address: str) -> Description:
    """Return who answers here, and the agents that admit requests, best first, for every model and for each.

    Where a model's input is kept on boards, only they are named: a client that turned to another entry while its
    board is away would send the input there, whatever that entry then answers.
    """
    active: dict[ModelName, list[EpochRecord]] = {}
    for record in state.active_epochs():
        active.setdefault(record.model, []).append(record)
    kept = {model: kept for model, records in active.items() if (kept := list(filter(_keeps_input, records)))}
    connected = _open(state)
    open_to_all = [one for one in connected if all(_may_enter(one, records) for records in kept.values())]
    entries = sorted(open_to_all, key=_entry_order)
    serving = {model: _serving(connected, records, kept.get(model)) for model, records in active.items()}
    doors = {one.name: one for devices in serving.values() for one in devices if one not in open_to_all}
    return Description(
        "coordinator", name, state.settings.software, PROTOCOL_MAJOR, PROTOCOL_MINOR, address,
        entries=tuple(map(_peer, entries)),
        serving=tuple(Serving(model, tuple(one.name for one in devices)) for model, devices in serving.items()),
        doors=tuple(map(_peer, doors.values())),
    )  # fmt: skip


def elsewhere(state: State, record: EpochRecord, device: DeviceId) -> tuple[str, ...]:
    """Return the data addresses of the entries to which the clients of `device` may turn when `record` is over there.

    None where the device has a part in another epoch of the model, and none where the input is to stay on boards: it
    is not for this device to send it to others.
    """
    others = state.active_epochs(record.model)
    if any(one.blocks_of(device) for one in others) or any(map(_keeps_input, (record, *others))):
        return ()
    instead = state.stand_ins.get((record.model, device))
    others.sort(key=lambda one: (one.key != instead, not one.board, one.board))
    entries = [state.devices.get(one.board or one.cloud) for one in others if one.key != record.key]
    open_to_all = [
        one for one in entries if one is not None and one.stream is not None and one.name not in state.drains
    ]
    addresses = dict.fromkeys(address for one in open_to_all for address in one.hello.data_addresses)
    return tuple(addresses)[:MAX_ELSEWHERE]


def _serving(
    connected: Sequence[Device], records: Sequence[EpochRecord], kept: Sequence[EpochRecord] | None
) -> list[Device]:
    """Return the entries of a model: its boards, then who else holds a part of it and may see its input."""
    found = [one for one in connected if any(record.blocks_of(one.name) for record in records)]
    if kept is not None:
        found = [one for one in found if _may_enter(one, kept)]
    keys = {record.key: record.board or record.cloud for record in records}

    def order(device: Device) -> tuple[bool, bool, str]:
        ready = any(
            keys[key] == device.name
            for key, held in device.epochs.items()
            if held == "active" and key in keys
        )
        return not ready, device.hello.role != "board", device.name

    return sorted(found, key=order)


def _peer(device: Device) -> Peer:
    return Peer(device.name, device.hello.data_addresses)


def _open(state: State) -> list[Device]:
    """Return the attached devices without those that are drained and have nothing left."""
    return [
        one for one in state.connected() if one.name not in state.drains or "active" in one.epochs.values()
    ]


def _keeps_input(record: EpochRecord) -> bool:
    if record.request is not None:
        wishes = record.request.wishes  # what stays on the board may be the input, or be made of it
        return record.request.keep_input_on_board or bool(wishes.stay or wishes.first_layers)
    return bool(record.document) and json.loads(record.document).get("keep_input_on_board") is True


def _may_enter(device: Device, records: Sequence[EpochRecord]) -> bool:
    """Return whether `device` holds the first block of one of these epochs, which all keep the input there."""
    return any(0 in record.blocks_of(device.name) for record in records)


def _entry_order(device: Device) -> tuple[bool, bool, str]:
    return "active" not in device.epochs.values(), device.hello.role != "board", device.name
