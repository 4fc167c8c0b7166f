"""What a plan claims of its rivals and of what would change the decision, checked in plain Python (`bill.py`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.predict import StageCosts
from partitioner.solve.planner import solve
from partitioner.solve.plans import Alternative, Costs, Flip, Plan
from partitioner.solve.problem import CodecSeconds, Device, Layout, Problem
from partitioner.units import BytesPerSecond, Seconds
from tests.partitioner.solve.bill import bill, same
from tests.partitioner.solve.instances import FAMILIES, random_problem

SEEDS = range(25)


def plans(family: str) -> Iterator[tuple[Problem, Plan]]:
    for seed in SEEDS:
        problem = random_problem(seed, family)
        try:
            yield problem, solve(problem)
        except NoFeasiblePlan:
            continue


def in_full(layout: Layout, costs: Costs) -> Layout:
    """Name the codec of every crossing, so that ties leave nothing open."""
    named = {
        (boundary, choice.tensor): choice.codec
        for boundary, choices in enumerate(costs.codecs)
        for choice in choices
    }
    return dataclasses.replace(layout, codecs=named)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rival_is_told_as_it_is(family: str) -> None:
    for problem, plan in plans(family):
        for rival in plan.alternatives:
            own = bill(problem, in_full(rival.layout, rival.costs))
            assert bool(own.faults) == bool(rival.why_not), (own.faults, rival.why_not)
            if not own.faults:
                assert same(own.value, rival.value)
                assert rival.value >= plan.value * (1 - 1e-6) - 1e-12
                assert same(rival.margin, rival.value - plan.value, 1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_where_the_decision_flips_both_cost_the_same(family: str) -> None:
    for problem, plan in plans(family):
        for flip in plan.flips:
            there = _at(problem, flip)
            rival = _called(plan, flip.label)
            values = [bill(there, in_full(one.layout, one.costs)).value for one in (plan, rival)]
            assert same(*values, 1e-4), flip


def test_there_are_rivals_and_flips_to_check() -> None:
    told = [plan for family in FAMILIES for _, plan in plans(family)]
    assert sum(len(plan.alternatives) for plan in told) > 100
    assert sum(len(plan.flips) for plan in told) > 50


def _called(plan: Plan, label: str) -> Alternative:
    return next(one for one in plan.alternatives if one.label == label)


def _at(problem: Problem, flip: Flip) -> Problem:
    """Return the problem at the flip's factor."""
    if flip.what.startswith("speed of "):
        name = flip.what.removeprefix("speed of ")
        devices = (_faster(one, flip.factor) if one.name == name else one for one in problem.devices)
        return dataclasses.replace(problem, devices=tuple(devices))
    ends = set(flip.what.removeprefix("rate of ").split(" -> "))
    hops = {
        key: dataclasses.replace(hop, rate=BytesPerSecond(hop.rate * flip.factor))
        if set(key) == ends
        else hop
        for key, hop in problem.hops.items()
    }
    return dataclasses.replace(problem, hops=hops)


def _faster(device: Device, factor: float) -> Device:
    costs = device.costs
    unscaled = ("layers", "error", "noise", "error_floor")
    names = [one.name for one in dataclasses.fields(StageCosts) if one.name not in unscaled]
    scaled = {name: getattr(costs, name) / factor for name in names}
    layers = tuple(Seconds(one / factor) for one in costs.layers)
    codecs = {
        key: CodecSeconds(Seconds(one.encode / factor), Seconds(one.decode / factor))
        for key, one in device.codecs.items()
    }
    return dataclasses.replace(
        device, costs=dataclasses.replace(costs, layers=layers, **scaled), codecs=codecs
    )
