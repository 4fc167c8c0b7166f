"""Tables of prices add up to what `evaluate` says, whatever the staging."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.layouts import layout_of
from partitioner.solve.problem import Problem
from partitioner.solve.tables import Pricing, Tables, plain_value, tables_of
from partitioner.units import DeviceId
from tests.partitioner.solve.instances import random_problem


def true_value(asked: Problem, order: tuple[DeviceId, ...], staging: tuple[int, ...]) -> float | None:
    try:
        return objective_value(asked, evaluate(asked, layout_of(order, staging)))
    except InvalidProblem:
        return None


def summed(tables: Tables, staging: tuple[int, ...]) -> float:
    stage_of = np.array(staging, dtype=np.int64)
    return plain_value(tables, stage_of) + sum(one.price for one in tables.charges if one.paid(stage_of))


def test_the_sum_is_what_the_layout_costs() -> None:
    checked = 0
    for seed in range(150):
        asked = random_problem(seed, "order" if seed % 2 else "recurring")
        order = asked.order or ()
        tables = tables_of(Pricing(asked), order)
        every = list(itertools.product(range(len(order)), repeat=min(len(asked.graph.layers), 5)))
        for staging in random.Random(seed).sample(every, min(len(every), 25)):
            padded = staging + (len(order) - 1,) * (len(asked.graph.layers) - len(staging))
            expected = true_value(asked, order, padded)
            if expected is not None:
                checked += 1
                assert summed(tables, padded) == pytest.approx(expected, rel=1e-9, abs=1e-15), seed
    assert checked > 200


def test_what_two_orders_share_is_priced_once() -> None:
    asked = random_problem(3, "any order")
    pricing = Pricing(asked)
    names = tuple(device.name for device in asked.devices)
    assert pricing.layers(names[0]) is pricing.layers(names[0])
    order = next(
        pair for pair in itertools.permutations(names, 2) if pair in asked.hops and pair[::-1] in asked.hops
    )
    assert pricing.crossings(*order) is pricing.crossings(*order)
