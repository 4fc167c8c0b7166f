"""What docs/planner.md shows is what happens: its code runs, and its table is what `evaluate` says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from partitioner.solve import Layout, Problem, evaluate

PAGE = Path(__file__).parents[2] / "docs" / "planner.md"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the page's one block of Python leaves behind."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def rows() -> dict[str, tuple[float, float]]:
    """Return latency and busiest, in milliseconds, by plan, as the page's table adds them up."""
    found = re.findall(
        r"^\| ((?:all|cut) .*?) \| .*?\*\*([\d.]+)\*\* \| .*?([\d.]+)\*{0,2} \|$",
        PAGE.read_text("utf-8"),
        re.M,
    )
    return {label: (float(latency), float(busiest)) for label, latency, busiest in found}


def test_the_plan_is_the_one_that_the_page_names(example: dict[str, Any]) -> None:
    plan, busiest = example["plan"], example["busiest"]
    assert plan.layout.stages == ({0, 1}, {2})
    assert plan.costs.latency == pytest.approx(0.0976)
    assert plan.gap < 1e-5
    assert plan.margin == pytest.approx(0.012)
    assert plan.alternatives[0].layout.stages == ({0}, {1, 2})
    flips = {(one.what, round(one.factor, 2), one.label) for one in plan.flips}
    assert ("rate of board -> cloud", 1.33, plan.alternatives[0].label) in flips
    assert ("speed of board", 1.61, "board alone") in flips
    assert (round(busiest.costs.throughput, 1), round(plan.costs.throughput, 1)) == (16.7, 16.4)
    assert busiest.layout.stages == ({0}, {1, 2})


def test_the_table_is_what_the_plans_cost(example: dict[str, Any]) -> None:
    problem: Problem = example["problem"]
    order = tuple(device.name for device in problem.devices)
    layouts = {
        "all on the board": Layout(order[:1], (frozenset({0, 1, 2}),)),
        "all in the cloud": Layout(order, (frozenset(), frozenset({0, 1, 2}))),
        "cut behind A, half precision": Layout(order, (frozenset({0}), frozenset({1, 2}))),
        "cut behind B, half precision": Layout(order, (frozenset({0, 1}), frozenset({2}))),
    }
    assert rows().keys() == layouts.keys()
    for label, (latency, busiest) in rows().items():
        costs = evaluate(problem, layouts[label])
        assert (costs.latency * 1e3, costs.bottleneck * 1e3) == pytest.approx((latency, busiest)), label
