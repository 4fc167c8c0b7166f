"""The plan's rivals."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.alternatives import is_divided
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.layouts import layout_of
from partitioner.solve.planner import solve
from partitioner.solve.plans import Alternative, Plan
from partitioner.solve.problem import EGRESS, LATENCY, NO_LIMITS, CodecOption, Limits, Objective, Problem
from partitioner.units import Bytes, CodecName, DeviceId, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, chain, device, graph, problem, tensor

RAW, JPEG = CodecName("raw"), CodecName("jpeg")


def two(rate_of_board: float = 1.0, **changes: object) -> Problem:
    board = device(BOARD, *[rate_of_board] * 3)
    plain = problem(chain(5000, 4000, 50, 10), board, device(CLOUD, 0.1, 0.1, 0.1))
    options = {TensorName("x"): (CodecOption(RAW, Bytes(5000)), CodecOption(JPEG, Bytes(4000)))}
    return dataclasses.replace(plain, options=options, **changes)  # type: ignore[arg-type]


def rivals(plan: Plan) -> dict[str, Alternative]:
    return {one.label: one for one in plan.alternatives}


def test_each_device_alone_with_either_input() -> None:
    plan = solve(two())
    found = rivals(plan)
    assert list(found) == ["board alone", "all on cloud", "all on cloud, raw input"]
    assert found["board alone"].margin == pytest.approx(3 - plan.value)
    assert found["all on cloud"].value == pytest.approx(4 + 0.3 + 0.01)
    assert found["all on cloud, raw input"].value == pytest.approx(5 + 0.3 + 0.01)
    assert [one.value for one in plan.alternatives] == sorted(one.value for one in plan.alternatives)
    assert plan.margin == pytest.approx(3 - plan.value)


def test_the_plan_itself_is_no_rival_and_the_best_cut_is_when_it_divides_nothing() -> None:
    asked = two(0.001)
    plan = solve(asked)
    assert len(plan.layout.order) == 1
    found = rivals(plan)
    assert "board alone" not in found
    cut = found["best cut between board and cloud"]
    assert [sorted(layers) for layers in cut.layout.stages] == [[0, 1], [2]]
    assert cut.value == pytest.approx(0.002 + 0.05 + 0.1 + 0.01)
    assert cut.value == pytest.approx(objective_value(asked, evaluate(asked, cut.layout)))


def test_what_a_wish_or_a_limit_forbids_says_so_and_is_no_margin() -> None:
    small = dataclasses.replace(two().devices[0], memory=Bytes(25))
    plan = solve(two(devices=(small, two().devices[1]), keep_input=True))
    found = rivals(plan)
    assert "board needs" in found["board alone"].why_not
    assert found["all on cloud"].why_not == "tensor x must not leave device board"
    assert plan.margin == float("inf")
    assert not plan.flips


def test_with_three_devices_the_best_without_each() -> None:
    three = problem(
        chain(9000, 100, 80, 10), device(BOARD, 0, 9, 9), device(GATE, 9, 0, 9), device(CLOUD, 9, 9, 0)
    )
    for asked, hops in ((three, 2), (dataclasses.replace(three, order=None), 1)):  # in order, the gate relays
        found = rivals(solve(asked))
        gateless = found["best without gate"]
        assert [sorted(one) for one in gateless.layout.stages if one] == [[0, 1], [2]]
        assert gateless.value == pytest.approx(9 + hops * 0.08 + hops * 0.01)
        assert gateless.costs.busy.get(GATE, 0.0) == 0.0
        assert found["best without cloud"].value == pytest.approx(9 + 0.1 + 0.01)


def test_for_another_objective_the_fastest_plan_is_a_rival() -> None:
    plan = solve(two(objective=Objective(latency=0.0, egress=1.0)))
    assert plan.layout.order == (BOARD,)
    assert "least latency" in rivals(plan)


@pytest.mark.parametrize("family", ["order", "any order"])
def test_nothing_is_faster_than_the_plan_of_least_latency(family: str) -> None:
    """In any order of the devices, and by the codecs that are fastest, not those that the objective likes."""
    checked = 0
    for seed in range(60):
        asked = dataclasses.replace(random_problem(seed, family), objective=EGRESS)
        try:
            found = rivals(solve(asked)).get("least latency")
        except NoFeasiblePlan:
            continue
        if found is not None:
            checked += 1
            fastest = solve(dataclasses.replace(asked, objective=LATENCY), alternatives=False)
            assert found.costs.latency == pytest.approx(fastest.value, rel=1e-6), seed
    assert checked >= 10


@pytest.mark.parametrize(("ends", "word"), [(2, "best"), (3, "good")])
def test_the_best_of_some_cuts_is_not_called_the_best_of_all(ends: int, word: str) -> None:
    """Two first and two last layers are 4 pairs, of which each is tried; three and three are too many."""
    made = [tensor(f"t{one}", one, (ends,), 50) for one in range(ends)]
    lasts = tuple(range(ends + 1, 2 * ends + 1))
    net = graph(2 * ends + 1, tensor("x", -1, tuple(range(ends)), 5000), *made, tensor("m", ends, lasts, 50))
    fast, slow = [0.001] * (2 * ends + 1), [0.01] * (2 * ends + 1)
    found = rivals(solve(problem(net, device(BOARD, *fast), device(CLOUD, *slow))))
    assert [one for one in found if "cut" in one] == [f"{word} cut between board and cloud"]


def test_the_decoded_input_is_a_rival_where_there_is_something_to_decode() -> None:
    decoding = dataclasses.replace(two().graph.layers[0], pseudo="decode_picture")
    graph = dataclasses.replace(two().graph, layers=(decoding, *two().graph.layers[1:]))
    rival = rivals(solve(two(graph=graph)))["model on cloud, input decoded on board"]
    assert [sorted(layers) for layers in rival.layout.stages] == [[0], [1, 2]]
    assert rival.value == pytest.approx(1 + 4 + 0.2 + 0.01)


def test_devices_that_cannot_be_reached_are_no_rivals() -> None:
    lonely = two(
        order=None, devices=(*two().devices, device(GATE, 0, 0, 0)), limits=Limits(latency=Seconds(100))
    )
    assert not any("gate" in one.label for one in solve(lonely).alternatives)
    assert DeviceId("gate") not in solve(lonely).layout.order


def second_best(asked: Problem, plan: Plan) -> float:
    """The least value of any other staging over the plan's two devices, by plain enumeration."""
    values = []
    for staging in itertools.product((0, 1), repeat=len(asked.graph.layers)):
        layout = layout_of(plan.layout.order, staging)
        if layout.stages == plan.layout.stages:
            continue
        try:
            values.append(objective_value(asked, evaluate(asked, layout)))
        except InvalidProblem:  # no down-set, or a pin
            continue
    return min(values, default=math.inf)


