"""Is this layout a plan at all, and which tensors cross where in it.

Law: combinatorics and the wishes of a problem; no cost. The space is defined in `problem.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.solve.incidence import Ints, incidence
from partitioner.solve.problem import Layout, Problem, may_cross
from partitioner.units import DeviceId


def layout_of(order: Sequence[DeviceId], stage_of: Iterable[int]) -> Layout:
    """Return the layout in which layer i is in stage `stage_of[i]`, trailing empty stages left out."""
    held: list[list[int]] = [[] for _ in order]
    for layer, stage in enumerate(stage_of):
        held[stage].append(layer)
    used = max((stage for stage, layers in enumerate(held) if layers), default=0)
    return Layout(tuple(order[: used + 1]), tuple(frozenset(layers) for layers in held[: used + 1]))


def stage_numbers(problem: Problem, layout: Layout) -> Ints:
    """Return the stage of each layer.

    Raises:
        InvalidProblem: the layout is no plan of the problem: wrong devices, a layer missing or twice, an edge
            that goes backwards, a layer where it cannot or must not run.
    """
    _check_order(problem, layout)
    stage_of = np.full(len(problem.graph.layers), -1, dtype=np.int64)
    for stage, layers in enumerate(layout.stages):
        if layers:
            held = np.fromiter(layers, dtype=np.int64, count=len(layers))
            _check_members(problem, stage_of, held)
            stage_of[held] = stage
    if len(stage_of) and stage_of.min() < 0:
        missing = problem.graph.layers[int(np.argmin(stage_of))]
        raise InvalidProblem(f"layer {missing.name} is in no stage")
    _check_forward(problem.graph, stage_of)
    _check_places(problem, layout, stage_of)
    return stage_of


def crossing_tensors(problem: Problem, stage_of: Ints, boundaries: int) -> list[list[CostTensor]]:
    """Return, by boundary, the tensors that cross it, in graph order.

    Raises:
        InvalidProblem: one of them must not.
    """
    arrays = incidence(problem.graph)
    found: list[list[CostTensor]] = [[] for _ in range(boundaries)]
    if not len(arrays.consumed):
        return found
    reach = np.maximum.reduceat(stage_of[arrays.consumers], arrays.first)
    made = np.where(arrays.producer < 0, 0, stage_of[arrays.producer])
    for position in np.flatnonzero(reach > made):
        tensor = problem.graph.tensors[int(arrays.consumed[position])]
        if not may_cross(problem, tensor):
            where = f"device {problem.entry}" if made[position] == 0 else f"stage {made[position]}"
            raise InvalidProblem(f"tensor {tensor.name} must not leave {where}", "choose a later cut")
        for boundary in range(int(made[position]), int(reach[position])):
            found[boundary].append(tensor)
    return found


def homecoming(order: Sequence[DeviceId], stage: int) -> range:
    """Return the boundaries over which an output made in `stage` goes home: down to the entry's latest stage."""
    latest = max(index for index in range(stage + 1) if order[index] == order[0])
    return range(latest, stage)


def _check_order(problem: Problem, layout: Layout) -> None:
    order = layout.order
    if not order or order[0] != problem.entry or len(order) != len(layout.stages):
        raise InvalidProblem(f"a layout has one device a stage, the first of them the entry {problem.entry}")
    if len(order) > 1 and not layout.stages[-1]:
        raise InvalidProblem("trailing empty stages are no part of a layout", "leave them out")
    for name in order:
        problem.device(name)
    if problem.order is not None and order != problem.order[: len(order)]:
        raise InvalidProblem(
            f"the stages run on {', '.join(order)}; asked for was {', '.join(problem.order)}"
        )
    if problem.order is None and len(set(order)) < len(order):
        raise InvalidProblem("without a given order each device has one stage at most")


def _check_members(problem: Problem, stage_of: Ints, held: Ints) -> None:
    if held.min() < 0 or held.max() >= len(stage_of):
        raise InvalidProblem(f"a stage holds a layer that the graph of {len(stage_of)} layers does not have")
    if stage_of[held].max() >= 0:
        twice = problem.graph.layers[int(held[np.argmax(stage_of[held])])]
        raise InvalidProblem(f"layer {twice.name} is in two stages")


def _check_forward(graph: CostGraph, stage_of: Ints) -> None:
    feeds = incidence(graph).feeds
    backwards = np.flatnonzero(stage_of[feeds[:, 0]] > stage_of[feeds[:, 1]])
    if len(backwards):
        maker, consumer = (graph.layers[int(one)].name for one in feeds[backwards[0]])
        raise InvalidProblem(f"layer {consumer} would run in an earlier stage than {maker}, which feeds it")


def _check_places(problem: Problem, layout: Layout, stage_of: Ints) -> None:
    for name in set(layout.order):
        lacks = problem.device(name).lacks
        wrong = [one for one in sorted(lacks) if layout.order[int(stage_of[one])] == name]
        if wrong:
            layer = problem.graph.layers[wrong[0]]
            raise InvalidProblem(f"device {name} lacks an operator of layer {layer.name}")
    for one, device in problem.pins.items():
        if layout.order[int(stage_of[one])] != device:
            raise InvalidProblem(f"layer {problem.graph.layers[one].name} is pinned to device {device}")
