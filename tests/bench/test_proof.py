"""The planner on trial, as CI has it: 600 problems; and the trial itself, put to solvers that lie."""

from __future__ import annotations

import dataclasses

import pytest

from bench.proof import Trial, judged, judged_again, optimum, rows_of, try_seed
from partitioner.errors import NoFeasiblePlan
from partitioner.solve.milp import best_by_milp
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Answer, Problem
from tests.partitioner.solve.instances import random_problem


@pytest.mark.parametrize("first", range(0, 600, 50))
def test_nobody_disagrees(first: int) -> None:
    trial = Trial()
    for seed in range(first, first + 50):
        try_seed(seed, trial, milp_too=seed % 10 == 0)
    assert trial.mismatches == {}
    assert sum(trial.feasible.values()) > 25
    assert trial.by_milp == 5


def test_a_solver_that_finds_a_worse_plan_is_caught() -> None:
    def lazy(problem: Problem) -> Plan:
        return solve(dataclasses.replace(problem, order=problem.order[:1] if problem.order else None))

    wrong = [judged(random_problem(seed, "recurring"), lazy) for seed in range(30)]
    assert any("optimum" in text for many in wrong for text in many)


def test_a_bound_that_is_too_high_and_one_that_proves_nothing_are_caught() -> None:
    problem = next(one for one in map(random_problem, range(99)) if _feasible(one))
    high = judged(problem, lambda one: dataclasses.replace(solve(one), lower_bound=solve(one).value * 1.01))
    assert any("above the optimum" in text for text in high)
    low = judged(problem, lambda one: dataclasses.replace(solve(one), lower_bound=solve(one).value * 0.9))
    assert any("not proven" in text for text in low)


def test_a_plan_where_none_is_and_a_missed_one_are_caught() -> None:
    def never(problem: Problem) -> Plan:
        raise NoFeasiblePlan("none")

    problem = next(one for one in map(random_problem, range(99)) if _feasible(one))
    assert any("exists" in text for text in judged(problem, never))
    hopeless = next(one for one in map(random_problem, range(99)) if optimum(one) is None)
    plan = solve(problem)
    assert any("no plan exists" in text for text in judged(hopeless, lambda _: plan))


def test_a_second_method_that_errs_is_caught() -> None:
    def off(problem: Problem) -> Answer:
        answer = best_by_milp(problem)
        return dataclasses.replace(answer, value=answer.value * 1.0001)

    problem = next(one for one in map(random_problem, range(99)) if _feasible(one))
    assert judged_again(problem, off)


def test_rows_say_how_much_was_tried() -> None:
    trial = Trial()
    try_seed(1, trial, milp_too=True)
    rows = rows_of(trial, 1.0)
    assert [row.what for row in rows][:2] == ["random problems", "mismatches"]
    assert rows[0].value == 1
    assert rows[0].met is False
    assert rows[1].met is True


def _feasible(problem: Problem) -> bool:
    best = optimum(problem)
    return best is not None and best.value > 1e-6