def test_of_a_plan_that_divides_the_margin_is_to_the_next_best_of_all_other_cuts() -> None:
    checked = cuts = 0
    for seed in range(120):
        asked = random_problem(seed, "order")
        if len(asked.order or ()) != 2 or len(asked.graph.layers) > 7:
            continue
        unlimited = tuple(dataclasses.replace(one, memory=Bytes(0)) for one in asked.devices)
        asked = dataclasses.replace(asked, devices=unlimited, limits=NO_LIMITS)
        try:
            plan = solve(asked)
        except NoFeasiblePlan:
            continue
        if asked.objective.additive and len(plan.layout.order) == 2 and is_divided(asked, plan.layout):
            checked += 1
            expected = second_best(asked, plan) - plan.value
            cuts += any(one.label.startswith("next-best") for one in plan.alternatives)
            assert plan.margin == pytest.approx(expected, rel=1e-6, abs=1e-6 * plan.value), seed
    assert checked >= 5
    assert cuts >= 3


def test_the_next_best_cut_costs_a_bounded_number_of_cuts() -> None:
    """A long chain's plan is told without it: each cut of so many layers takes too long."""
    sizes = [5000, *[4000] * 150, 50, *[4000] * 150, 10]
    count = len(sizes) - 1
    board = device(BOARD, *[0.01] * 151, *[1.0] * (count - 151))
    plan = solve(problem(chain(*sizes), board, device(CLOUD, *[0.001] * count)))
    assert len(plan.layout.order) == 2
    assert not [one for one in plan.alternatives if one.label.startswith("next-best")]


def test_a_cut_that_only_a_limit_forbids_is_not_called_next_best() -> None:
    asked = problem(chain(5000, 50, 1, 10), device(BOARD, 1.0, 1.0, 9.0), device(CLOUD, 0.1, 0.1, 0.1))
    free = solve(asked)
    assert [sorted(layers) for layers in free.layout.stages] == [[0], [1, 2]]
    limited = solve(dataclasses.replace(asked, limits=Limits(egress=20.0)))
    assert [sorted(layers) for layers in limited.layout.stages] == [[0, 1], [2]]
    found = rivals(limited)
    assert not [label for label in found if label.startswith("next-best")]
    cut = found["best cut between board and cloud, limits apart"]
    assert cut.layout.stages == free.layout.stages
    assert cut.margin < 0
    assert "20" in cut.why_not
