"""What time alone gives cause for is looked at in turns, where there are many epochs."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import causes
from lepton_edge.coordinator.records import ACTIVE, EpochRecord
from lepton_edge.coordinator.state import Moment
from partitioner.units import Seconds


@pytest.fixture
def many(world: Any, make: Any) -> Any:
    """A world with a hundred boards, each with an active epoch."""
    for number in range(100):
        book = make.book(f"board{number:03}", None)
        record = EpochRecord("net", "v1", number, ACTIVE, book, board=f"board{number:03}")  # type: ignore[arg-type]
        world.state.epochs[record.key] = record
    return world


def look(world: Any) -> list[int]:
    world.now += causes.LOOK_EVERY
    return [one.epoch for one in causes.look(world.state, Moment(Seconds(world.now), "x"))]


def test_each_has_its_turn_and_no_look_is_at_all(many: Any) -> None:
    looks = [look(many) for _ in range(4)]
    assert {len(one) for one in looks} == {causes.LOOKS}
    assert set().union(*looks) == set(range(100))


def test_between_two_looks_nothing_is_looked_at(many: Any) -> None:
    assert look(many)
    many.now += causes.LOOK_EVERY / 2
    assert causes.look(many.state, Moment(Seconds(many.now), "x")) == []


def test_few_are_all_looked_at_and_each_once(many: Any) -> None:
    for number in range(10, 100):
        del many.state.epochs["net", number]
    assert sorted(look(many)) == list(range(10))


def test_what_is_known_of_a_target_that_is_over_is_forgotten(many: Any) -> None:
    causes.adapting.wish(many.state, many.state.epochs["net", 7], "slow", Moment(Seconds(1.0), "x"))
    assert many.state.adaptations
    del many.state.epochs["net", 7]
    look(many)
    assert many.state.adaptations == {}
