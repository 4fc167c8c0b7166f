"""The front against every plan of small problems; its bounds; what it refuses."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.costing import evaluate, violations
from partitioner.solve.exhaustive import orders
from partitioner.solve.pareto import Metric, front, known_metrics, pareto, undominated
from partitioner.solve.plans import Costs, Plan
from partitioner.solve.problem import (
    CodecOption,
    Device,
    Hop,
    Layout,
    Limits,
    Problem,
    Watts,
    codec_options,
    may_cross,
)
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, NodeName, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem

FEW_PLANS = 400
SAME = 1e-5  # relative; a minimum cut's capacities are integers


@pytest.mark.parametrize("second", ["bottleneck", "egress", "energy"])
@pytest.mark.parametrize("family", ["order", "any order", "memory"])
def test_fronts_of_two_metrics_against_every_plan(family: str, second: Metric) -> None:
    checked = points = 0
    for seed in range(30):
        problem = random_problem(seed, family)
        plans = every_plan(problem)
        if plans is None:
            continue
        if not plans:
            with pytest.raises(NoFeasiblePlan):
                front(problem, ("latency", second))
            continue
        found = front(problem, ("latency", second))
        expected = efficient([(one.latency, getattr(one, second)) for one in plans])
        got = [(plan.costs.latency, getattr(plan.costs, second)) for plan in found.plans]
        assert found.complete
        assert same_fronts(got, expected), (seed, got, expected)
        checked, points = checked + 1, points + len(got)
    assert checked >= 4
    assert points >= checked


def test_every_point_of_a_front_of_all_metrics_is_beaten_by_none() -> None:
    for seed in range(12):
        problem = random_problem(seed, "order")
        try:
            found = front(problem, ("latency", "bottleneck", "energy", "egress"))
        except NoFeasiblePlan:
            continue
        for one, other in itertools.permutations(found.plans, 2):
            mine, theirs = all_metrics(one.costs), all_metrics(other.costs)
            assert any(a < b for a, b in zip(mine, theirs, strict=True))


def test_a_slow_board_trades_latency_for_throughput() -> None:
    """One after the other 10 + 4 on the board alone is least; two at a time, each device has 10 at most."""
    plans = pareto(two_layers(), ("latency", "bottleneck"))
    assert [(plan.costs.latency, plan.costs.bottleneck) for plan in plans] == [
        pytest.approx((14.0, 14.0)),
        pytest.approx((16.0, 10.0)),
    ]


def test_what_another_plan_beats_or_equals_is_left_out() -> None:
    plan = pareto(two_layers(), ("latency",))[0]

    def at(latency: float, bottleneck: float) -> Plan:
        costs = dataclasses.replace(plan.costs, latency=Seconds(latency), bottleneck=Seconds(bottleneck))
        return dataclasses.replace(plan, costs=costs)

    points = [at(2.0, 5.0), at(1.0, 9.0), at(1.0 + 1e-9, 7.0), at(3.0, 5.0), at(2.0, 5.0), at(4.0, 1.0)]
    kept = undominated(points, ("latency", "bottleneck"))
    assert [(one.costs.latency, one.costs.bottleneck) for one in kept] == [
        (1.0 + 1e-9, 7.0),
        (2.0, 5.0),
        (4.0, 1.0),
    ]


def test_limits_of_the_problem_bind_the_front() -> None:
    tight = dataclasses.replace(two_layers(), limits=Limits(latency=Seconds(15.0)))
    assert [plan.costs.latency for plan in pareto(tight, ("latency", "bottleneck"))] == [pytest.approx(14.0)]


def test_energy_counts_only_where_watts_are_declared() -> None:
    problem = two_layers()
    assert known_metrics(problem) == ("latency", "bottleneck", "egress")
    board = dataclasses.replace(problem.devices[0], watts=Watts(5.0))
    declared = dataclasses.replace(problem, devices=(board, problem.devices[1]))
    assert "energy" in known_metrics(declared)
    assert front(declared).metrics == ("latency", "bottleneck", "egress", "energy")


def test_a_long_front_is_thinned_and_says_so() -> None:
    problem = many_trades()
    whole = front(problem, ("latency", "egress"))
    few = front(problem, ("latency", "egress"), most=10)
    assert whole.complete
    assert len(whole.plans) > 20
    assert not few.complete
    assert len(few.plans) <= 12
    for end in (0, -1):
        assert all_metrics(few.plans[end].costs) == pytest.approx(all_metrics(whole.plans[end].costs))


def test_a_caller_may_stop_the_walk() -> None:
    asked = iter([False, False, False, True])
    found = front(many_trades(), ("latency", "egress"), stop=lambda: next(asked, True))
    assert not found.complete
    assert 1 < len(found.plans) <= 5
    assert len(front(many_trades(), ("latency", "egress"), stop=lambda: True).plans) == 1


def test_one_metric_has_one_point() -> None:
    found = front(two_layers(), ("bottleneck",))
    assert [plan.costs.bottleneck for plan in found.plans] == [pytest.approx(10.0)]


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="beauty"):
        front(two_layers(), ("beauty",))  # type: ignore[arg-type]


def every_plan(problem: Problem) -> list[Costs] | None:
    """Return the costs of every plan and every choice of codecs, None where they are many."""
    found = []
    for count, layout in enumerate(layouts(problem)):
        if count >= FEW_PLANS:
            return None
        try:
            costs = evaluate(problem, layout)
        except InvalidProblem:
            continue  # it is no plan: a link or an operator is lacking
        if not violations(problem, costs):
            found.append(costs)
    return found


def layouts(problem: Problem) -> Iterator[Layout]:
    count = len(problem.graph.layers)
    for order in orders(problem):
        for stages in itertools.product(range(len(order)), repeat=count):
            if all(
                stages[tensor.producer] <= stages[consumer]
                for tensor in problem.graph.tensors
                if tensor.producer >= 0
                for consumer in tensor.consumers
            ) and all(
                problem.pins.get(layer, order[stage]) == order[stage] for layer, stage in enumerate(stages)
            ):
                yield from with_codecs(problem, order, stages)


def with_codecs(problem: Problem, order: tuple[DeviceId, ...], stages: tuple[int, ...]) -> Iterator[Layout]:
    used = max(stages, default=0) + 1
    held = tuple(frozenset(i for i, stage in enumerate(stages) if stage == s) for s in range(used))
    crossings = [
        (boundary, tensor)
        for boundary in range(used - 1)
        for tensor in problem.graph.tensors
        if (tensor.producer < 0 or stages[tensor.producer] <= boundary)
        and any(stages[consumer] > boundary for consumer in tensor.consumers)
    ]
    if not all(may_cross(problem, tensor) for _, tensor in crossings):
        return
    options = [[one for one in codec_options(problem, tensor) if one.allowed] for _, tensor in crossings]
    for chosen in itertools.product(*options):
        codecs = {
            (boundary, tensor.name): option.codec
            for (boundary, tensor), option in zip(crossings, chosen, strict=True)
        }
        yield Layout(order[:used], held, codecs)


def efficient(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    best = math.inf
    kept = []
    for first, second in sorted(points):
        if second < best * (1 - SAME):
            kept.append((first, second))
            best = second
    return kept


def same_fronts(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> bool:
    """Tell whether each point of either is covered, up to rounding, by one of the other."""
    return all(
        any(a <= c * (1 + SAME) and b <= d * (1 + SAME) + 1e-12 for a, b in right)
        for left, right in ((one, other), (other, one))
        for c, d in left
    )


def all_metrics(costs: Costs) -> tuple[float, float, float, float]:
    return costs.latency, costs.bottleneck, costs.energy, costs.egress


def two_layers() -> Problem:
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(2))
    tensors = (
        CostTensor(TensorName("x"), "float32", (1,), Bytes(1000), -1, (0,)),
        CostTensor(TensorName("t"), "float32", (1,), Bytes(10), 0, (1,)),
        CostTensor(TensorName("y"), "float32", (1,), Bytes(0), 1, (), True),
    )
    board = Device(DeviceId("board"), StageCosts((Seconds(10.0), Seconds(4.0))))
    cloud = Device(DeviceId("cloud"), StageCosts((Seconds(8.0), Seconds(5.0))))
    hop = Hop(BytesPerSecond(10.0), overhead=1.0)
    hops = {(board.name, cloud.name): hop, (cloud.name, board.name): hop}
    return Problem(CostGraph(layers, tensors), (board, cloud), hops, (board.name, cloud.name))


def many_trades(count: int = 30) -> Problem:
    """A chain whose every cut sends less and takes longer than the one before."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(count))
    made = tuple(
        CostTensor(
            TensorName(f"t{i}"),
            "float32",
            (1,),
            Bytes(1000 - 10 * i if i < count else 0),
            i - 1,
            (i,) if i < count else (),
            i == count,
        )
        for i in range(count + 1)
    )
    board = Device(DeviceId("board"), StageCosts((Seconds(1.0),) * count))
    cloud = Device(DeviceId("cloud"), StageCosts((Seconds(0.1),) * count))
    hop = Hop(BytesPerSecond(100.0), overhead=1.0)
    hops = {(board.name, cloud.name): hop, (cloud.name, board.name): hop}
    options = {one.name: (CodecOption(CodecName("raw"), one.size),) for one in made}
    return Problem(CostGraph(layers, made), (board, cloud), hops, (board.name, cloud.name), options)
