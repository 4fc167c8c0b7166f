"""The best cut in the inside of the model: both devices run a part of the model itself.

Law: pure; a question put to `minimum_cut` with pins, never a search of its own. Preparation of the input
stays on the board, and at least one layer of the model runs on each side.
"""

from __future__ import annotations

import dataclasses
import itertools

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.solve.limits import best_within_limits, excess
from partitioner.solve.two_stage import Problem, Solution
from partitioner.solve.two_stage_cut import minimum_cut

MOST_PAIRS = 64


def best_interior(problem: Problem) -> Solution:
    """Return the best plan that divides the model itself.

    Where the free optimum is no such plan, each first layer is tried on the board with each last one on the
    cloud; past 64 pairs only the first 64, and the bound stays that of the free optimum.

    Raises:
        NoFeasiblePlan: the model cannot be divided (one layer, or the pins forbid it).
    """
    preparation = prepared(problem.graph)
    pinned = dataclasses.replace(problem, on_board=problem.on_board | preparation)
    free = minimum_cut(pinned)
    if is_interior(problem.graph, free.down_set) and not excess(problem, free.down_set):
        return free
    pairs = list(itertools.product(_first_layers(problem.graph), _last_layers(problem.graph)))
    found = [one for pair in pairs[:MOST_PAIRS] if (one := _with_pair(pinned, pair))]
    if not found:
        raise NoFeasiblePlan(
            "no cut inside the model is possible", "it has too few layers, or pins forbid it"
        )
    best = min(found, key=lambda one: (one.parts.latency, len(one.down_set)))
    bound = min(one.lower_bound for one in found) if len(pairs) <= MOST_PAIRS else free.lower_bound
    return dataclasses.replace(best, lower_bound=bound)


def prepared(graph: CostGraph) -> frozenset[int]:
    """Return the layers that only prepare an input: pseudo-nodes and pre-processing."""
    return frozenset(layer.index for layer in graph.layers if layer.from_input or layer.pseudo)


def is_interior(graph: CostGraph, down_set: frozenset[int]) -> bool:
    """Return whether both sides of `down_set` run a part of the model itself."""
    return bool(down_set - prepared(graph)) and len(down_set | prepared(graph)) < len(graph.layers)


def _with_pair(pinned: Problem, pair: tuple[int, int]) -> Solution | None:
    problem = dataclasses.replace(
        pinned, on_board=pinned.on_board | {pair[0]}, on_cloud=pinned.on_cloud | {pair[1]}
    )
    try:
        solution = minimum_cut(problem)
        return best_within_limits(problem, solution) if excess(problem, solution.down_set) else solution
    except NoFeasiblePlan:
        return None


def _first_layers(graph: CostGraph) -> list[int]:
    before = prepared(graph)
    fed = {c for t in graph.tensors if t.producer >= 0 and t.producer not in before for c in t.consumers}
    return [layer.index for layer in graph.layers if layer.index not in before | fed]


def _last_layers(graph: CostGraph) -> list[int]:
    feeding = {t.producer for t in graph.tensors if t.consumers}
    return [layer.index for layer in graph.layers if layer.index not in prepared(graph) | feeding]
