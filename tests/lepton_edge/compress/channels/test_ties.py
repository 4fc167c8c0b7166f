"""Channels that are joined are one, also in being held."""

from __future__ import annotations

from lepton_edge.compress.channels.ties import MADE, READ, Place, Ties


def test_joined_channels_have_one_root() -> None:
    ties = Ties()
    one, other = ties.fresh(3), ties.fresh(3)
    ties.join(one, other)
    assert ties.roots(one).tolist() == ties.roots(other).tolist()


def test_holding_one_holds_all_that_are_one_with_it() -> None:
    ties = Ties()
    one, other, third = ties.fresh(1), ties.fresh(1), ties.fresh(1)
    ties.join(one, other)
    ties.hold(other.tolist())
    ties.join(third, one)
    assert ties.is_held(ties.root(int(third[0])))


def test_channels_of_the_same_places_are_a_group() -> None:
    ties = Ties()
    made, alone = ties.fresh(4), ties.fresh(2)
    ties.put(Place("w", 0, MADE), made)
    ties.put(Place("v", 1, READ), made)
    ties.put(Place("u", 0, MADE), alone)
    assert sorted(len(group) for group in ties.groups()) == [2, 4]


def test_what_nobody_makes_is_no_group() -> None:
    ties = Ties()
    ties.put(Place("w", 1, READ), ties.fresh(4))
    assert ties.groups() == []
