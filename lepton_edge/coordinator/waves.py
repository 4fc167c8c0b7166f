"""How many boards of one cloud may be moved before its load is measured anew: one, then more while that does good.

Law: pure; times come in. A wave ends when the cloud's load is known again (`loads.is_settled`). The next one is twice
as large once as many plans were kept as the last one was allowed; a plan that is rolled back begins with one again.
Never more than an eighth of the boards that use the cloud: so many decide by the same figures, and what these are
off by is an eighth of the load at most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from lepton_edge.coordinator import aside, loads
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import State, Wave
from partitioner.units import DeviceId, Seconds

PART = 8  # one of so many boards of a cloud at most in one wave
CALM = Seconds(200.0)  # ten times as long as a load takes to be known


def clouds_of(*records: EpochRecord | None) -> set[DeviceId]:
    """Return the devices that epochs use beside their boards."""
    return {hold.device for one in records if one for hold in one.holds if hold.device != one.board}


def has_room(state: State, clouds: Collection[DeviceId], now: Seconds) -> bool:
    """Return whether one more board may be moved onto, on or off these clouds now."""
    return all(_has_room(state, cloud, now) for cloud in clouds)


def _has_room(state: State, cloud: DeviceId, now: Seconds) -> bool:
    wave, under_way = state.waves.get(cloud), aside.users(state, cloud)
    if loads.is_settled(state, [cloud], now):
        return under_way < _following(state, cloud, wave or Wave()).size
    return wave is not None and wave.moved + under_way < wave.size


def moved(state: State, clouds: Iterable[DeviceId], now: Seconds) -> None:
    """Note that a board is moved by itself, before its load is: it is one of a wave, or begins one."""
    for cloud in clouds:
        wave = state.waves.get(cloud, Wave())
        if loads.is_settled(state, [cloud], now):
            wave = _following(state, cloud, wave)
        state.waves[cloud] = dataclasses.replace(wave, moved=wave.moved + 1, at=now)


def _following(state: State, cloud: DeviceId, wave: Wave) -> Wave:
    """Return the wave after one whose load is known."""
    grown = 2 * wave.size if wave.kept >= wave.size else wave.size
    return Wave(min(grown, _most(state, cloud)), kept=0 if grown > wave.size else wave.kept)


def _most(state: State, cloud: DeviceId) -> int:
    users = sum(bool(record.blocks_of(cloud)) for record in state.active_epochs())
    return max(1, users // PART)


def judged(state: State, clouds: Iterable[DeviceId], good: bool) -> None:
    """Note that a plan that was made by itself was kept, or rolled back."""
    for cloud in clouds:
        wave = state.waves.get(cloud)
        if wave is not None:
            state.waves[cloud] = _next(wave, good)


def _next(wave: Wave, good: bool) -> Wave:
    return (
        dataclasses.replace(wave, kept=wave.kept + 1) if good else dataclasses.replace(wave, size=1, kept=0)
    )


def forget(state: State, now: Seconds) -> None:
    """Forget the waves of clouds where nothing has moved for long: the next one begins with one board."""
    for cloud in [cloud for cloud, wave in state.waves.items() if now - wave.at > CALM]:
        del state.waves[cloud]
