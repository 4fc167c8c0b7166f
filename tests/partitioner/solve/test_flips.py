"""At each flip the plan and its rival cost the same: checked by costing both again."""

from __future__ import annotations

import dataclasses
from collections.abc import Set

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.predict import StageCosts
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.flips import _crossings, _Line
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Device, Layout, Problem
from partitioner.units import BytesPerSecond, Seconds
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, problem


def scaled(asked: Problem, what: str, factor: float) -> Problem:
    words = what.split()
    if words[0] == "speed":
        devices = tuple(_faster(one, factor) if one.name == words[-1] else one for one in asked.devices)
        return dataclasses.replace(asked, devices=devices)
    pair = {words[2], words[4]}
    hops = {
        ends: dataclasses.replace(hop, rate=BytesPerSecond(hop.rate * factor)) if set(ends) == pair else hop
        for ends, hop in asked.hops.items()
    }
    return dataclasses.replace(asked, hops=hops)


def _faster(one: Device, factor: float) -> Device:
    changed = {
        field.name: getattr(one.costs, field.name) / factor
        for field in dataclasses.fields(StageCosts)
        if field.name not in ("layers", "error", "noise")
    }
    layers = tuple(Seconds(seconds / factor) for seconds in one.costs.layers)
    codecs = {
        key: type(two)(Seconds(two.encode / factor), Seconds(two.decode / factor))
        for key, two in one.codecs.items()
    }
    return dataclasses.replace(one, costs=StageCosts(layers, **changed), codecs=codecs)


def value(asked: Problem, layout: Layout) -> float:
    return objective_value(asked, evaluate(asked, layout))


def fixed(plan: Plan, labels: Set[str]) -> list[Layout]:
    """The layouts of the plan and of these rivals, with the codecs that they have now."""
    rivals = [(one.layout, one.costs) for one in plan.alternatives if one.label in labels]
    return [
        dataclasses.replace(
            layout,
            codecs={
                (index, one.tensor): one.codec for index, many in enumerate(costs.codecs) for one in many
            },
        )
        for layout, costs in ((plan.layout, plan.costs), *rivals)
    ]


def test_a_flip_by_hand() -> None:
    plan = solve(problem(chain(100, 10), device(BOARD, 1.0), device(CLOUD, 0.2)))
    assert plan.value == pytest.approx(0.31)
    flips = {(one.what, one.factor < 1): one for one in plan.flips}
    assert flips["speed of board", False].factor == pytest.approx(1 / 0.31)
    assert flips["speed of cloud", True].factor == pytest.approx(0.2 / 0.89)
    assert flips["rate of board -> cloud", True].factor == pytest.approx(0.11 / 0.8)
    assert {one.label for one in plan.flips} == {"board alone"}
    assert len(plan.flips) == 3


@pytest.mark.parametrize("family", ["order", "any order", "recurring", "bottleneck"])
def test_at_a_flip_both_cost_the_same(family: str) -> None:
    checked = 0
    for seed in range(60):
        asked = random_problem(seed, family)
        try:
            plan = solve(asked)
        except NoFeasiblePlan:
            continue  # nothing to flip
        feasible = {one.label for one in plan.alternatives if not one.why_not}
        sides = [(flip.what, flip.factor < 1) for flip in plan.flips if flip.factor != 1]
        assert len(sides) == len(set(sides)), seed  # the nearest on either side, no other
        for flip in plan.flips:
            checked += 1
            there, before = scaled(asked, flip.what, flip.factor), scaled(asked, flip.what, flip.factor**0.5)
            one, other = (value(there, layout) for layout in fixed(plan, {flip.label}))
            assert one == pytest.approx(other, rel=1e-6, abs=1e-12), (seed, flip)
            first, *rivals = (value(before, layout) for layout in fixed(plan, feasible))
            assert first <= min(rivals) * (1 + 1e-9) + 1e-12, (seed, flip)  # no nearer flip was missed
    assert checked > 20


@pytest.mark.parametrize("factor", [2e3, 4.5e15])
def test_a_factor_that_no_device_and_no_link_has_is_no_flip(factor: float) -> None:
    near = problem(chain(100, 10), device(BOARD, 1.0), device(CLOUD, 0.5))
    at_one = {one.what: one for one in solve(near).flips}
    assert at_one["speed of board"].factor < 1e3
    asked = scaled(near, "speed of board", 1 / factor)  # all runs on the cloud
    assert "speed of board" not in {one.what for one in solve(asked).flips}


def test_lines_that_differ_by_rounding_alone_do_not_cross() -> None:
    plan, rival = _Line(0.0, 0.1 + 0.2, 0.0, 0.0, 0.0), _Line(1e-17, 0.3, 0.0, 0.0, 0.0)
    assert plan.slope != rival.slope
    assert list(_crossings(plan, rival)) == []
    assert list(_crossings(plan, _Line(-0.1, 0.4, 0.0, 0.0, 0.0))) != []
