"""Devices short of memory: planned with what they have, and with more once it is there again.

Law: pure; times come in. What a device keeps only to go back to goes first. A board that holds a whole model keeps its
local page: blocks that it holds already cost nothing more, and without the page it is lost with its cloud. A plan made
with less is remembered as such, and grows back by rests, so that memory that comes and goes changes little.
"""

from __future__ import annotations

from collections.abc import Sequence

from lepton_edge.coordinator import canary, judging, orders, placement, promises
from lepton_edge.coordinator.adaptation import Adaptation, Haste
from lepton_edge.coordinator.adapting import PRESSED, target_of, wish
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Device, Moment, State
from partitioner.units import Bytes, DeviceId, Seconds

AGAIN = Seconds(30.0)  # for which memory must be there again
MORE = 1.25  # times the room that the plan was made with, to plan with more


def heard(state: State, device: Device, at: Moment) -> list[Command]:
    """A device told of itself: where it is short of memory, it is planned with what it has."""
    if not judging.is_short(device, PRESSED):
        return []
    said = [*judging.make_room(state, device, at), *canary.make_room(state, device.name, at)]
    for record in [] if said else state.active_epochs():
        held, room = promises.held(record, device.name), _room(record, device)
        if held and room < held and not _is_whole(record, device.name):
            wish(state, record, _short(device), at, Haste.ANYWAY).rooms[device.name] = room
    return said


def _short(device: Device) -> str:
    return f"{device.name} is short of memory: {_free(device) / 2**20:.0f} MiB are free"


def _free(device: Device) -> Bytes:
    return device.telemetry.memory_available if device.telemetry is not None else Bytes(0)


def _room(record: EpochRecord, device: Device) -> Bytes:
    """Return the bytes that a device has for a plan: what it holds of it, and what is free beyond a reserve."""
    reserve = PRESSED * device.hello.hardware.memory_total
    return Bytes(int(max(promises.held(record, device.name) + _free(device) - reserve, 1)))


def _is_whole(record: EpochRecord, device: DeviceId) -> bool:
    """Return whether a device is the board of an epoch and holds all of its blocks."""
    book = record.book
    return device == record.board and book is not None and len(record.blocks_of(device)) == len(book.blocks)


def look(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """Have plans that were made with less memory made anew, once it has been there again for long."""
    for record in records:
        adaptation = state.adaptations.get(target_of(record))
        for name in list(adaptation.short) if adaptation is not None else ():
            assert adaptation is not None, "only what is adapted is short"
            _look(state, record, adaptation, state.devices.get(name), at)


def _look(
    state: State, record: EpochRecord, adaptation: Adaptation, device: Device | None, at: Moment
) -> None:
    if device is None or device.stream is None or judging.is_short(device, judging.SPARE):
        adaptation.roomy_since = None
        return
    whole = _whole(state, record, device)
    if adaptation.short[device.name] >= whole:
        del adaptation.short[device.name]
        return
    room = min(_room(record, device), whole)
    if room < min(MORE * adaptation.short[device.name], whole):
        return
    since = adaptation.roomy_since = at.now if adaptation.roomy_since is None else adaptation.roomy_since
    if at.now - since < AGAIN or adaptation.cause:
        return
    cause = f"{device.name} has memory again: {_free(device) / 2**20:.0f} MiB are free"
    wished = wish(state, record, cause, at)
    wished.rooms[device.name], wished.grows = room, True


def _whole(state: State, record: EpochRecord, device: Device) -> Bytes:
    """Return the bytes that a device is planned with when it is not short of memory."""
    wishes = record.request.wishes if record.request else None
    mine = device.name == record.board
    declared = (wishes.board_memory if mine else wishes.cloud_memory) if wishes else Bytes(0)
    return orders.room(state, device.name, declared) or placement.memory_of(device)
