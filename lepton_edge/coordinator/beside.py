"""What is prepared beside the active epoch, through a restart: a version that is tried, the version before.

Law: pure; times come in. What `canary` changes is written down with the decision that changes it; after a restart the
trial goes on where its entry counts on, and begins anew where that was restarted too.
"""

from __future__ import annotations

from collections.abc import Iterable

from lepton_edge.coordinator import epochs
from lepton_edge.coordinator.adaptation import Target
from lepton_edge.coordinator.commands import Command, KeepBeside
from lepton_edge.coordinator.records import Beside, EpochKey, Tried
from lepton_edge.coordinator.standing import Canary
from lepton_edge.coordinator.state import Device, Moment, State
from partitioner.units import Seconds


def noted(state: State, target: Target, at: Moment) -> KeepBeside:
    """Have it written down what is beside the active epoch of a target now."""
    canary, kept = state.canaries.get(target), state.kept.get(target)
    tried = None if canary is None else _tried(canary, state.settings.wall)
    return KeepBeside(at.cause, Beside(*target, tried, kept[1] if kept else None))


def _tried(canary: Canary, wall: Seconds) -> Tried:
    since = Seconds(canary.since + wall)
    return Tried(canary.new[1], canary.old[1], canary.share, canary.enough, since, canary.begun)


def canaries(found: Iterable[Beside], wall: Seconds) -> dict[Target, Canary]:
    """Return what was tried when the last coordinator ended; `wall` turns this one's times into dates."""
    return {
        (one.model, one.board): Canary(
            (one.model, one.tried.new), (one.model, one.tried.old), one.tried.share, one.tried.enough,
            Seconds(one.tried.since - wall), one.tried.begun,
        )
        for one in found
        if one.tried is not None
    }  # fmt: skip


def kept(found: Iterable[Beside]) -> dict[Target, EpochKey]:
    """Return the versions before that were kept prepared when the last coordinator ended."""
    return {(one.model, one.board): (one.model, one.before) for one in found if one.before is not None}


def keys(found: Iterable[Beside]) -> frozenset[EpochKey]:
    """Return the epochs that a restart leaves prepared."""
    named = [(one.model, number) for one in found for number in (one.before, one.tried and one.tried.new)]
    return frozenset((model, number) for model, number in named if number)


def resumed(state: State, entry: Device, anew: bool, at: Moment) -> list[Command]:
    """Tell an entry that attached what it is to try on; where it was started `anew`, it counts from 0 again."""
    said: list[Command] = []
    for target, canary in state.canaries.items():
        record = state.epochs.get(canary.new)
        if record is None or entry.name != (target[1] or record.cloud) or canary.new not in entry.epochs:
            continue
        if anew:
            canary.begun, canary.told = None, {}
        said += epochs.ask(state, entry, "resume", record, at)
    return said
