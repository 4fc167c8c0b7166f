"""What a segment takes and needs, against sums by hand over every pair of nested down-sets."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from partitioner.solve.costing import memory_of
from partitioner.solve.lattice import Lattice, lattice
from partitioner.solve.problem import Problem
from partitioner.solve.segments import segments_of, too_small, weights_of
from partitioner.units import Bytes
from tests.partitioner.solve.instances import random_problem


def lattice_of(problem: Problem) -> Lattice:
    count = len(problem.graph.layers)
    found = lattice(problem.graph, tuple((one,) for one in range(count)), 10_000)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(15))
def test_memory_and_time_of_every_pair(seed: int) -> None:
    problem = random_problem(seed, "memory")
    downs, device = lattice_of(problem), problem.devices[0]
    device = dataclasses.replace(device, memory=Bytes(60))
    problem = dataclasses.replace(problem, devices=(device, *problem.devices[1:]))
    tables = segments_of(problem, downs, device, weights_of(problem), pairs=True)
    engine = {layer.index for layer in problem.graph.layers if not layer.pseudo}
    inside = downs.inclusion()
    for end, start in itertools.product(range(len(downs)), repeat=2):
        if not inside[end, start]:
            continue
        layers = set(np.flatnonzero(downs.sets[end] & ~downs.sets[start]).tolist())
        starts = np.array([start])
        own = engine & layers
        seconds = sum(device.costs.layers[one] for one in layers)
        seconds += device.costs.segment if own and own != engine else 0.0
        assert tables.times(end, starts)[0] == pytest.approx(seconds, abs=1e-12)
        banned = any(
            one in device.lacks or problem.pins.get(one, device.name) != device.name for one in layers
        )
        fits = memory_of(problem, device.name, layers) <= 60
        assert tables.allowed(end, starts)[0] == (fits and not banned)


def test_memory_is_not_looked_at_where_everything_fits() -> None:
    problem = random_problem(1)
    device = dataclasses.replace(problem.devices[0], memory=Bytes(10**9))
    assert not too_small(problem, device, weights_of(problem))
    tables = segments_of(problem, lattice_of(problem), device, weights_of(problem), pairs=True)
    assert tables.fits is None
