"""Combinations of codecs: all that are worth choosing, none that are not, and a bound that tells."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from partitioner.graph import live_tensors
from partitioner.solve import crossings as room
from partitioner.solve.crossings import crossings_of, flow_of, picked, projection
from partitioner.solve.labels import undominated
from partitioner.solve.lattice import lattice
from partitioner.solve.metrics import metrics_of
from partitioner.solve.prices import boundary_of, crossing
from partitioner.solve.problem import CodecOption, Problem, may_cross
from partitioner.units import Bytes, CodecName
from tests.partitioner.solve.instances import random_problem


def with_codecs(seed: int) -> Problem:
    problem = random_problem(seed, "limits")
    options = {
        tensor.name: (
            CodecOption(CodecName("raw"), tensor.size),
            CodecOption(CodecName("f16"), Bytes(tensor.size // 2), 0.001),
            CodecOption(CodecName("u8"), Bytes(tensor.size // 5), 0.01),
        )
        for tensor in problem.graph.tensors
    }
    limits = dataclasses.replace(problem.limits, loss=0.02, bottleneck=1.0)
    return dataclasses.replace(problem, options=options, limits=limits, order=None)


def linked(problem: Problem) -> Problem:
    names = [one.name for one in problem.devices]
    some = next(iter(problem.hops.values()))
    hops = {(a, b): problem.hops.get((a, b), some) for a in names for b in names if a != b}
    return dataclasses.replace(problem, hops=hops)


@pytest.mark.parametrize("seed", range(12))
def test_the_combinations_are_the_naive_front(seed: int) -> None:
    problem = linked(with_codecs(seed))
    downs = lattice(problem.graph, tuple((one.index,) for one in problem.graph.layers), 10_000)
    assert downs is not None
    flow, metrics = flow_of(problem, downs), metrics_of(problem)
    boundary = boundary_of(problem, problem.devices[0].name, problem.devices[1].name)
    found, project = crossings_of(problem, flow, boundary, metrics), projection(metrics, boundary)
    assert found.tight
    for down, layers in enumerate(downs.sets):
        live = live_tensors(problem.graph, set(np.flatnonzero(layers).tolist()))
        live = tuple(one for one in live if set(one.consumers) - {one.producer})
        assert flow.legal[down] == all(may_cross(problem, one) for one in live)
        if not flow.legal[down] or len(live) > 4:
            continue
        every = itertools.product(
            *([crossing(problem, boundary, t, o) for o in problem.options[t.name]] for t in live)
        )
        table = np.array(
            [
                [
                    sum(getattr(one, part) for one in row)
                    for part in ("near", "hop", "far", "wire_bytes", "loss")
                ]
                for row in every
            ],
            dtype=float,
        )
        table[:, 0] += boundary.near.costs.send_message
        table[:, 2] += boundary.far.costs.receive_message + boundary.far.costs.overhead
        front = (table @ project)[undominated(table @ project)]
        mine = found.costs[found.start[down] : found.start[down + 1]] @ project
        assert len(front) == len(mine)
        assert np.allclose(np.sort(front, axis=0), np.sort(mine, axis=0), rtol=1e-9)


def test_picked_codecs_cost_what_the_row_says() -> None:
    problem = linked(with_codecs(4))
    downs = lattice(problem.graph, tuple((one.index,) for one in problem.graph.layers), 10_000)
    assert downs is not None
    flow = flow_of(problem, downs)
    boundary = boundary_of(problem, problem.devices[0].name, problem.devices[1].name)
    found = crossings_of(problem, flow, boundary, metrics_of(problem))
    tensors = {one.name: one for one in problem.graph.tensors}
    for down in range(len(downs)):
        for row in range(found.start[down], found.start[down + 1]):
            codecs = picked(problem, flow, found, down, row)
            wire = sum(
                option.wire_bytes
                for name, codec in codecs.items()
                for option in problem.options[tensors[name].name]
                if option.codec == codec
            )
            assert wire == found.costs[row, room.BYTES]


def test_thinning_is_told_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_COMBINATIONS", 2)
    problem = linked(with_codecs(4))
    downs = lattice(problem.graph, tuple((one.index,) for one in problem.graph.layers), 10_000)
    assert downs is not None
    flow, metrics = flow_of(problem, downs), metrics_of(problem)
    boundary = boundary_of(problem, problem.devices[0].name, problem.devices[1].name)
    real = crossings_of(problem, flow, boundary, metrics)
    ideal = crossings_of(problem, flow, boundary, metrics, optimistic=True)
    assert not real.tight
    assert max(np.diff(real.start)) <= 2
    for first, last in itertools.pairwise(real.start):
        assert np.all(ideal.costs[first:last].min(axis=0) <= real.costs[first:last].min(axis=0))
