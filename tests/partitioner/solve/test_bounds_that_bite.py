"""Past its bounds a solver says so: a plan that is a plan, a lower bound that is one, and never a false "impossible".

The bounds are set so low that graphs of nine layers pass them.
"""

from __future__ import annotations

import dataclasses
import math
import random
from typing import ClassVar

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve import crossings, kinds, pipeline, search, tiers
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import LATENCY, THROUGHPUT, Answer, Problem
from partitioner.units import Bytes, TensorName
from tests.partitioner.solve import small
from tests.partitioner.solve.bill import bill
from tests.partitioner.solve.instances import random_problem

NOT_ALL = "not every plan was looked at"


def optimum(problem: Problem) -> Answer | None:
    try:
        return best_of_all(problem)
    except NoFeasiblePlan:
        return None


def judge(problem: Problem) -> float | None:
    """Assert that what `solve` says is true, if not the whole truth; return its gap."""
    best = optimum(problem)
    plan = asked(problem)
    if isinstance(plan, NoFeasiblePlan):
        assert best is None or NOT_ALL in str(plan)
        return None
    assert best is not None
    assert plan.value >= best.value * (1 - 1e-6) - 1e-12
    assert plan.lower_bound <= best.value * (1 + 1e-6) + 1e-12
    assert not bill(problem, plan.layout).faults
    return plan.gap


def asked(problem: Problem) -> Plan | NoFeasiblePlan:
    try:
        return solve(problem, alternatives=False)
    except NoFeasiblePlan as error:
        return error


def some_are_open(gaps: list[float | None]) -> bool:
    return any(gap is not None and gap > 1e-5 for gap in gaps)


@pytest.mark.parametrize("family", ["bottleneck", "memory", "everything"])
def test_too_many_down_sets(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_DOWN_SETS", 5)
    gaps = [judge(random_problem(seed, family)) for seed in range(20)]
    assert some_are_open(gaps)
    assert any(gap is not None and gap < 1e-5 for gap in gaps)


class Watched(search.Search):
    """A search that notes each run for a plan (not for a bound) that dropped labels which nothing beats."""

    thinned: ClassVar[list[search.Search]] = []

    def run(self) -> search.Found | None:
        found = super().run()
        if not (self.tight or self.optimistic):
            self.thinned.append(self)
        return found


@pytest.mark.parametrize("family", ["bottleneck", "everything"])
def test_too_many_labels(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One label a station, in the quick search and in the thorough one."""
    monkeypatch.setattr(search, "MOST_LABELS", ((math.inf, 1),))
    monkeypatch.setattr(pipeline, "FEW_LABELS", ((math.inf, 1),))
    monkeypatch.setattr(search, "MORE_BEFORE", 1)
    monkeypatch.setattr(pipeline, "Search", Watched)
    monkeypatch.setattr(Watched, "thinned", [])
    gaps = [judge(random_problem(seed, family)) for seed in range(60)]
    assert len(Watched.thinned) >= 10
    assert some_are_open(gaps)


def test_too_many_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "MOST_CUTS", 1)
    assert some_are_open([judge(random_problem(seed, "recurring")) for seed in range(60)])


@pytest.mark.parametrize("family", ["bottleneck", "everything"])
def test_too_many_combinations_of_codecs(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings, "MOST_COMBINATIONS", 2)
    assert some_are_open([judge(random_problem(seed, family)) for seed in range(20)])


def test_too_many_ways_through_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST_STATIONS", 1)
    problems = (random_problem(seed, "bottleneck") for seed in range(40))
    assert some_are_open([judge(one) for one in problems if one.order is None])


@pytest.mark.parametrize("most", [0, 1])
def test_too_many_tied_weights(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tied weights that a column cannot tell apart make a plan dearer than it is, a bound cheaper, never a lie."""
    monkeypatch.setattr(search, "MOST_BITS", most)
    gaps = [judge(tied(seed)) for seed in range(60)]
    assert some_are_open(gaps)
    assert any(gap is not None and gap < 1e-5 for gap in gaps)


def tied(seed: int) -> Problem:
    """Eight layers in a row that share weights, on a board that is used twice and is too small."""
    dice = random.Random(seed)
    sizes = {TensorName(f"shared{index}"): Bytes(dice.randrange(5, 60)) for index in range(4)}
    layers = tuple(
        dataclasses.replace(layer, weight_names=tuple(dice.sample(sorted(sizes), dice.randrange(3))))
        for layer in small.chain(*[100] * 9).layers
    )
    devices = [
        dataclasses.replace(
            small.device(name, *(dice.uniform(1, 4) for _ in layers)), memory=Bytes(dice.randrange(40, 140))
        )
        for name in (small.BOARD, small.CLOUD)
    ]
    found = small.problem(dataclasses.replace(small.chain(*[100] * 9), layers=layers), *devices)
    objective = dice.choice([LATENCY, THROUGHPUT])
    order = (small.BOARD, small.CLOUD, small.BOARD)
    return dataclasses.replace(found, weight_bytes=sizes, order=order, objective=objective)
