"""Where a model went, as an entry said: for a while, and only for who has no better word."""

from __future__ import annotations

import pytest

from lepton_edge.client.address import Doors
from lepton_edge.client.detour import LASTS, MAX_ADDRESSES, Detour

OWN = Doors("roof:1", ("roof:1",), "c:1")


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_one_that_was_given_is_asked_last_while_it_lasts(clock: Clock) -> None:
    way = Detour(clock)
    assert (way.doors(OWN), way.is_over) == (OWN, False)
    way.note(("shed:1", "attic:1"))
    assert way.doors(OWN).of("net") == ("shed:1", "attic:1", "roof:1")
    clock.now += LASTS - 0.1
    assert not way.is_over
    way.prolong()
    clock.now += LASTS
    assert way.is_over
    way.end()
    assert (way.doors(OWN), way.is_over) == (OWN, False)


def test_who_says_nothing_of_it_ends_it(clock: Clock) -> None:
    way = Detour(clock)
    way.note(("shed:1",))
    way.note(())
    assert way.doors(OWN) == OWN


def test_a_coordinator_is_asked_for_its_own_word(clock: Clock) -> None:
    way = Detour(clock)
    way.note(("shed:1",))
    for doors in (Doors("c:1", ("roof:1",), "c:1"), Doors("c:1", (), "c:1", (("net", ("roof:1",)),))):
        assert way.doors(doors) == doors


def test_it_keeps_few_addresses(clock: Clock) -> None:
    way = Detour(clock)
    way.note(tuple(f"e{i}:1" for i in range(99)))
    assert len(way.doors(OWN).entries) == MAX_ADDRESSES + 1
