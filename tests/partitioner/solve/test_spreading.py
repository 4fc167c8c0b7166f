"""The fluid bound never exceeds the best plan, is met where nothing is lost, and sees what cannot be."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.kinds import kinds
from partitioner.solve.problem import THROUGHPUT, Limits
from partitioner.solve.spreading import spread
from partitioner.units import Bytes, Seconds
from tests.partitioner.solve.instances import FAMILIES, random_problem
from tests.partitioner.solve.shapes import chain_of, problem_of, with_device
from tests.partitioner.solve.small import chain


@pytest.mark.parametrize("family", [one for one in FAMILIES if one != "recurring"])
def test_it_is_a_bound(family: str) -> None:
    for seed in range(15):
        problem = random_problem(seed, family)
        bound = spread(problem, kinds(problem))
        try:
            assert bound <= best_of_all(problem).value * (1 + 1e-6) + 1e-12
        except NoFeasiblePlan:
            continue


def test_equal_shares_over_a_kind() -> None:
    problem = dataclasses.replace(problem_of(chain_of(9), 1.0, 1.0, 1.0), objective=THROUGHPUT)
    assert spread(problem, kinds(problem)) == pytest.approx(3.0, rel=1e-5)


def test_what_cannot_be_is_infinite() -> None:
    problem = problem_of(chain_of(4, weights=1000), 1.0, 1.0)
    assert (
        spread(dataclasses.replace(problem, limits=Limits(bottleneck=Seconds(1.9))), kinds(problem))
        == math.inf
    )
    small = with_device(with_device(problem, 0, memory=Bytes(2000)), 1, memory=Bytes(2000))
    assert spread(small, kinds(small)) == math.inf


def test_ten_thousand_layers_take_little_memory() -> None:
    graph = chain(*[100] * 10_001)
    problem = dataclasses.replace(problem_of(graph, 1.0, 0.5), objective=THROUGHPUT)
    tracemalloc.start()
    try:
        assert spread(problem, kinds(problem)) > 0
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
