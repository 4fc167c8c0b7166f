"""The door: which method answers, what the plan carries, and what a person reads when there is none."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.costing import evaluate
from partitioner.solve.planner import solve
from partitioner.solve.problem import THROUGHPUT, CodecOption, Limits, Problem
from partitioner.units import Bytes, CodecName, Seconds, TensorName
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, graph, links, problem


def two(**changes: object) -> Problem:
    """The board is slow, the cloud fast, and t1 is the small tensor."""
    plain = problem(
        chain(5000, 4000, 50, 700, 10), device(BOARD, 1, 1, 1, 1), device(CLOUD, 0.1, 0.1, 0.1, 0.1)
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def with_memory(*sizes: int) -> dict[str, object]:
    pairs = zip(two().devices, sizes, strict=True)
    return {"devices": tuple(dataclasses.replace(one, memory=Bytes(size)) for one, size in pairs)}


def test_a_sum_without_limits_is_a_minimum_cut() -> None:
    plan = solve(two())
    assert [sorted(layers) for layers in plan.layout.stages] == [[0, 1], [2, 3]]
    assert plan.method == "min-cut"
    assert plan.value == pytest.approx(2 + 0.2 + 0.05 + 0.01)
    assert plan.lower_bound <= plan.value
    assert plan.gap < 1e-6
    assert plan.costs == evaluate(two(), plan.layout)


def test_a_limit_that_does_not_bind_leaves_it_a_minimum_cut() -> None:
    assert solve(two(**with_memory(1000, 1000), limits=Limits(latency=Seconds(3)))).method == "min-cut"


def test_a_memory_that_binds_moves_the_cut() -> None:
    plan = solve(two(**with_memory(12, 1000)))  # one layer of 10 bytes and a fifth
    assert [sorted(layers) for layers in plan.layout.stages] == [[0], [1, 2, 3]]
    assert plan.method != "min-cut"
    assert plan.value == pytest.approx(1 + 4 + 0.3 + 0.01)


def test_throughput_is_the_busiest_party() -> None:
    plan = solve(two(objective=THROUGHPUT))
    assert plan.value == plan.costs.bottleneck == pytest.approx(2.0)
    assert plan.costs.throughput == pytest.approx(0.5)


def test_the_alternatives_may_be_left_out() -> None:
    assert solve(two()).alternatives
    plan = solve(two(), alternatives=False)
    assert (plan.alternatives, plan.flips) == ((), ())


def test_no_layers_are_a_plan_too() -> None:
    plan = solve(problem(graph(0), device(BOARD, overhead=0.5), device(CLOUD)))
    assert (plan.layout.order, plan.layout.stages, plan.value) == ((BOARD,), (frozenset(),), 0.5)


def test_any_order_may_leave_devices_out() -> None:
    plan = solve(two(order=None))
    assert plan.value == pytest.approx(solve(two()).value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (with_memory(20, 20), "memory.*needs 36 bytes and has 20 bytes"),
        ({"limits": Limits(latency=Seconds(1.0))}, "latency.*2.26"),
        ({"limits": Limits(bottleneck=Seconds(0.5))}, "throughput.*0.5/s"),
        (
            {"pins": {0: CLOUD}, "keep_input": True},
            "layer0 is pinned to cloud, and an input that must not leave",
        ),
    ],
)
def test_what_is_infeasible_says_which_constraint_and_by_how_much(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(NoFeasiblePlan, match=words):
        solve(two(**changes))


def test_an_accuracy_budget_is_kept() -> None:
    options = {
        TensorName("x"): (
            CodecOption(CodecName("u8"), Bytes(1), 0.05),
            CodecOption(CodecName("raw"), Bytes(5000)),
        )
    }
    assert solve(two(options=options)).costs.loss == 0.05
    careful = solve(two(options=options, limits=Limits(loss=0.01)))
    assert careful.costs.loss == 0
    assert careful.value == pytest.approx(2.26)


def test_a_missing_link_says_which_way() -> None:
    hops = links(BOARD, CLOUD)
    del hops[CLOUD, BOARD]
    with pytest.raises(InvalidProblem, match="no link leads from cloud to board"):
        solve(two(hops=hops))


def test_absurd_costs_are_refused_before_anything_is_solved() -> None:
    devices = (device(BOARD, 1, 1, 1, float("nan")), two().devices[1])
    with pytest.raises(InvalidProblem, match="a cost of board is NaN"):
        solve(two(devices=devices))
