"""Where requests may enter: the agents that a client is named, best first.

Law: pure functions of the state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description, Peer
from partitioner.units import ModelName


def description(state: State, name: str, address: str) -> Description:
    """Return who answers here, and the agents that admit requests, best first.

    Where a model's input is kept on boards, only they are named: a client that turned to another entry while its
    board is away would send the input there, whatever that entry then answers.
    """
    kept: dict[ModelName, list[EpochRecord]] = {}
    for record in filter(_keeps_input, state.active_epochs()):
        kept.setdefault(record.model, []).append(record)
    entries = sorted(
        (one for one in state.connected() if all(_may_enter(one, records) for records in kept.values())),
        key=_entry_order,
    )
    peers = tuple(Peer(device.name, device.hello.data_addresses) for device in entries)
    return Description(
        "coordinator", name, state.settings.software, PROTOCOL_MAJOR, PROTOCOL_MINOR, address, peers
    )


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
