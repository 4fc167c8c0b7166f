"""The second method finds what the oracle finds, and proves it."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.milp import best_by_milp
from partitioner.solve.problem import Problem
from tests.partitioner.solve.bill import bill, same
from tests.partitioner.solve.instances import FAMILIES, random_problem


@pytest.mark.parametrize("family", FAMILIES)
def test_it_agrees_with_the_oracle(family: str) -> None:
    for seed in range(12):
        problem = random_problem(seed, family)
        try:
            best = best_of_all(problem).value
        except NoFeasiblePlan:
            _assert_infeasible(problem)
            continue
        found = best_by_milp(problem)
        assert same(found.value, best), seed
        assert found.lower_bound <= best * (1 + 1e-6) + 1e-12
        assert found.gap < 1e-6 or best < 1e-9
        assert not bill(problem, found.layout).faults
        assert same(bill(problem, found.layout).value, best)


def _assert_infeasible(problem: Problem) -> None:
    with pytest.raises(NoFeasiblePlan):
        best_by_milp(problem)


def test_it_is_for_small_graphs() -> None:
    problem = random_problem(0)
    layers = tuple(dataclasses.replace(problem.graph.layers[0], index=index) for index in range(17))
    with pytest.raises(InvalidProblem, match="16 layers"):
        best_by_milp(dataclasses.replace(problem, graph=CostGraph(layers, ())))
