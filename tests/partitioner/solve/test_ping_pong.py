"""What unrestricted assignment would gain: a hand-made case that the space of plans forbids, and order."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.ping_pong import ping_pong
from partitioner.solve.problem import THROUGHPUT, Device, Hop, Problem
from partitioner.units import Bytes, BytesPerSecond, DeviceId, NodeName, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem


def back_and_forth() -> Problem:
    """Three layers in a chain: the first and the last are fast on the board, the one between on the cloud."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(3))
    tensors = tuple(CostTensor(TensorName(f"t{i}"), "uint8", (10,), Bytes(10), i - 1, (i,)) for i in range(3))
    board = Device(DeviceId("board"), StageCosts((Seconds(0.1), Seconds(9.0), Seconds(0.1))))
    cloud = Device(DeviceId("cloud"), StageCosts((Seconds(5.0), Seconds(0.1), Seconds(5.0))))
    hop = Hop(BytesPerSecond(100.0), Seconds(0.05), 1.0)
    hops = {("board", "cloud"): hop, ("cloud", "board"): hop}
    return Problem(CostGraph(layers, tensors), (board, cloud), hops)  # type: ignore[arg-type]


def test_going_back_pays_each_hop_once() -> None:
    assert ping_pong(back_and_forth()) == pytest.approx(0.1 + 0.15 + 0.1 + 0.15 + 0.1)
    assert best_of_all(back_and_forth()).value == pytest.approx(0.1 + 0.15 + 0.1 + 5.0)


@pytest.mark.parametrize("seed", range(60))
def test_two_stages_never_beat_it(seed: int) -> None:
    problem = random_problem(seed, "order")
    first, second = problem.devices[:2]
    if (first.name, second.name) not in problem.hops:
        return
    two = dataclasses.replace(problem, order=(first.name, second.name), devices=(first, second), pins={})
    try:
        assert ping_pong(two) <= best_of_all(two).value * (1 + 1e-9)
    except NoFeasiblePlan:
        return


def test_a_bottleneck_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="sums"):
        ping_pong(dataclasses.replace(back_and_forth(), objective=THROUGHPUT))
