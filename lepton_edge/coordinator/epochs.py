"""The life of epochs on devices that come and go: bringing back, draining, retiring.

Law: pure. An active epoch is brought back on a device that returns without it; an ended one is retired
wherever it is still held; epochs that this coordinator never heard of are left alone (another coordinator's
work is not ours to end).
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import entries, leading, loads, reach
from lepton_edge.coordinator.commands import Command, KeepEpoch, Say
from lepton_edge.coordinator.limits import MAX_DOCUMENTS, MAX_ENDED_EPOCHS
from lepton_edge.coordinator.records import (
    ACTIVE,
    DRAINING,
    FAILED,
    OVER,
    READY,
    RETIRED,
    EpochKey,
    EpochRecord,
)
from lepton_edge.coordinator.state import Device, Moment, Pending, State
from lepton_edge.core.messages import Activate, CoordinatorSays, Drain, Outcome, Peer, Prepare, Retire
from partitioner.units import ModelName, ModelVersion, Seconds

PREPARE_LIMIT = Seconds(300.0)  # without a sign of progress
ACTIVATE_LIMIT = Seconds(20.0)
DRAIN_LIMIT = Seconds(60.0)
DIRECTING = 1  # the minor version of the protocol from which on an agent is told where else a model is
RETRY_AFTER = Seconds(15.0)  # before an epoch that could not be brought back is tried again


def ask(state: State, device: Device, kind: str, record: EpochRecord, at: Moment) -> list[Command]:
    """Say to `device` what `kind` asks of `record`, and remember that it owes an answer."""
    if device.stream is None:
        return []
    command = state.new_id()
    limit = PREPARE_LIMIT if kind in ("prepare", "restore", "refresh") else ACTIVATE_LIMIT
    limit = DRAIN_LIMIT if kind in ("drain", "rest", "retire") else limit
    state.pending[command] = Pending(
        command, kind, device.name, record.model, record.epoch, Seconds(at.now + limit)
    )
    return [Say(at.cause, device.stream, _message(state, device, kind, record, command))]


def _message(state: State, device: Device, kind: str, record: EpochRecord, command: str) -> CoordinatorSays:
    if kind in ("prepare", "restore", "refresh"):
        if record.book is None:
            raise AssertionError(f"epoch {record.key} is over: nobody prepares it")
        peers = peers_of(state, record, device)
        book = record.book.held_by(device.name)
        return Prepare(command, record.epoch, book, record.blocks_of(device.name), peers)
    if kind in ("activate", "reactivate"):
        return Activate(command, record.model, record.epoch)
    if kind in ("try", "resume"):
        share = record.request.canary if record.request else 0.0
        return Activate(command, record.model, record.epoch, share)
    if kind in ("drain", "rest", "direct"):
        others = () if kind == "rest" else entries.elsewhere(state, record, device.name)
        return Drain(command, record.model, record.epoch, others)
    return Retire(command, record.model, record.epoch)


def peers_of(state: State, record: EpochRecord, device: Device) -> tuple[Peer, ...]:
    """Return where the other devices of an epoch are."""
    others = [hold.device for hold in record.holds if hold.device != device.name]
    return reach.peers_of(state, device.name, others)


def restore(state: State, device: Device, at: Moment) -> list[Command]:
    """Make `device` hold every active epoch it has a part in, and none that is over."""
    device.retry_at = None
    owed = {(p.model, p.epoch) for p in state.pending.values() if p.device == device.name}
    said: list[Command] = []
    for record in sorted(state.epochs.values(), key=lambda record: record.key):
        if record.key in owed or not _amiss(record, device):
            continue
        if record.state == DRAINING and _entry(state, record) not in (None, device):
            continue  # its turn comes when the entry is through
        kind = "restore" if record.state == ACTIVE else "retire"
        said += ask(state, device, kind, record, at)
    return said + _retire_unknown(state, device, at)


def _amiss(record: EpochRecord, device: Device) -> bool:
    held = device.epochs.get(record.key)
    if record.state == ACTIVE:
        return bool(record.blocks_of(device.name)) and held != "active"
    return record.state in OVER and held not in (None, leading.FOREIGN)


def _retire_unknown(state: State, device: Device, at: Moment) -> list[Command]:
    """Retire what is older than the oldest that is remembered: it was over before it was forgotten."""
    said: list[Command] = []
    replaced = {model for (model, _), held in device.epochs.items() if held == "active"}
    for (model, number), held in sorted(device.epochs.items()):
        foreign = held == leading.FOREIGN and model in replaced
        if (model, number) not in state.epochs and (foreign or number < state.newest_epoch(model)):
            unknown = EpochRecord(model, ModelVersion(""), number, RETIRED)
            said += ask(state, device, "retire", unknown, at)
    return said


def refresh_peers(state: State, moved: Device, at: Moment) -> list[Command]:
    """Tell everybody who shares an active epoch with `moved` where it is now."""
    said: list[Command] = []
    for record in sorted(state.epochs.values(), key=lambda record: record.key):
        if record.state != ACTIVE or not record.blocks_of(moved.name):
            continue
        for other in state.connected():
            if other.name != moved.name and other.epochs.get(record.key) == "active":
                said += ask(state, other, "refresh", record, at)
    return said


def direct(state: State, device: Device, at: Moment) -> list[Command]:
    """Tell a device that returns where the models are that it served last and that others serve now."""
    if device.hello.protocol_minor < DIRECTING:
        return []
    newest: dict[ModelName, EpochRecord] = {}
    for record in state.epochs.values():
        if device.name == (record.board or record.cloud) and record.state in (DRAINING, RETIRED):
            newest[record.model] = max(record, newest.get(record.model, record), key=lambda one: one.epoch)
    said: list[Command] = []
    for record in sorted(newest.values(), key=lambda record: record.key):
        if entries.elsewhere(state, record, device.name):
            said += ask(state, device, "direct", record, at)
    return said


def reroute(state: State, relay: Device, at: Moment) -> list[Command]:
    """Tell those who meet at relays that one of these came or went."""
    said: list[Command] = []
    if not relay.hello.relay:
        return said
    for record in sorted(state.epochs.values(), key=lambda record: record.key):
        devices = [hold.device for hold in record.holds]
        if record.state != ACTIVE or not reach.is_relayed(state, devices):
            continue
        for device in state.connected():
            if device.name in devices and device.epochs.get(record.key) == "active":
                said += ask(state, device, "refresh", record, at)
    return said


def put(state: State, record: EpochRecord, cause: str) -> list[Command]:
    """Put a new or changed record in place and have it written down."""
    state.epochs[record.key] = record
    ended = _forget_oldest(state, record)
    return [KeepEpoch(cause, record), *_forget_documents(state, ended, cause)]


def _forget_oldest(state: State, changed: EpochRecord) -> list[EpochKey]:
    """Keep the number of remembered ended epochs of a model bounded (the store prunes by the same rule)."""
    ended = sorted(
        k for k, e in state.epochs.items() if e.model == changed.model and e.state in (RETIRED, FAILED)
    )
    for key in ended[:-MAX_ENDED_EPOCHS]:
        del state.epochs[key]
    return ended[-MAX_ENDED_EPOCHS:]


def _forget_documents(state: State, ended: list[EpochKey], cause: str) -> list[Command]:
    """Keep the explanations of the newest ended epochs only: they are large, and there to be compared with."""
    explained = [key for key in ended if state.epochs[key].document]
    for key in explained[:-MAX_DOCUMENTS]:
        state.epochs[key] = dataclasses.replace(state.epochs[key], document="")
    return [KeepEpoch(cause, state.epochs[key]) for key in explained[:-MAX_DOCUMENTS]]


def settled_in(state: State, record: EpochRecord, at: Moment) -> list[Command]:
    """See to the devices of an epoch that is active now: what they hold beside it is over, or was another's.

    One that could not be prepared, a replica, is tried again after a while.
    """
    loads.moved(state, record, at.now)
    said: list[Command] = []
    for device in (state.devices[hold.device] for hold in record.holds):
        if device.name in record.ready:
            said += restore(state, device, at)
        else:
            device.retry_at = Seconds(at.now + RETRY_AFTER)
    return said


def drain(state: State, record: EpochRecord, at: Moment) -> list[Command]:
    """Let the requests of an epoch end, then retire it wherever it is held: at its entry first, if that is there.

    What the entry has let in goes on to the others, which must not have let go of the epoch by then.
    """
    said = put(state, dataclasses.replace(record, state=DRAINING), at.cause)
    loads.moved(state, record, at.now)
    entry = _entry(state, record)
    return said + (ask(state, entry, "drain", record, at) if entry else settle(state, record.key, at))


def _entry(state: State, record: EpochRecord) -> Device | None:
    """Return the board of an epoch while it is attached and holds it."""
    board = state.devices.get(record.board)
    there = board is not None and board.stream is not None and record.key in board.epochs
    return board if there else None


def rest(state: State, record: EpochRecord, at: Moment) -> list[Command]:
    """Let the requests of an active epoch end, and keep it prepared: it may be activated again at once."""
    said = put(state, dataclasses.replace(record, state=READY), at.cause)
    for device in state.connected():
        if record.key in device.epochs:
            said += ask(state, device, "rest", record, at)
    return said


def settle(state: State, key: EpochKey, at: Moment) -> list[Command]:
    """Go on with a draining epoch that no connected device owes anything for: where it is held, then retire it."""
    record = state.epochs.get(key)
    if record is None or record.state != DRAINING:
        return []
    if any((pending.model, pending.epoch) == key for pending in state.pending.values()):
        return []
    said: list[Command] = []
    for device in state.connected():
        if key in device.epochs:
            said += ask(state, device, "drain", record, at)
    return said or put(state, dataclasses.replace(record, state=RETIRED, book=None), at.cause)


def give_up(state: State, record: EpochRecord, reason: str, at: Moment) -> list[Command]:
    """Mark an epoch that never became active as failed, and free it wherever it is held."""
    said = put(state, dataclasses.replace(record, state=FAILED, reason=reason, book=None), at.cause)
    for device in state.connected():
        if record.blocks_of(device.name):
            said += ask(state, device, "retire", record, at)
    return said


def roll_back(
    state: State, record: EpochRecord, reason: str, at: Moment, was_activating: bool
) -> list[Command]:
    """Put the old epoch back where `record` was activated instead of it, then free `record`."""
    said: list[Command] = []
    old = state.active_epoch(record.model, record.board)
    if was_activating and old is not None:
        for device in state.connected():
            if old.blocks_of(device.name):
                said += ask(state, device, "reactivate", old, at)
    return said + give_up(state, state.epochs[record.key], reason, at)


def answered(state: State, pending: Pending, outcome: Outcome, at: Moment) -> list[Command]:
    """Go on after a device answered a command about the life of an epoch; errors included."""
    device, key = state.devices[pending.device], (pending.model, pending.epoch)
    record = state.epochs.get(key)
    note(device, pending, failed=outcome.error is not None)
    if pending.kind == "rest":
        return []
    if pending.kind == "direct":
        return settle(state, key, at)
    if pending.kind == "drain":
        return ask(state, device, "retire", state.epochs[key], at)
    if pending.kind == "retire":
        return settle(state, key, at) + restore(state, device, at)
    if outcome.error is not None:
        device.retry_at = Seconds(at.now + RETRY_AFTER)
        return settle(state, key, at)  # it may have been drained while this one was still bringing it back
    if pending.kind == "restore" and record is not None and record.state == ACTIVE:
        return ask(state, device, "reactivate", record, at)
    return restore(state, device, at)


def note(device: Device, pending: Pending, *, failed: bool) -> None:
    """Remember what a device holds after it answered; a retired epoch is forgotten even on error."""
    key = (pending.model, pending.epoch)
    if pending.kind == "retire":
        device.epochs.pop(key, None)
    elif pending.kind in ("activate", "reactivate") and not failed:
        device.epochs[key] = "active"
    elif pending.kind in ("prepare", "restore") and not failed:
        device.epochs[key] = "ready"
    elif pending.kind == "refresh" and failed:
        device.epochs[key] = "stale"  # it still calls its peer at the old address: prepared again later
    elif pending.kind in ("drain", "rest") and key in device.epochs:
        device.epochs[key] = "draining"
