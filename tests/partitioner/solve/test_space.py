"""The tables of a search: where it starts, what is left at least, and which boundaries there are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.kinds import kinds, stations
from partitioner.solve.lattice import lattice
from partitioner.solve.problem import LATENCY, THROUGHPUT, Objective, Problem, Watts
from partitioner.solve.search import Space
from partitioner.solve.space import space_of
from partitioner.units import TensorName
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, device, diamond, links, problem

ORDER = (BOARD, GATE, CLOUD)


def tables(asked: Problem) -> Space:
    downs = lattice(asked.graph, tuple((one.index,) for one in asked.graph.layers), 1000)
    among = kinds(asked)
    path = stations(asked, among)
    assert downs is not None
    assert path is not None
    return space_of(asked, downs, among, path)


@pytest.fixture
def asked() -> Problem:
    near = dataclasses.replace(device(BOARD, 4.0, 4.0, 4.0, 4.0, overhead=0.5), watts=Watts(2.0))
    return problem(diamond(), near, device(GATE, 2.0, 2.0, 2.0, 8.0), device(CLOUD, 1.0, 1.0, 9.0, 9.0))


def test_a_request_starts_with_the_entrys_own_cost(asked: Problem) -> None:
    assert tables(dataclasses.replace(asked, objective=LATENCY)).start.tolist() == [0.5]
    energy = dataclasses.replace(asked, objective=Objective(latency=0.0, energy=1.0))
    assert tables(energy).start.tolist() == [1.0]
    loaded = tables(dataclasses.replace(asked, objective=THROUGHPUT))
    assert loaded.start[loaded.columns.load] == 0.5


def test_what_is_left_takes_each_layer_where_it_is_fastest(asked: Problem) -> None:
    found = tables(asked)
    assert found.rest[0, 0] == pytest.approx(1.0 + 1.0 + 2.0 + 4.0)
    assert found.rest[-1, 0] == 0.0
    pinned = tables(dataclasses.replace(asked, pins={0: GATE}))
    assert pinned.rest[0, 0] == pytest.approx(2.0 + 1.0 + 2.0 + 4.0)


def test_what_must_stay_is_no_boundary(asked: Problem) -> None:
    assert len(tables(asked).lattice) == 6  # of a diamond: {}, 0, 01, 02, 012, all
    stays = tables(dataclasses.replace(asked, stay=frozenset({TensorName("a")})))
    inside = {frozenset(np.flatnonzero(row).tolist()) for row in stays.lattice.sets}
    assert inside == {frozenset(), frozenset({0, 1, 2}), frozenset({0, 1, 2, 3})}


def test_parts_of_down_sets_are_known(asked: Problem) -> None:
    found = tables(asked)
    for bigger, row in enumerate(found.lattice.sets):
        for smaller, other in enumerate(found.lattice.sets):
            assert found.inside[bigger, smaller] == (not (other & ~row).any())


def test_every_station_passes_to_its_followers_and_to_nobody_else(asked: Problem) -> None:
    found = tables(asked)
    pairs = {(index, after) for index, one in enumerate(found.stations) for after in one.followers}
    assert set(found.passages) == pairs
    free = dataclasses.replace(asked, order=None, hops=links(BOARD, GATE))
    assert {one.device.name for one in tables(free).stations} == {BOARD, GATE}, "nobody reaches the cloud"


def test_outputs_on_their_way_home_are_those_made_behind(asked: Problem) -> None:
    found = tables(asked)
    size, used = found.home
    whole = len(found.outputs) - 1
    assert size[0, whole] == 100.0
    assert used[0, whole] == 1.0
    assert size[-1, whole] == used[-1, whole] == 0.0


@pytest.mark.parametrize("seed", [0, 2, 3, 4, *range(6, 16)])  # the others can run nowhere
def test_the_rest_is_never_more_than_a_plan_takes(seed: int) -> None:
    asked = dataclasses.replace(random_problem(seed, "order"), objective=LATENCY)
    space = tables(asked)
    assert space.rest[0, 0] <= best_of_all(asked).value * (1 + 1e-12)
