"""All down-sets, no more and no fewer; and what no plan may part stays together."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from partitioner.graph import down_sets, is_down_set
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.lattice import lattice, together
from partitioner.units import TensorName
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.shapes import branches_of, chain_of, graph_of, problem_of


def singles(count: int) -> tuple[tuple[int, ...], ...]:
    return tuple((one,) for one in range(count))


@pytest.mark.parametrize("seed", range(20))
def test_every_down_set_is_there_once_and_nothing_else(seed: int) -> None:
    graph = random_problem(seed).graph
    count = len(graph.layers)
    downs = lattice(graph, singles(count), 10_000)
    assert downs is not None
    found = [frozenset(np.flatnonzero(row).tolist()) for row in downs.sets]
    subsets = (
        frozenset(one) for size in range(count + 1) for one in itertools.combinations(range(count), size)
    )
    assert set(found) == {one for one in subsets if is_down_set(graph, one)}
    assert len(found) == len(set(found))
    assert [len(one) for one in found] == sorted(len(one) for one in found)


def test_inclusion_is_that_of_sets_over_more_than_one_word() -> None:
    downs = lattice(chain_of(150), singles(150), 1000)
    assert downs is not None
    assert np.array_equal(downs.inclusion(), np.tri(151, dtype=bool))


def test_growth_is_bounded() -> None:
    graph = branches_of(4, 5)  # 6^4 + 2 down-sets
    assert lattice(graph, singles(22), 6**4 + 1) is None
    downs = lattice(graph, singles(22), 6**4 + 2)
    assert downs is not None
    assert len(downs) == len(down_sets(graph, 2000) or [])


def test_groups_are_never_parted() -> None:
    downs = lattice(graph_of([(0, 1), (0, 2), (1, 3), (2, 3)], 4), ((0, 1), (2,), (3,)), 100)
    assert downs is not None
    assert np.array_equal(downs.sets[:, 0], downs.sets[:, 1])


def test_a_tensor_that_stays_binds_what_lies_between_too() -> None:
    # 0 -> 1 -> 2 and 0 -> 2: if t0 must not cross, 2 is with 0, so 1, which is between them, is too.
    graph = graph_of([(0, 1), (1, 2), (0, 2), (2, 3)], 4)
    problem = dataclasses.replace(problem_of(graph, 1.0, 1.0), stay=frozenset([TensorName("t0")]))
    assert together(problem) == ((0, 1, 2), (3,))


@pytest.mark.parametrize("seed", range(40))
def test_merging_loses_no_plan(seed: int) -> None:
    problem = random_problem(seed, "order")
    problem = dataclasses.replace(problem, stay=frozenset([problem.graph.tensors[1].name]), pins={})
    problem = dataclasses.replace(
        problem, devices=tuple(dataclasses.replace(one, lacks=frozenset()) for one in problem.devices)
    )
    layout = best_of_all(problem).layout
    for group in together(problem):
        assert any(layers.issuperset(group) for layers in layout.stages)
