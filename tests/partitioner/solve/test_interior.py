"""The best cut inside the model: exact under its constraint, and refused where there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import down_sets
from partitioner.solve import Problem, best_interior, evaluate, is_interior
from partitioner.solve.interior import prepared
from partitioner.solve.pins import forced
from partitioner.solve.two_stage import crossing_tensors, may_cross


def enumerated(problem: Problem) -> float | None:
    board, cloud = forced(problem)
    needed = board | prepared(problem.graph)
    costs = [
        evaluate(problem, one).latency
        for one in down_sets(problem.graph, 10_000) or []
        if is_interior(problem.graph, one)
        and needed <= one
        and not cloud & one
        and all(may_cross(problem, tensor) for tensor in crossing_tensors(problem.graph, one))
    ]
    return min(costs, default=None)


def test_it_is_the_least_of_all_interior_cuts(make_problem: Callable[[int], Problem]) -> None:
    found = 0
    for seed in range(250):
        problem = dataclasses.replace(
            make_problem(seed), on_board=frozenset(), on_cloud=frozenset(), stay=frozenset()
        )
        expected = enumerated(problem)
        if expected is None:
            with pytest.raises(NoFeasiblePlan):
                best_interior(problem)
            continue
        solution = best_interior(problem)
        assert solution.parts.latency == pytest.approx(expected, rel=1e-6), seed
        assert solution.lower_bound <= expected + 1e-12, seed
        assert is_interior(problem.graph, solution.down_set), seed
        found += 1
    assert found > 100
