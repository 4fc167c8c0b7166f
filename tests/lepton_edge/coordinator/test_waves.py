"""Boards of one cloud are moved in waves that grow while that does good, and never all at once."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import loads, waves
from lepton_edge.coordinator.records import ACTIVE, EpochRecord, Hold
from lepton_edge.coordinator.state import State
from partitioner.units import Seconds

JUDGED = 12.0  # seconds from a move to its verdict


class Street:
    """Boards of one cloud that all have cause to move, one decision a quarter of a second."""

    def __init__(self, state: State, boards: int) -> None:
        self.state, self.now = state, Seconds(1000.0)
        self.verdicts: list[float] = []
        self.moves: list[float] = []
        for number in range(boards):
            holds = (Hold(f"board{number}", (0,)), Hold("cloud", (1,)))  # type: ignore[arg-type]
            record = EpochRecord("net", "v1", number, ACTIVE, holds=holds, board=f"board{number}")  # type: ignore[arg-type]
            state.epochs[record.key] = record
        self.records = list(state.epochs.values())

    def move_all(self, good: bool = True) -> None:
        for record in self.records:
            clouds = waves.clouds_of(record)
            while not waves.has_room(self.state, clouds, self.now):
                self.pass_time(good)
            waves.moved(self.state, clouds, self.now)
            loads.moved(self.state, record, self.now)
            self.moves.append(self.now)
            self.verdicts.append(self.now + JUDGED)
            self.pass_time(good)

    def pass_time(self, good: bool = True) -> None:
        self.now = Seconds(self.now + 0.25)
        waves.forget(self.state, self.now)
        while self.verdicts and self.verdicts[0] <= self.now:
            self.verdicts.pop(0)
            waves.judged(self.state, {"cloud"}, good)  # type: ignore[arg-type]

    def most_at_once(self) -> int:
        """The most moves without the load having been measured anew in between."""
        sizes = [1]
        for before, now in zip(self.moves, self.moves[1:], strict=False):
            sizes.append(1 if now - before >= loads.SETTLED else sizes[-1] + 1)
        return max(sizes)


@pytest.fixture
def street(world: Any) -> Any:
    return lambda boards: Street(world.state, boards)


def test_few_boards_go_one_at_a_time(street: Any) -> None:
    here = street(15)
    here.move_all()
    assert here.most_at_once() == 1


@pytest.mark.parametrize("boards", [64, 400])
def test_waves_grow_to_an_eighth_and_no_further(street: Any, boards: int) -> None:
    here = street(boards)
    here.move_all()
    assert here.most_at_once() == boards // waves.PART
    took = here.moves[-1] - here.moves[0]
    assert took < 16 * loads.SETTLED + 0.25 * boards, "an hour or more, one after the other"


def test_what_does_no_good_stays_one_at_a_time(street: Any) -> None:
    here = street(64)
    here.move_all(good=False)
    assert here.most_at_once() == 1


def test_one_rollback_begins_with_one_again(street: Any) -> None:
    here = street(64)
    here.records = here.records[:40]
    here.move_all()
    assert here.state.waves["cloud"].size > 1
    waves.judged(here.state, {"cloud"}, False)
    assert here.state.waves["cloud"].size == 1
    assert not waves.has_room(here.state, {"cloud"}, here.now)


def test_after_a_long_calm_it_begins_with_one_again(street: Any) -> None:
    here = street(64)
    here.move_all()
    here.now = Seconds(here.now + waves.CALM + 1)
    here.pass_time()
    assert here.state.waves == {}
    waves.moved(here.state, {"cloud"}, here.now)
    assert here.state.waves["cloud"].size == 1


def test_who_moves_onto_two_clouds_waits_for_both(street: Any) -> None:
    here = street(8)
    here.state.moved_at["other"] = here.now
    assert waves.has_room(here.state, {"cloud"}, here.now)
    assert not waves.has_room(here.state, {"cloud", "other"}, here.now)
