"""The search over down-sets against the oracle, constraint by constraint, and at its bounds."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest

from partitioner.errors import NoFeasiblePlan, PlanError
from partitioner.solve import crossings, pipeline, search
from partitioner.solve.costing import evaluate, objective_value, violations
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.pipeline import best
from partitioner.solve.problem import LATENCY, NO_LIMITS, THROUGHPUT, Hop, Limits, Objective, Problem
from partitioner.units import Bytes, BytesPerSecond, DeviceId, Seconds, TensorName
from tests.partitioner.solve.instances import FAMILIES, random_problem
from tests.partitioner.solve.shapes import branches_of, chain_of, problem_of, with_device

SEEDS = 30  # of each family


def oracle(problem: Problem) -> float | None:
    try:
        return best_of_all(problem).value
    except NoFeasiblePlan:
        return None


def check(problem: Problem) -> None:
    """Our answer is the oracle's, is what `evaluate` says, keeps every limit, and claims no gap."""
    expected = oracle(problem)
    if expected is None:
        with pytest.raises(NoFeasiblePlan):
            best(problem)
        return
    answer = best(problem)
    costs = evaluate(problem, answer.layout)
    assert answer.value == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert answer.value == pytest.approx(objective_value(problem, costs), rel=1e-9)
    assert answer.lower_bound <= expected * (1 + 1e-9) + 1e-15
    assert answer.gap < 1e-9
    assert answer.method == "down-sets"
    assert not violations(problem, costs)


@pytest.mark.parametrize("family", FAMILIES)
def test_as_good_as_the_oracle(family: str) -> None:
    for seed in range(SEEDS):
        check(random_problem(seed, family))


def there_and_back(seed: int) -> Problem:
    """Return a problem whose order uses devices twice, with tied weights, memory and loads to remember."""
    dice = random.Random(seed)
    problem = random_problem(seed, "everything")
    names = [one.name for one in problem.devices]
    order = [names[0]]
    for _ in range(dice.choice([2, 3])):
        order.append(dice.choice([one for one in names if one != order[-1]]))
    hops = {(a, b): Hop(BytesPerSecond(1e6), Seconds(0.001)) for a in names for b in names if a != b}
    held = sum(layer.weights for layer in problem.graph.layers)
    devices = tuple(
        dataclasses.replace(one, memory=Bytes(int(dice.uniform(0.3, 1.3) * held) + 20))
        for one in problem.devices
    )
    return dataclasses.replace(
        problem,
        order=tuple(order),
        hops=hops | dict(problem.hops),
        devices=devices if dice.random() < 0.7 else problem.devices,
        objective=dice.choice([LATENCY, THROUGHPUT, Objective(1, 2), Objective(1, 1, 0.1, 1e-5)]),
        limits=dice.choice(
            [problem.limits, NO_LIMITS, Limits(bottleneck=Seconds(dice.uniform(0.005, 0.05)))]
        ),
    )


def test_devices_that_come_twice() -> None:
    asked = 0
    for seed in range(120):
        problem = there_and_back(seed)
        if len(problem.graph.layers) <= 5:
            asked += 1
            check(problem)
    assert asked > 30


def test_a_chain_is_balanced_over_a_kind() -> None:
    problem = dataclasses.replace(problem_of(chain_of(9), 1.0, 1.0, 1.0), objective=THROUGHPUT)
    answer = best(problem)
    assert answer.value == pytest.approx(3.0)
    assert [len(one) for one in answer.layout.stages] == [3, 3, 3]


def test_a_faster_device_takes_more() -> None:
    problem = dataclasses.replace(problem_of(chain_of(9), 1.0, 0.5), objective=THROUGHPUT)
    assert best(problem).value == pytest.approx(3.0)  # 3 x 1.0 here, 6 x 0.5 there


def test_a_floor_on_throughput_costs_latency() -> None:
    problem = problem_of(chain_of(4), 1.0, 0.9, rate=100.0)
    free = best(problem)
    assert free.layout.order == ("d0",)
    floored = best(dataclasses.replace(problem, limits=Limits(bottleneck=Seconds(2.0))))
    assert len(floored.layout.order) == 2
    assert floored.value > free.value


def test_memory_makes_the_plan() -> None:
    problem = with_device(problem_of(chain_of(4, weights=1_000_000), 1.0, 5.0), 0, memory=Bytes(2_400_000))
    answer = best(problem)
    assert answer.layout.stages == (frozenset([0, 1]), frozenset([2, 3]))  # 2 x 1 MB, 20 % beside them


