"""The best cut inside the model: exact under its constraint, and refused where there is none."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.boundaries import cut_value
from partitioner.book.interior import best_interior, is_interior, near_part
from partitioner.book.legal import is_legal
from partitioner.book.setting import prepared
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import down_sets
from partitioner.solve import LATENCY, Objective, Problem
from partitioner.units import Bytes
from tests.partitioner.book.problems import BOARD, random_problem


def enumerated(problem: Problem) -> float | None:
    """Return the least value over every interior down-set that may run."""
    values = [
        cut_value(problem, one)
        for one in down_sets(problem.graph, 10_000) or []
        if is_interior(problem.graph, one) and prepared(problem.graph) <= one and is_legal(problem, one)
    ]
    return min(values, default=None)


@pytest.mark.parametrize("objective", [LATENCY, Objective(latency=1.0, egress=1e-7)])
@pytest.mark.parametrize("limited", [False, True])
def test_it_is_the_least_of_all_interior_cuts(limited: bool, objective: Objective) -> None:
    found = 0
    for seed in range(60):
        problem = dataclasses.replace(random_problem(seed), keep_input=seed % 3 == 0, objective=objective)
        if limited:
            near, far = problem.devices
            room = dataclasses.replace(near, memory=Bytes(40)), dataclasses.replace(far, memory=Bytes(70))
            problem = dataclasses.replace(problem, devices=room)
        expected = enumerated(problem)
        if expected is None:
            with pytest.raises(NoFeasiblePlan):
                best_interior(problem)
            continue
        plan = best_interior(problem)
        assert plan.value == pytest.approx(expected, rel=1e-6), seed
        assert plan.lower_bound <= expected * (1 + 1e-9), seed
        assert is_interior(problem.graph, near_part(plan)), seed
        found += 1
    assert found > 30


def test_pins_are_kept(compiled: object) -> None:
    problem = random_problem(1)
    pinned = dataclasses.replace(problem, pins={len(problem.graph.layers) - 2: BOARD})
    expected = enumerated(pinned)
    assert expected is not None
    assert best_interior(pinned).value == pytest.approx(expected, rel=1e-6)
    everything = dataclasses.replace(problem, pins=dict.fromkeys(range(len(problem.graph.layers)), BOARD))
    with pytest.raises(NoFeasiblePlan, match="no cut inside the model"):
        best_interior(everything)
