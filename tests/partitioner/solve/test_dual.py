"""Bargained bounds: never above the optimum, near it, and found by plans that keep every limit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from bench.questions import branches, question
from partitioner.errors import NoFeasiblePlan
from partitioner.solve.costing import evaluate, objective_value, violations
from partitioner.solve.dual import bargained, bound_at, goods_of, lawful, offers
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.planner import solve
from partitioner.solve.problem import LATENCY, THROUGHPUT, Answer, Limits, Objective, Problem, Watts
from partitioner.units import Seconds
from tests.partitioner.solve.instances import random_problem


@pytest.mark.parametrize("family", ["bottleneck", "limits", "everything", "any order", "recurring"])
def test_bounds_are_never_above_the_optimum(family: str) -> None:
    gaps = []
    for seed in range(10 if family in ("any order", "recurring") else 15):
        problem = random_problem(seed, family)
        if family in ("any order", "recurring"):
            problem = dataclasses.replace(problem, objective=THROUGHPUT)
        best = optimum(problem)
        if best is None:
            continue
        bounds = [offer.bound for offer in offers(problem, best)]
        assert all(bound <= best.value * (1 + 1e-9) for bound in bounds), seed
        gaps.append(1 - max(bounds, default=0.0) / best.value)
    assert len(gaps) > 3
    assert min(gaps) < 0.2  # it is a bound, not just a zero


@pytest.mark.parametrize("family", ["limits", "everything"])
def test_no_prices_whatever_lead_above_the_optimum(family: str) -> None:
    tight = 0.0
    for seed in range(15):
        problem = random_problem(seed, family)
        best = optimum(problem)
        if best is None:
            continue
        goods, dice = goods_of(problem), np.random.default_rng(seed)
        for _ in range(6):
            drawn = dice.exponential(10 ** dice.uniform(-3, 1), goods.resources + len(goods.sums))
            cut = bound_at(problem, goods, lawful(problem, goods, drawn * best.value))
            assert cut is not None
            assert cut.bound <= best.value * (1 + 1e-9), seed
            tight = max(tight, cut.bound / best.value)
    assert tight > 0.9


def test_a_better_plan_is_kept_when_it_keeps_the_limits() -> None:
    problem = dataclasses.replace(question(branches(2, (2, 3)), 3), objective=THROUGHPUT)
    alone = solve(dataclasses.replace(problem, order=problem.order[:1]), alternatives=False)  # type: ignore[index]
    found = bargained(problem, Answer(alone.layout, alone.value, 0.0, "contraction"))
    best = solve(problem, alternatives=False)
    assert best.value * (1 - 1e-9) <= found.value < alone.value
    assert found.value == pytest.approx(objective_value(problem, evaluate(problem, found.layout)))
    assert found.lower_bound >= 0.8 * best.value
    assert found.method == "contraction"


def test_limits_are_priced() -> None:
    """Least latency with a bottleneck below that of the fastest plan costs more than the fastest plan."""
    plain = question(branches(2, (2, 3)), 3)
    fastest = solve(plain, alternatives=False)
    busiest = solve(dataclasses.replace(plain, objective=THROUGHPUT), alternatives=False).costs.bottleneck
    middle = (fastest.costs.bottleneck + busiest) / 2
    limited = dataclasses.replace(plain, objective=LATENCY, limits=Limits(bottleneck=Seconds(middle)))
    best = solve(limited, alternatives=False)
    assert best.value > fastest.value * 1.001
    known = Answer(best.layout, best.value, 0.0, "contraction")
    assert all(offer.bound <= best.value * (1 + 1e-9) for offer in offers(limited, known))
    found = bargained(limited, known)
    assert fastest.value < found.lower_bound <= best.value * (1 + 1e-9)
    assert not violations(limited, evaluate(limited, found.layout))


def test_energy_counts_radios() -> None:
    """Nearly a plain sum: the bound is nearly the optimum, radios included."""
    plain = question(branches(1, (2, 3)), 2)
    devices = tuple(
        dataclasses.replace(one, watts=Watts(5.0 if one.name == "board" else 0.0), radio_watts=Watts(2.0))
        for one in plain.devices
    )
    problem = dataclasses.replace(plain, devices=devices, objective=Objective(0.0, 1e-3, 1.0))
    best = solve(problem, alternatives=False)
    assert len(best.layout.order) == 2
    found = bargained(problem, Answer(best.layout, best.value, 0.0, "contraction"))
    assert found.gap < 0.01


def test_a_plain_sum_needs_no_bargain() -> None:
    problem = question(branches(1, (2,)), 2)
    known = Answer(solve(problem, alternatives=False).layout, 1.0, 0.0, "contraction")
    assert bargained(problem, known) is known


def optimum(problem: Problem) -> Answer | None:
    try:
        best = best_of_all(problem)
    except NoFeasiblePlan:
        return None
    return best if 0 < best.value < math.inf else None
