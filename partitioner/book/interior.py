"""The best cut in the inside of the model: both devices run a part of the model itself.

Law: pure; a question put to `solve` with pins, never a search of its own. Preparation of the input stays on the
entry, and at least one layer of the model runs on each side.
"""

from __future__ import annotations

import dataclasses
import itertools

from partitioner.book.setting import prepared
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Problem
from partitioner.units import DeviceId

MOST_PAIRS = 64


def best_interior(problem: Problem) -> Plan:
    """Return the best plan that divides the model itself between the two devices of `problem`.

    Where the free optimum is no such plan, each first layer is tried on the entry with each last one on the
    other; past 64 pairs only the first 64, and the bound stays that of the free optimum.

    Raises:
        NoFeasiblePlan: the model cannot be divided (one layer, or the wishes forbid it).
    """
    entry, other = problem.devices[0].name, problem.devices[1].name
    pinned = _pinned(problem, dict.fromkeys(prepared(problem.graph), entry))
    free = solve(pinned, alternatives=False)
    if is_interior(problem.graph, near_part(free)):
        return free
    pairs = list(itertools.product(_first_layers(problem.graph), _last_layers(problem.graph)))
    ends = [{first: entry, last: other} for first, last in pairs[:MOST_PAIRS] if first != last]
    found = [plan for one in ends if (plan := _with_ends(pinned, one))]
    if not found:
        raise NoFeasiblePlan(
            "no cut inside the model is possible", "it has too few layers, or the wishes forbid it"
        )
    best = min(found, key=lambda one: (one.value, len(near_part(one))))
    bound = min(one.lower_bound for one in found) if len(pairs) <= MOST_PAIRS else free.lower_bound
    return dataclasses.replace(best, lower_bound=bound)


def near_part(plan: Plan) -> frozenset[int]:
    """Return the layers that the entry runs, as the first stage."""
    return plan.layout.stages[0]


def is_interior(graph: CostGraph, down_set: frozenset[int]) -> bool:
    """Return whether both sides of `down_set` run a part of the model itself."""
    before = prepared(graph)
    return bool(down_set - before) and len(down_set | before) < len(graph.layers)


def _with_ends(problem: Problem, ends: dict[int, DeviceId]) -> Plan | None:
    if any(problem.pins.get(layer, device) != device for layer, device in ends.items()):
        return None
    try:
        return solve(_pinned(problem, ends), alternatives=False)
    except NoFeasiblePlan:
        return None


def _pinned(problem: Problem, pins: dict[int, DeviceId]) -> Problem:
    return dataclasses.replace(problem, pins={**pins, **problem.pins})


def _first_layers(graph: CostGraph) -> list[int]:
    before = prepared(graph)
    fed = {c for t in graph.tensors if t.producer >= 0 and t.producer not in before for c in t.consumers}
    return [layer.index for layer in graph.layers if layer.index not in before | fed]


def _last_layers(graph: CostGraph) -> list[int]:
    feeding = {t.producer for t in graph.tensors if t.consumers}
    return [layer.index for layer in graph.layers if layer.index not in prepared(graph) | feeding]
