"""The search itself: it finds the oracle's best, proves no better under a ceiling, and says when it thinned."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.kinds import kinds, stations
from partitioner.solve.lattice import lattice, together
from partitioner.solve.pipeline import layout_of
from partitioner.solve.problem import Problem
from partitioner.solve.search import Search, Space
from partitioner.solve.space import space_of
from tests.partitioner.solve.instances import random_problem

FAMILIES = ("limits", "order", "recurring", "any order")
SEEDS = [(family, seed) for family in FAMILIES for seed in range(12)]


def tables(asked: Problem, optimistic: bool = False) -> Space | None:
    downs, among = lattice(asked.graph, together(asked), 1000), kinds(asked)
    path = stations(asked, among)
    assert downs is not None
    return None if path is None else space_of(asked, downs, among, path, optimistic)


def truth(asked: Problem) -> float:
    try:
        return best_of_all(asked).value
    except NoFeasiblePlan:
        return math.inf


@pytest.mark.parametrize(("family", "seed"), SEEDS)
def test_it_finds_what_enumeration_finds_and_the_steps_are_its_plan(family: str, seed: int) -> None:
    asked = random_problem(seed, family)
    space = tables(asked)
    assert space is not None
    search = Search(space)
    found, best = search.run(), truth(asked)
    assert search.tight
    if found is None:
        assert best == math.inf
        return
    assert found.value == pytest.approx(best, rel=1e-9)
    layout = layout_of(space, kinds(asked), found)
    assert objective_value(asked, evaluate(asked, layout)) == pytest.approx(found.value, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 6, 7])  # the others can run nowhere
def test_under_a_ceiling_only_what_is_better_is_found(seed: int) -> None:
    asked = random_problem(seed, "order")
    space, best = tables(asked), truth(asked)
    assert space is not None
    assert best < math.inf
    above = Search(space, ceiling=best * 1.01).run()
    assert above is not None
    assert above.value == pytest.approx(best, rel=1e-9)
    assert Search(space, ceiling=best * 0.99).run() is None


@pytest.mark.parametrize("seed", range(24))
def test_a_search_of_one_label_says_that_it_thinned_and_its_optimistic_twin_bounds(seed: int) -> None:
    asked = random_problem(seed, "limits")
    space, hopeful, best = tables(asked), tables(asked, optimistic=True), truth(asked)
    assert space is not None
    assert hopeful is not None
    few = ((math.inf, 1),)
    search = Search(space, few)
    found = search.run()
    if found is not None:
        assert found.value >= best * (1 - 1e-9), "a thinned search finds plans, not dreams"
    if search.tight:
        assert (found.value if found else math.inf) == pytest.approx(best, rel=1e-9)
    bound = Search(hopeful, few, optimistic=True).run()
    assert (bound.value if bound else math.inf) <= best * (1 + 1e-9)


def test_thinning_happens_in_these_tests() -> None:
    """Else the test above would prove nothing."""
    thinned = 0
    for seed in range(24):
        space = tables(random_problem(seed, "limits"))
        assert space is not None
        search = Search(space, ((math.inf, 1),))
        search.run()
        thinned += not search.tight
    assert thinned >= 5


def test_what_no_limit_allows_is_not_found() -> None:
    asked = random_problem(3, "order")
    limits = dataclasses.replace(asked.limits, latency=0.0)  # type: ignore[arg-type]
    space = tables(dataclasses.replace(asked, limits=limits))
    assert space is not None
    assert Search(space).run() is None
