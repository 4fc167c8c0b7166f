"""The end of an epoch: it drains when its last request ends, and only then it is closed.

Law: pure. A request ends on the epoch it began; an outcome is told once, when it is true.
"""

from __future__ import annotations

from device_agents.machine import readiness
from device_agents.machine.commands import CloseEpoch, Command, KeepPeers, Persist, Say
from device_agents.machine.events import EpochKey, SavedEpoch
from device_agents.machine.replicas import beside
from device_agents.machine.state import ACTIVE, EpochState, State
from lepton_edge.core.messages import EpochStatus, Outcome, Peer
from partitioner.units import DeviceId


def settle(state: State, key: EpochKey) -> list[Command]:
    """Tell what is now true of an epoch on which a request may have been the last."""
    held = state.epochs.get(key)
    if held is None or not (held.drain_command or held.retire_command) or state.working_on(key):
        return []
    commands: list[Command] = []
    if held.drain_command:
        commands.append(Say(Outcome(held.drain_command)))
        held.drain_command = ""
    if held.retire_command:
        commands += [*close(state, held), Say(Outcome(held.retire_command))]
    return commands


def close(state: State, held: EpochState) -> list[Command]:
    """Forget an epoch on which nothing runs."""
    was_active = held.state == ACTIVE
    del state.epochs[held.key]
    if state.canaries.get(held.key.model) == held.key.epoch:
        del state.canaries[held.key.model]
    if was_active:
        state.choose_active(held.key.model)
    status = EpochStatus(held.key.model, held.book.version, held.key.epoch, "retired")
    saved = [persist(state)] if was_active else []
    return [*readiness.ended(state, held), CloseEpoch(held.key), *saved, keep_peers(state), Say(status)]


def persist(state: State) -> Persist:
    """Return the command that writes the active epochs to the disk."""
    return Persist(
        tuple(
            SavedEpoch(held.key.epoch, held.book, held.assigned, held.peers, held.leader)
            for held in sorted(state.epochs.values(), key=lambda one: one.activated)
            if held.state == ACTIVE
        )
    )


def keep_peers(state: State) -> KeepPeers:
    """Return the peers that some page of some epoch sends to from here, or to here from there.

    Both, because it may be that only the one that is sent to can dial.
    """
    wanted: dict[DeviceId, Peer] = {}
    for held in state.epochs.values():
        near = beside(held.book, state.device)
        wanted.update({peer.device: peer for peer in held.peers if peer.device in near})
    return KeepPeers(tuple(wanted.values()))
