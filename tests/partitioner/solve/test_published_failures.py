"""Three mistakes of published "optimal" partitioners, each shown on a small problem, and not made here.

Each naive algorithm is written out beside its counterexample; ours is `solve`, checked against the oracle.
"""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.planner import solve
from partitioner.solve.problem import THROUGHPUT, Device, Hop, HopKey, Layout, Problem
from partitioner.units import Bytes, BytesPerSecond, DeviceId, NodeName, Seconds, TensorName
from tests.partitioner.solve.bill import bill
from tests.partitioner.solve.instances import random_problem

BOARD = DeviceId("board")


def chain(*sizes: int, weights: int = 0) -> CostGraph:
    """Layers in a row; `sizes` are the bytes that enter each."""
    layers = tuple(
        Layer(i, NodeName(f"l{i}"), (NodeName(f"n{i}"),), Bytes(weights), ()) for i in range(len(sizes))
    )
    tensors = tuple(
        CostTensor(TensorName(f"t{i}"), "uint8", (size,), Bytes(size), i - 1, (i,))
        for i, size in enumerate(sizes)
    )
    return CostGraph(layers, tensors)


def device(name: str, *seconds: float, memory: int = 0) -> Device:
    costs = StageCosts(tuple(Seconds(one) for one in seconds))
    return Device(DeviceId(name), costs, memory=Bytes(memory))


def links(*ends: tuple[str, str, float]) -> dict[HopKey, Hop]:
    """Both ways alike, `rate` bytes a second, no delay and no headers."""
    both = [*ends, *((b, a, rate) for a, b, rate in ends)]
    return {(DeviceId(a), DeviceId(b)): Hop(BytesPerSecond(rate), Seconds(0.0), 1.0) for a, b, rate in both}


# --- 1. Free returns (DADS): the cut charges only edges that leave the board. ---


def cut_with_free_returns(problem: Problem) -> tuple[float, frozenset[int]]:
    """Return the s-t minimum cut without reverse edges: a tensor that comes back to the board costs nothing."""
    near, far = (problem.device(name).costs.layers for name in problem.order or ())
    hop = problem.hops[(problem.order or ())[0], (problem.order or ())[1]]
    layers = range(len(problem.graph.layers))
    cuts = []
    for on_board in (frozenset(s) for n in range(len(layers) + 1) for s in itertools.combinations(layers, n)):
        seconds = sum(near[one] if one in on_board else far[one] for one in layers)
        leaving = [
            tensor.size
            for tensor in problem.graph.tensors
            if (tensor.producer < 0 or tensor.producer in on_board)
            and not on_board.issuperset(tensor.consumers)
        ]
        cuts.append((seconds + sum(leaving) / hop.rate, on_board))
    return min(cuts, key=lambda cut: cut[0])


def test_free_returns_are_not_believed() -> None:
    """DADS finds board, cloud, board at 0.45 s by forgetting the way back; no plan is faster than 5.3 s."""
    problem = Problem(
        chain(10, 10, 10),
        (device("board", 0.1, 9.0, 0.1), device("cloud", 5.0, 0.1, 5.0)),
        links(("board", "cloud", 100.0)),
        order=(BOARD, DeviceId("cloud")),
    )
    value, on_board = cut_with_free_returns(problem)
    assert value == pytest.approx(0.1 + 0.1 + 0.1 + 0.1)
    assert on_board == {0, 2}  # no down-set: layer 2 needs what layer 1 makes
    plan = solve(problem)
    assert plan.value == pytest.approx(0.1 + 0.1 + 0.1 + 5.0) == best_of_all(problem).value
    assert plan.lower_bound > 10 * value


def test_how_often_free_returns_undercount() -> None:
    """On random DAGs the cut without reverse edges is below the truth for a good part; ours for none."""
    wrong = 0
    for seed in range(100):
        problem = _plain_two_stages(seed)
        best = best_of_all(problem).value
        wrong += cut_with_free_returns(problem)[0] < best * (1 - 1e-6)
        assert solve(problem, alternatives=False).value == pytest.approx(best, rel=1e-6)
    assert wrong > 25


def _plain_two_stages(seed: int) -> Problem:
    """Only layers and bytes, so that nothing but the way back tells the two algorithms apart."""
    drawn = random_problem(seed, "order")
    count = len(drawn.graph.layers)
    layers = tuple(dataclasses.replace(layer, from_input=False, pseudo="") for layer in drawn.graph.layers)
    tensors = tuple(dataclasses.replace(tensor, is_output=False) for tensor in drawn.graph.tensors)
    seconds = [
        [one.costs.layers[i] + 0.001 * ((seed + i) % 7) for i in range(count)] for one in drawn.devices[:2]
    ]
    return Problem(
        CostGraph(layers, tensors),
        (device("board", *seconds[0]), device("cloud", *seconds[1])),
        links(("board", "cloud", 1e6)),
        order=(BOARD, DeviceId("cloud")),
    )


# --- 2. Devices of one kind taken for one device (PipeEdge). ---


