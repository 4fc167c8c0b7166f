"""The oracle itself: an instance worked out by hand, every row against plain Python, and its limits."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.exhaustive import assignments, best_of_all, orders
from partitioner.solve.problem import CodecOption, Device, Hop, Layout, Limits, Objective, Problem
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, NodeName, Seconds, TensorName
from tests.partitioner.solve.bill import bill, same
from tests.partitioner.solve.instances import random_problem

BOARD, CLOUD = DeviceId("board"), DeviceId("cloud")


def chain_of_two() -> Problem:
    """Input of 1000 bytes, then 100 bytes, then an output of 10 bytes; 1 byte a millisecond each way."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(30), ()) for i in range(2))
    tensors = (
        CostTensor(TensorName("x"), "float32", (250,), Bytes(1000), -1, (0,)),
        CostTensor(TensorName("h"), "float32", (25,), Bytes(100), 0, (1,)),
        CostTensor(TensorName("y"), "uint8", (10,), Bytes(10), 1, (), is_output=True),
    )
    board = StageCosts(
        (Seconds(0.5), Seconds(3.0)),
        *(0.005, 0.001, Seconds(0.02), Seconds(0.1)),
        send_message=Seconds(0.003),
        receive_byte=0.0001,
    )
    cloud = StageCosts(
        (Seconds(0.1), Seconds(0.3)),
        *(0.002, 0.007, Seconds(0.03), Seconds(0.2)),
        receive_message=Seconds(0.004),
        send_byte=0.0002,
    )
    hops = {
        (BOARD, CLOUD): Hop(BytesPerSecond(1000), Seconds(0.04), 2.0),
        (CLOUD, BOARD): Hop(BytesPerSecond(1000), Seconds(0.05), 2.0),
    }
    return Problem(CostGraph(layers, tensors), (Device(BOARD, board), Device(CLOUD, cloud)), hops)


def test_every_term_of_latency_is_counted() -> None:
    answer = best_of_all(chain_of_two())
    assert answer.layout == Layout((BOARD, CLOUD), (frozenset({0}), frozenset({1})), answer.layout.codecs)
    assert answer.layout.codecs == {(0, "h"): "raw"}
    board = 0.1 + 0.5 + 0.02 + 100 * 0.001 + 0.003 + 10 * 0.0001
    cloud = 0.2 + 0.3 + 0.03 + 100 * 0.002 + 0.004 + 10 * 0.0002
    assert answer.value == pytest.approx(board + cloud + (100 * 2 / 1000 + 0.04) + (10 * 2 / 1000 + 0.05))
    assert answer.gap == 0


def test_the_bottleneck_is_the_busiest_device_or_hop_without_its_delay() -> None:
    problem = dataclasses.replace(chain_of_two(), objective=Objective(0.0, 1.0), pins={1: CLOUD})
    cloud = 0.2 + 0.3 + 0.03 + 100 * 0.002 + 0.004 + 10 * 0.0002
    assert best_of_all(problem).value == pytest.approx(cloud)
    slow = {key: dataclasses.replace(hop, rate=BytesPerSecond(100)) for key, hop in problem.hops.items()}
    assert best_of_all(dataclasses.replace(problem, hops=slow)).value == pytest.approx(100 * 2 / 100)


def test_egress_counts_wire_bytes_both_ways_and_no_headers() -> None:
    problem = dataclasses.replace(chain_of_two(), objective=Objective(0.0, egress=1.0), pins={1: CLOUD})
    assert best_of_all(problem).value == 110


def test_a_relay_is_a_stage_without_layers() -> None:
    problem = chain_of_two()
    far = DeviceId("far")
    devices = (*problem.devices, dataclasses.replace(problem.devices[1], name=far))
    hops = problem.hops | {(CLOUD, far): Hop(BytesPerSecond(1e9)), (far, CLOUD): Hop(BytesPerSecond(1e9))}
    problem = dataclasses.replace(problem, devices=devices, hops=hops, pins={0: BOARD, 1: far})
    answer = best_of_all(problem)
    assert answer.layout.order == (BOARD, CLOUD, far)
    assert answer.layout.stages == (frozenset({0}), frozenset(), frozenset({1}))