def test_a_tied_weight_counts_once_on_a_device_that_comes_twice() -> None:
    problem = problem_of(chain_of(3, weights=0), 1.0, 0.001)
    graph = problem.graph
    tied = tuple(dataclasses.replace(one, weight_names=(TensorName("w"),)) for one in graph.layers)
    problem = dataclasses.replace(
        problem,
        graph=dataclasses.replace(graph, layers=tied),
        weight_bytes={TensorName("w"): Bytes(1000)},
        order=(DeviceId("d0"), DeviceId("d1"), DeviceId("d0")),
        pins={0: DeviceId("d0"), 1: DeviceId("d1"), 2: DeviceId("d0")},
    )
    assert best(with_device(problem, 0, memory=Bytes(1200))).layout.stages == tuple(
        frozenset([one]) for one in range(3)
    )
    with pytest.raises(NoFeasiblePlan, match="memory is to blame"):
        best(with_device(problem, 0, memory=Bytes(1199)))


def test_thinned_labels_and_combinations_keep_an_honest_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_LABELS", ((math.inf, 1),))
    monkeypatch.setattr(crossings, "MOST_COMBINATIONS", 2)
    gaps = unfound = 0
    for seed in range(60):
        problem = random_problem(seed, ("limits", "bottleneck", "everything")[seed % 3])
        expected = oracle(problem)
        try:
            answer = best(problem)
        except NoFeasiblePlan as error:
            unfound += expected is not None and "not every plan was looked at" not in str(error)
            continue
        assert expected is not None
        assert answer.lower_bound <= expected * (1 + 1e-9) + 1e-15
        assert answer.value >= expected * (1 - 1e-9)
        gaps += answer.gap > 1e-9
    assert not unfound  # without a word
    assert gaps > 0  # something was thinned, or this proves nothing


def test_too_many_down_sets_are_contracted_and_the_gap_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = dataclasses.replace(problem_of(branches_of(3, 4), 1.0, 0.5, 0.3), objective=Objective(1.0, 2.0))
    exact = best(problem)
    monkeypatch.setattr(pipeline, "MOST_DOWN_SETS", 20)
    answer = best(problem)
    assert answer.method == "contraction"
    assert answer.lower_bound <= exact.value <= answer.value * (1 + 1e-12)
    assert not violations(problem, evaluate(problem, answer.layout))


def test_too_many_devices_are_not_silently_left_out() -> None:
    problem = dataclasses.replace(
        problem_of(chain_of(5), *[1.0 + one / 10 for one in range(14)]), objective=THROUGHPUT
    )
    answer = best(problem)
    assert answer.method == "contraction"
    assert answer.value == pytest.approx(1.4)  # one layer on each of the five fastest
    assert answer.lower_bound <= answer.value


def test_many_branches_end_in_time() -> None:
    problem = dataclasses.replace(problem_of(branches_of(12, 6), 0.01, 0.005, 0.004), objective=THROUGHPUT)
    answer = best(problem)  # 7^12 down-sets
    assert answer.method == "contraction"
    assert answer.gap < 0.2


def test_no_layers_are_a_plan() -> None:
    empty = chain_of(1)
    graph = dataclasses.replace(empty, layers=(), tensors=())
    problem = problem_of(graph, 1.0, 1.0)
    assert best(problem).layout.order == ("d0",)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            Limits(bottleneck=Seconds(0.1)),
            r"floor on throughput is to blame: best possible 0.6667/s, 10/s asked",
        ),
        (Limits(latency=Seconds(0.5)), r"limit on latency is to blame: best possible 2 s, 0.5 s asked"),
    ],
)
def test_the_constraint_to_blame_is_named(limits: Limits, words: str) -> None:
    problem = dataclasses.replace(problem_of(chain_of(4), 1.0, 0.5), limits=limits)
    with pytest.raises(NoFeasiblePlan, match=words):
        best(problem)


def test_errors_are_plan_errors() -> None:
    problem = dataclasses.replace(problem_of(chain_of(2), 1.0), pins={0: DeviceId("d0")})
    problem = with_device(problem, 0, lacks=frozenset([0]))
    with pytest.raises(PlanError, match="operators that devices lack"):
        best(problem)
