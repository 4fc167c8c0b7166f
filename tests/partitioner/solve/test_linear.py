"""Small programmes with known answers."""

from __future__ import annotations

import pytest

from partitioner.solve.linear import ONE, Programme, minus, plus, scaled


def test_a_knapsack() -> None:
    programme = Programme()
    small, large = programme.binary(), programme.binary()
    programme.at_least({ONE: 5.0}, plus(scaled(small, 3.0), scaled(large, 4.0)))
    point = programme.minimum(plus(scaled(small, -2e-6), scaled(large, -3e-6)))
    assert point is not None
    assert (point.of(small), point.of(large)) == (0, 1)
    assert point.bound == pytest.approx(-3e-6)


def test_a_maximum_of_two() -> None:
    programme = Programme()
    highest = programme.real()
    programme.at_least_each(highest, [{ONE: 2.0}, {ONE: 7.0}])
    point = programme.minimum(plus(highest, {ONE: 1.0}))
    assert point is not None
    assert point.bound == pytest.approx(8)


def test_what_cannot_be_is_none() -> None:
    programme = Programme()
    one = programme.binary()
    programme.at_least(one, {ONE: 2.0})
    assert programme.minimum(one) is None


def test_without_a_variable_only_constants_speak() -> None:
    programme = Programme()
    programme.at_least({ONE: 1.0}, {})
    point = programme.minimum({ONE: 4.0})
    assert point is not None
    assert point.bound == 4
    programme.at_least({}, {ONE: 1.0})
    assert programme.minimum({ONE: 4.0}) is None


def test_terms_that_cancel_are_gone() -> None:
    assert minus({0: 1.0, ONE: 2.0}, {0: 1.0}) == {ONE: 2.0}