def test_a_codec_that_is_not_allowed_is_not_used() -> None:
    tiny = CodecOption(CodecName("jpeg"), Bytes(1))
    allowed = dataclasses.replace(chain_of_two(), options={TensorName("x"): (tiny,)})
    assert best_of_all(allowed).layout.stages[0] == frozenset()
    options = {TensorName("x"): (dataclasses.replace(tiny, allowed=False),)}
    assert best_of_all(dataclasses.replace(allowed, options=options)).layout.stages[0] == {0}


def test_a_budget_of_loss_chooses_another_codec() -> None:
    h = TensorName("h")
    options = {h: (CodecOption(CodecName("raw"), Bytes(100)), CodecOption(CodecName("u8"), Bytes(20), 0.1))}
    problem = dataclasses.replace(chain_of_two(), options=options)
    assert best_of_all(problem).layout.codecs == {(0, h): "u8"}
    strict = dataclasses.replace(problem, limits=Limits(loss=0.05))
    assert best_of_all(strict).layout.codecs == {(0, h): "raw"}


def test_nothing_feasible_is_said() -> None:
    problem = chain_of_two()
    small = tuple(dataclasses.replace(device, memory=Bytes(20)) for device in problem.devices)
    with pytest.raises(NoFeasiblePlan):
        best_of_all(dataclasses.replace(problem, devices=small))


@pytest.mark.parametrize("seed", range(60))
def test_every_row_is_a_plan_and_plain_python_agrees_on_its_price(seed: int) -> None:
    problem = random_problem(seed)
    for answer in _each_plan(problem, most=40, seed=seed):
        assert same(bill(problem, answer[0]).value, answer[1], 1e-9)
        assert not bill(problem, answer[0]).faults


@pytest.mark.parametrize("seed", range(40))
def test_no_plan_that_plain_python_finds_is_missing(seed: int) -> None:
    problem = dataclasses.replace(random_problem(seed, "memory"), options={})
    if len(problem.graph.layers) > 5 or len(problem.devices) > 3:
        problem = dataclasses.replace(problem, order=tuple(device.name for device in problem.devices[:2]))
    values = [value for layout in _every_layout(problem) if (value := _priced(problem, layout)) is not None]
    try:
        assert same(best_of_all(problem).value, min(values))
    except NoFeasiblePlan:
        assert not values


def _priced(problem: Problem, layout: Layout) -> float | None:
    priced = bill(problem, layout)
    return None if priced.faults else priced.value


def _every_layout(problem: Problem) -> list[Layout]:
    """All functions from layers to stages, most of them no plans."""
    count = len(problem.graph.layers)
    layouts = []
    for order in orders(problem):
        for stages in itertools.product(range(len(order)), repeat=count):
            used = max(stages) + 1
            held = tuple(frozenset(i for i in range(count) if stages[i] == s) for s in range(used))
            layouts.append(Layout(order[:used], held))
    return layouts


def _each_plan(problem: Problem, most: int, seed: int) -> list[tuple[Layout, float]]:
    """Some plans with the oracle's own prices, by pinning every layer to where a random row has it."""
    found = []
    dice = np.random.default_rng(seed)
    for order in orders(problem):
        fixed = dataclasses.replace(problem, order=order, limits=Limits())
        rows = assignments(problem.graph, [np.ones(len(problem.graph.layers), dtype=bool)] * len(order))
        for row in dice.choice(rows, min(most // len(orders(problem)), len(rows)), replace=False):
            pins = {layer: order[stage] for layer, stage in enumerate(row.tolist())}
            try:
                answer = best_of_all(dataclasses.replace(fixed, pins=problem.pins | pins))
            except NoFeasiblePlan:
                continue
            if not bill(problem, answer.layout).faults:
                found.append((answer.layout, answer.value))
    return found


def test_it_refuses_what_it_cannot_enumerate() -> None:
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(23))
    costs = StageCosts((Seconds(0.0),) * 23)
    problem = chain_of_two()
    wide = dataclasses.replace(
        problem,
        graph=CostGraph(layers, ()),
        devices=tuple(dataclasses.replace(device, costs=costs) for device in problem.devices),
    )
    with pytest.raises(InvalidProblem, match="to enumerate"):
        best_of_all(wide)


def test_it_refuses_a_graph_that_is_not_numbered_topologically() -> None:
    problem = chain_of_two()
    backwards = CostTensor(TensorName("h"), "float32", (25,), Bytes(100), 1, (0,))
    with pytest.raises(InvalidProblem, match="topologically"):
        best_of_all(dataclasses.replace(problem, graph=CostGraph(problem.graph.layers, (backwards,))))