def bottleneck_by_kinds_used(problem: Problem, kind: dict[str, str]) -> float:
    """Return the least bottleneck when a search remembers only *which kinds* were used, not how many of each."""
    best = float("inf")
    others = [one.name for one in problem.devices[1:]]
    for behind in itertools.permutations(others):
        if len({kind[name] for name in behind}) == len(behind) or len(behind) == 1:
            order = (problem.entry, *behind)
        else:  # the second device of a kind looks like the first: it is "used already"
            order = (problem.entry, *{kind[name]: name for name in behind}.values())
        best = min(best, best_of_all(dataclasses.replace(problem, order=order)).value)
    return best


def three_fast_slow_fast() -> Problem:
    """The entry hands over to a1 and a2, equal devices, fast at the first and the last layer, and b, at the middle."""
    devices = (
        device("board", 9.0, 9.0, 9.0),
        device("a1", 1.0, 9.0, 1.0),
        device("a2", 1.0, 9.0, 1.0),
        device("b", 9.0, 1.0, 9.0),
    )
    ends = [(a.name, b.name, 1e3) for a, b in itertools.combinations(devices, 2)]
    return Problem(chain(1, 1, 1), devices, links(*ends), objective=THROUGHPUT)


def test_two_devices_of_a_kind_are_two_devices() -> None:
    problem = three_fast_slow_fast()
    kind = {"a1": "a", "a2": "a", "b": "b"}
    assert bottleneck_by_kinds_used(problem, kind) == pytest.approx(9.0)
    plan = solve(problem)
    assert plan.value == pytest.approx(1.0)
    assert plan.layout.order in [("board", "a1", "b", "a2"), ("board", "a2", "b", "a1")]
    assert plan.lower_bound == pytest.approx(best_of_all(problem).value)


def test_equal_profiles_behind_unequal_links_are_two_kinds() -> None:
    """Taken for one kind with the links of its first device, both look slow; only one is."""
    devices = (device("board", 0.5, 9.0), device("a1", 9.0, 1.0), device("a2", 9.0, 1.0))
    hops = links(("board", "a1", 10.0), ("board", "a2", 1000.0), ("a1", "a2", 10.0))
    problem = Problem(chain(1, 100), devices, hops, objective=THROUGHPUT)
    one_kind = links(("board", "a1", 10.0), ("board", "a2", 10.0), ("a1", "a2", 10.0))
    assert best_of_all(dataclasses.replace(problem, hops=one_kind)).value == pytest.approx(9.5)
    for asked in (problem, dataclasses.replace(problem, devices=(devices[0], devices[2], devices[1]))):
        plan = solve(asked)
        assert plan.value == pytest.approx(1.0)
        assert plan.layout.order == ("board", "a2")


# --- 3. Pruning under memory limits (DNNPipe): a stage that could hold more layers in time may not in memory. ---


def longest_stages(problem: Problem) -> list[Layout]:
    """Return the plans of a chain that pruning leaves: every stage holds all that fits in the best bound of time.

    Under-utilised stages are pruned: a stage that could take the next layer without raising the bottleneck. What is
    left is then checked for memory, too late.
    """
    count, order = len(problem.graph.layers), problem.order or ()
    bound = best_of_all(dataclasses.replace(problem, devices=_without_memory(problem))).value
    ends, start = [], 0
    for name in order[:-1]:
        seconds, end = problem.device(name).costs.layers, start
        while end < count and sum(seconds[start : end + 1]) <= bound:
            end += 1
        ends.append(end)
        start = end
    cuts = [0, *ends, count]
    stages = tuple(frozenset(range(a, b)) for a, b in itertools.pairwise(cuts))
    layout = Layout(order, stages)
    return [] if any("needs" in fault for fault in bill(problem, layout).faults) else [layout]


def _without_memory(problem: Problem) -> tuple[Device, ...]:
    return tuple(dataclasses.replace(one, memory=Bytes(0)) for one in problem.devices)


def test_a_stage_that_memory_keeps_short_is_not_pruned() -> None:
    """The board could run two layers in time, but holds one: pruning loses the only plan."""
    problem = Problem(
        chain(1, 1, 1, weights=100),
        (device("board", 1.0, 1.0, 1.0, memory=130), device("cloud", 2.0, 1.0, 1.0)),
        links(("board", "cloud", 1e6)),
        order=(BOARD, DeviceId("cloud")),
        pins={0: BOARD},
        objective=THROUGHPUT,
    )
    assert longest_stages(problem) == []
    plan = solve(problem)
    assert plan.layout.stages == (frozenset({0}), frozenset({1, 2}))
    assert plan.value == pytest.approx(2.0) == best_of_all(problem).value


def test_memory_that_nothing_keeps_is_infeasible_for_us_too() -> None:
    problem = Problem(chain(1, weights=100), (device("board", 1.0, memory=99),), objective=THROUGHPUT)
    with pytest.raises(NoFeasiblePlan, match="board"):
        solve(problem)
