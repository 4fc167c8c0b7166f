"""Which orders need a look, and the best cut over them."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.orders import best_cut, orders, refuse_contradictions
from partitioner.solve.problem import NO_LIMITS, Hop, Problem
from partitioner.units import BytesPerSecond
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, chain, device, links, problem


def three(**changes: object) -> Problem:
    plain = problem(chain(9, 9, 9), device(BOARD, 3, 3), device(GATE, 2, 2), device(CLOUD, 1, 1), order=None)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_every_order_of_the_others_stands_behind_the_entry() -> None:
    assert orders(three()) == [(BOARD, GATE, CLOUD), (BOARD, CLOUD, GATE)]


def test_a_given_order_is_the_only_one() -> None:
    assert orders(three(order=(BOARD, CLOUD))) == [(BOARD, CLOUD)]


def test_devices_of_one_kind_are_not_told_apart() -> None:
    alike = (device(BOARD, 3, 3), device(GATE, 1, 1), device(CLOUD, 1, 1))
    assert orders(three(devices=alike)) == [(BOARD, GATE, CLOUD)]
    assert len(orders(three(devices=alike, pins={0: CLOUD}))) == 2
    slower = {(BOARD, GATE): Hop(BytesPerSecond(1.0))}
    assert len(orders(three(devices=alike, hops={**links(BOARD, GATE, CLOUD), **slower}))) == 2


def test_an_order_ends_where_there_is_no_link_and_what_begins_another_is_left_out() -> None:
    assert orders(three(hops={**links(BOARD, GATE), **links(GATE, CLOUD)})) == [(BOARD, GATE, CLOUD)]
    assert orders(three(hops=links(BOARD, GATE))) == [(BOARD, GATE)]
    assert orders(three(hops={})) == [(BOARD,)]


def test_the_best_over_all_orders_is_the_best_of_all() -> None:
    for seed in range(40):
        asked = random_problem(seed, "any order")
        assert asked.limits == NO_LIMITS
        try:
            least = best_of_all(asked).value
        except NoFeasiblePlan:
            with pytest.raises(NoFeasiblePlan):
                best_cut(asked)
            continue
        found = best_cut(asked)
        assert found.value == pytest.approx(least, rel=1e-6, abs=1e-15), seed
        assert found.lower_bound <= least * (1 + 1e-12)


def test_contradictions_are_refused_unless_some_order_keeps_the_wishes() -> None:
    refuse_contradictions(three(pins={0: CLOUD, 1: GATE}))
    with pytest.raises(NoFeasiblePlan, match="contradict each other"):
        refuse_contradictions(three(pins={0: CLOUD, 1: BOARD}))
    assert math.isfinite(best_cut(three(pins={0: CLOUD, 1: GATE})).value)
