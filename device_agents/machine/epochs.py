"""The life of an epoch on one device: preparing, ready, active, draining, retired.

Law: pure. Make before break: the old epoch stays active until the new one is ready and activated. What the
coordinator says twice has its effect once and its outcome twice.
"""

from __future__ import annotations

from device_agents.machine import canary, moved, opening, requests
from device_agents.machine.commands import CloseEpoch, Command, OpenEpoch, Say
from device_agents.machine.draining import close, keep_peers, persist, settle
from device_agents.machine.events import EpochKey, EpochOpened, EpochRefused, Restored, SavedEpoch
from device_agents.machine.failures import as_wire
from device_agents.machine.memory import Memory
from device_agents.machine.state import ACTIVE, DRAINING, PREPARING, READY, EpochState, State
from lepton_edge.core.errors import StaleEpoch
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Activate, Drain, EpochStatus, Outcome, Prepare, Retire
from partitioner.units import Epoch, ModelName


def prepare(state: State, said: Prepare, now: float) -> list[Command]:
    """Fetch and open an epoch, unless it is here already."""
    key = EpochKey(said.book.model, said.epoch)
    held = state.epochs.get(key)
    if held is not None and held.book == said.book and set(said.hold) <= set(held.assigned):
        return _prepared_before(state, held, said)
    replaced = [] if held is None else _replace(state, held, now)
    held = _opening(state, SavedEpoch(said.epoch, said.book, said.hold, said.peers, state.leader))
    held.prepare_command = said.command
    return [*replaced, *_open(state, held, now), keep_peers(state)]


def _opening(state: State, one: SavedEpoch) -> EpochState:
    """Take up an epoch, of whose blocks those are opened first that are needed first."""
    key = EpochKey(one.book.model, one.epoch)
    first = opening.at_first(state, one.book, one.hold)
    memory = Memory(assigned=one.hold)
    return EpochState(key, one.book, first, one.peers, leader=one.leader, memory=memory)


def _open(state: State, held: EpochState, now: float) -> list[Command]:
    room = opening.room_for(state, held.book, held.hold, now)
    later = tuple(index for index in held.memory.assigned if index not in held.hold)
    state.epochs[held.key] = held
    return [*room, OpenEpoch(held.key, held.book, held.hold, held.prepare_command, later)]


def opened(state: State, event: EpochOpened) -> list[Command]:
    """An epoch is ready; one that was restored goes on as it was: active."""
    held = state.epochs.get(event.key)
    if held is None:
        return [CloseEpoch(event.key)]
    if held.state != PREPARING:
        return []
    held.state = READY
    told: list[Command] = []
    if held.activate_when_open:
        told += [*_take_up(state, held), Say(held.status())]
    if held.prepare_command:
        told.append(Say(Outcome(held.prepare_command, opened=event.opened, resident=event.resident)))
        held.prepare_command = ""
    return told


def refused(state: State, event: EpochRefused) -> list[Command]:
    """An epoch could not be prepared: say why, and keep what there was."""
    held = state.epochs.get(event.key)
    if held is None or held.state != PREPARING:
        return []
    del state.epochs[event.key]
    commands = (held.prepare_command, held.drain_command, held.retire_command)
    outcomes = [Say(Outcome(command, event.error)) for command in commands if command]
    failed = EpochStatus(event.key.model, held.book.version, event.key.epoch, "failed")
    return [CloseEpoch(event.key), keep_peers(state), Say(failed), *outcomes]


def activate(state: State, said: Activate) -> list[Command]:
    """Let new requests take an epoch from now on."""
    held = state.epochs.get(EpochKey(said.model, said.epoch))
    if held is None or held.state == PREPARING:
        return [_stale(state, said.command, said.model, said.epoch)]
    if 0 < said.share < 1 and held.state != ACTIVE:
        held.state = READY
        canary.begin(state, held, said.share)
        return [Say(Outcome(said.command))]
    if state.active_epoch(said.model) is held:
        return [Say(Outcome(said.command))]
    return [*_make_active(state, held), Say(Outcome(said.command))]


def drain(state: State, said: Drain) -> list[Command]:
    """Take no new requests on an epoch; the outcome comes when the last one has ended."""
    moved.note(state, said)
    held = state.epochs.get(EpochKey(said.model, said.epoch))
    if held is None:
        return [Say(Outcome(said.command))]
    stopped = _stop(state, held)
    held.drain_command = said.command
    return [*stopped, *settle(state, held.key)]


def retire(state: State, said: Retire) -> list[Command]:
    """Forget an epoch as soon as nothing runs on it."""
    held = state.epochs.get(EpochKey(said.model, said.epoch))
    if held is None:
        return [Say(Outcome(said.command))]
    stopped = _stop(state, held)
    held.retire_command = said.command
    return [*stopped, *settle(state, held.key)]


def restored(state: State, event: Restored, now: float) -> list[Command]:
    """Open again what was active when the device went down."""
    commands: list[Command] = []
    for saved in event.epochs:
        key = EpochKey(saved.book.model, saved.epoch)
        if key in state.epochs or saved.book.model in state.active:
            continue  # the coordinator was quicker, and knows better
        state.activations += 1  # they were saved in the order of their activation, and open in any
        held = _opening(state, saved)
        held.activated, held.activate_when_open = state.activations, True
        commands += _open(state, held, now)
    return [*commands, keep_peers(state)] if commands else []


def _prepared_before(state: State, held: EpochState, said: Prepare) -> list[Command]:
    held.peers = said.peers or held.peers  # a peer may have moved
    held.leader = state.leader
    if held.state == PREPARING:
        held.prepare_command = said.command
        return [keep_peers(state)]
    saved = [persist(state)] if held.state == ACTIVE else []
    return [*saved, keep_peers(state), Say(Outcome(said.command))]


def _replace(state: State, held: EpochState, now: float) -> list[Command]:
    """Close an epoch whose number now means another book (a coordinator that began anew)."""
    gone = StaleEpoch(f"epoch {held.key.epoch} of {held.key.model} was replaced by another plan", "try again")
    works = [work for work in state.works.values() if work.epoch == held.key]
    commands = requests.end_all(state, works, as_wire(gone, state.device), now)
    return [*commands, *(close(state, held) if held.key in state.epochs else [])]


def _make_active(state: State, held: EpochState) -> list[Command]:
    state.activations += 1
    held.activated, held.share = state.activations, 0.0
    if state.canaries.get(held.key.model) == held.key.epoch:
        del state.canaries[held.key.model]
    return _take_up(state, held)


def _take_up(state: State, held: EpochState) -> list[Command]:
    held.state = ACTIVE
    state.moved.pop(held.key.model, None)
    state.choose_active(held.key.model)
    return [persist(state), keep_peers(state)]


def _stop(state: State, held: EpochState) -> list[Command]:
    if held.state == PREPARING:
        held.activate_when_open = False
        return []
    was_active = held.state == ACTIVE
    held.state = DRAINING
    if not was_active:
        return []
    state.choose_active(held.key.model)
    return [persist(state)]


def _stale(state: State, command: str, model: ModelName, epoch: Epoch) -> Say:
    error: WireError = as_wire(
        StaleEpoch(f"{state.device} has not prepared epoch {epoch} of {model}", "prepare it first"),
        state.device,
    )
    return Say(Outcome(command, error))
