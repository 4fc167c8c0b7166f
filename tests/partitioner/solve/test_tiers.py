"""The multi-label minimum cut: known answers, and every staging of small random graphs by brute force."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve import tiers
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.layouts import layout_of
from partitioner.solve.problem import Answer, CodecSeconds, Problem
from partitioner.solve.tiers import minimum_cut
from partitioner.units import CodecName, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.small import (
    BOARD,
    CLOUD,
    GATE,
    chain,
    device,
    diamond,
    graph,
    links,
    problem,
    tensor,
)

MOST_STAGINGS = 1100  # 4 stages of 5 layers


def answer(asked: Problem) -> Answer | None:
    try:
        return minimum_cut(asked, asked.order or ())
    except NoFeasiblePlan:
        return None


def by_brute_force(asked: Problem) -> float:
    order = asked.order or ()
    return min(
        value(asked, staging)
        for staging in itertools.product(range(len(order)), repeat=len(asked.graph.layers))
    )


def value(asked: Problem, staging: tuple[int, ...]) -> float:
    try:
        return objective_value(asked, evaluate(asked, layout_of(asked.order or (), staging)))
    except InvalidProblem:
        return math.inf


def stages(asked: Problem) -> list[list[int]]:
    found = minimum_cut(asked, asked.order or ())
    return [sorted(layers) for layers in found.layout.stages]


@pytest.mark.parametrize("family", ["order", "recurring"])
def test_no_staging_is_better_and_the_bound_holds(family: str) -> None:
    tried = 0
    for seed in range(260):
        asked = random_problem(seed, family)
        if len(asked.order or ()) ** len(asked.graph.layers) > MOST_STAGINGS:
            continue
        tried += 1
        found, least = answer(asked), by_brute_force(asked)
        assert (found is None) == math.isinf(least), seed
        if found is not None:
            assert found.value == pytest.approx(least, rel=1e-6, abs=1e-15), seed
            assert found.value == pytest.approx(
                objective_value(asked, evaluate(asked, found.layout)), rel=1e-9
            )
            assert found.lower_bound <= least * (1 + 1e-12), seed
            assert found.gap < 1e-6, seed
            assert found.method == tiers.METHOD
    assert tried > 80


def test_the_cut_is_where_the_tensor_is_small() -> None:
    asked = problem(chain(900, 800, 50, 700, 10), device(BOARD, 1, 1, 1, 1), device(CLOUD, 0, 0, 0, 0))
    assert stages(dataclasses.replace(asked, hops=links(BOARD, CLOUD, rate=100.0))) == [[0, 1], [2, 3]]


def test_a_tensor_with_two_consumers_is_paid_once() -> None:
    asked = problem(diamond(), device(BOARD, 0, 0.3, 0.3, 0.3), device(CLOUD, 9, 0, 0, 0))
    found = minimum_cut(asked, (BOARD, CLOUD))
    assert [sorted(layers) for layers in found.layout.stages] == [[0], [1, 2, 3]]
    assert found.value == pytest.approx(0.4 + 0.1)  # twice `a` would be 0.8, and the board alone better


def test_three_stages_each_where_it_is_cheap() -> None:
    asked = problem(
        chain(9000, 100, 80, 10), device(BOARD, 0, 9, 9), device(GATE, 9, 0, 9), device(CLOUD, 9, 9, 0)
    )
    found = minimum_cut(asked, (BOARD, GATE, CLOUD))
    assert [sorted(layers) for layers in found.layout.stages] == [[0], [1], [2]]
    assert found.value == pytest.approx(0.1 + 0.08 + 2 * 0.01)


def test_there_and_back() -> None:
    asked = problem(
        chain(1, 1, 1, 5000), device(BOARD, 0, 9, 0), device(CLOUD, 9, 0, 0), order=(BOARD, CLOUD, BOARD)
    )
    assert stages(asked) == [[0], [1], [2]]  # the output is too large to come home


def test_a_middle_stage_is_left_out_where_its_segment_costs_too_much() -> None:
    gate = device(GATE, 0.5, 0.5, 0.5, segment=0.2)
    asked = problem(chain(10, 10, 10, 10), device(BOARD, 0, 1, 1), gate, device(CLOUD, 1, 1, 0))
    assert stages(asked) == [[0], [1], [2]]
    dear = dataclasses.replace(
        asked, devices=(asked.devices[0], device(GATE, 0.5, 0.5, 0.5, segment=0.6), asked.devices[2])
    )
    assert stages(dear)[1] == []


def test_a_whole_model_in_the_middle_is_no_segment() -> None:
    gate = device(GATE, 0, 0, segment=9)
    asked = problem(chain(10, 10, 10), device(BOARD, 5, 5), gate, device(CLOUD, 5, 5))
    assert stages(asked) == [[], [0, 1]]


def test_the_message_home_is_paid_once_and_only_where_outputs_pass() -> None:
    two_outputs = graph(
        3,
        tensor("x", -1, (0,), 1),
        tensor("t", 0, (1,), 1),
        tensor("y", 1, (2,), 1, True),
        tensor("z", 2, (), 1, True),
    )
    asked = problem(
        two_outputs, device(BOARD, 0, 0.5, 0.5), device(CLOUD, 0, 0, 0), hops=links(BOARD, CLOUD, delay=0.4)
    )
    assert stages(asked) == [[], [0, 1, 2]]
    slower = dataclasses.replace(asked, hops=links(BOARD, CLOUD, delay=0.6))
    assert stages(slower) == [[0, 1, 2]]


def test_zero_costs_and_no_layers() -> None:
    free = problem(chain(0, 0, 0), device(BOARD, 0, 0), device(CLOUD, 0, 0))
    assert minimum_cut(free, (BOARD, CLOUD)).value == 0.0
    empty = problem(graph(0), device(BOARD, overhead=0.3), device(CLOUD))
    found = minimum_cut(empty, (BOARD, CLOUD))
    assert (found.layout.order, found.value) == ((BOARD,), 0.3)


def test_costs_of_very_different_size_keep_their_precision() -> None:
    wide = problem(chain(1, 1, 1, 1), device(BOARD, 3e-7, 1e5, 1e5), device(CLOUD, 1e5, 2e-7, 5e-7))
    wide = dataclasses.replace(wide, hops=links(BOARD, CLOUD, rate=1e9))
    found = minimum_cut(wide, (BOARD, CLOUD))
    assert found.value == pytest.approx(1e-6 + 2e-9)
    assert found.gap < 1e-6


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e-9, 1e200])
def test_costs_of_any_size(unit: float) -> None:
    asked = problem(chain(0, 0, 0), device(BOARD, 1 * unit, 9 * unit), device(CLOUD, 9 * unit, 2 * unit))
    found = minimum_cut(asked, (BOARD, CLOUD))
    assert found.value == pytest.approx(3 * unit, rel=1e-6, abs=1e-300)
    assert found.lower_bound <= found.value


def test_a_layer_is_in_one_stage_only() -> None:
    """Where nothing held a layer's vertices in line, layer 0 would be before the gate for t0, behind it for x."""
    asked = problem(chain(1, 1, 0), device(BOARD, 0, 20), device(GATE, 20, 20), device(CLOUD, 0, 0))
    raw, slow = CodecName("raw"), CodecSeconds(Seconds(10), Seconds(10))
    board, gate, cloud = asked.devices
    board = dataclasses.replace(board, codecs={(TensorName("x"), raw): slow})
    cloud = dataclasses.replace(cloud, codecs={(TensorName("t0"), raw): slow})
    found = minimum_cut(dataclasses.replace(asked, devices=(board, gate, cloud)), (BOARD, GATE, CLOUD))
    assert found.value == pytest.approx(10.002)
    assert found.gap < 1e-6


def test_when_cuts_run_out_the_bound_is_honest_and_the_method_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiers, "MOST_CUTS", 1)
    bitten = 0
    for seed in range(120):
        asked = random_problem(seed, "recurring")
        if len(asked.order or ()) ** len(asked.graph.layers) > MOST_STAGINGS:
            continue
        found = answer(asked)
        if found is not None and found.method == tiers.BRANCHED:
            bitten += 1
            assert found.lower_bound <= by_brute_force(asked) * (1 + 1e-12) <= found.value * (1 + 1e-9)
    assert bitten
