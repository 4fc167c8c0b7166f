"""One cut: its price is the price of its staging, and its bound holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import is_down_set
from partitioner.solve.network import cheapest_staging
from partitioner.solve.problem import Problem
from partitioner.solve.tables import Pricing, plain_value, tables_of
from partitioner.solve.wishes import Allowed, allowed_stages
from tests.partitioner.solve.instances import random_problem


def permitted(asked: Problem, allowed: Allowed) -> list[tuple[int, ...]]:
    """Every staging that keeps the graph's direction, the table and the ties."""
    stages = range(len(asked.order or ()))
    found = []
    for staging in itertools.product(stages, repeat=len(asked.graph.layers)):
        forward = all(
            is_down_set(asked.graph, {layer for layer, at in enumerate(staging) if at <= stage})
            for stage in stages
        )
        tied = all(staging[int(one)] == staging[int(other)] for one, other in allowed.ties)
        if forward and tied and all(allowed.table[layer, at] for layer, at in enumerate(staging)):
            found.append(staging)
    return found


def test_it_is_the_least_of_all_permitted_stagings() -> None:
    tried = 0
    for seed in range(150):
        asked = random_problem(seed, "order" if seed % 2 else "recurring")
        if len(asked.order or ()) ** len(asked.graph.layers) > 300:
            continue
        tables = tables_of(Pricing(asked), asked.order or ())
        try:
            allowed = allowed_stages(asked, asked.order or ())
        except NoFeasiblePlan:
            continue
        tried += 1
        cut = cheapest_staging(tables, allowed)
        least = min(plain_value(tables, np.array(one)) for one in permitted(asked, allowed))
        assert cut.value == pytest.approx(least, rel=1e-6, abs=1e-15), seed
        assert cut.value == plain_value(tables, cut.stage_of)
        assert cut.bound <= least * (1 + 1e-12), seed
        assert cut.value - cut.bound <= 1e-6 * cut.value, seed
        assert tuple(cut.stage_of.tolist()) in permitted(asked, allowed)
    assert tried > 30
