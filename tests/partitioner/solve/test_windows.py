"""Windows are a partition whose quotient has no cycle, shorter near the boundaries of a known plan."""

from __future__ import annotations

import pytest

from partitioner.graph import layer_inputs
from partitioner.solve.windows import line_of, windows
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.shapes import branches_of, chain_of


@pytest.mark.parametrize("growth", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(10))
def test_the_quotient_has_no_cycle(seed: int, growth: float) -> None:
    graph = random_problem(seed).graph
    count = len(graph.layers)
    line = line_of(graph, tuple((one,) for one in range(count)), [0] * count, [0] * count)
    merged = windows(line, growth)
    assert sorted(layer for group in merged for layer in group) == list(range(count))
    place = {layer: index for index, group in enumerate(merged) for layer in group}
    for layer, feeders in enumerate(layer_inputs(graph)):
        assert all(place[one] <= place[layer] for one in feeders)


def test_branches_are_runs() -> None:
    graph = branches_of(3, 4)
    line = line_of(graph, tuple((one,) for one in range(14)), [0] * 14, [0] * 14)
    assert line.order == tuple(range(14))


def test_runs_are_short_near_a_boundary_and_end_at_it() -> None:
    stages = [0] * 20 + [1] * 20
    line = line_of(chain_of(40), tuple((one,) for one in range(40)), stages, [0] * 40)
    merged = windows(line, 0.3)
    assert (19,) in merged
    assert (20,) in merged
    assert max(len(one) for one in merged) > 3


def test_no_run_mixes_what_different_devices_may_run() -> None:
    kinds = [0] * 5 + [1] * 5
    line = line_of(chain_of(10), tuple((one,) for one in range(10)), [0] * 10, kinds)
    assert all(len({kinds[layer] for layer in group}) == 1 for group in windows(line, 4.0))
