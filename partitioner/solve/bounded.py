"""Where the down-sets are too many: contract, solve what is left, and refine around what was found.

Law: plans only. What comes from here is a plan of the original problem and proves nothing about others: who asks for
it adds a bound and calls it `METHOD`. How a contracted graph is solved is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from partitioner.solve.lattice import Groups
from partitioner.solve.problem import Answer, Layout, Problem
from partitioner.solve.windows import Line, line_of, windows

METHOD = "contraction"
GROWTH = 1.5  # from one try to the next coarser one
LEAST_GROWTH = 0.05
MOST_TRIES = 40
ROUNDS = 3  # of refinement around the boundaries found
WORTH = 1e-6  # relative gain for which another round is made

Attempt = Callable[[Groups], "tuple[bool, Answer | None]"]


def contracted(
    problem: Problem, groups: Groups, attempt: Attempt, known: Layout | None = None
) -> Answer | None:
    """Return the best plan found by contraction, or None when none was found; bound and method are those of `attempt`.

    Args:
        problem: the question.
        groups: layers that stay together anyway.
        attempt: solves with given groups; says whether their down-sets fit its bound, and the best plan.
        known: a plan that is good but perhaps breaks limits, to refine around.
    """
    best: Answer | None = None
    for _ in range(ROUNDS):
        layout = best.layout if best else known
        found = _first_that_fits(
            _line(problem, groups, layout), attempt, 1.0 if layout is None else LEAST_GROWTH
        )
        if found is None and best is None and known is not None:
            known = None
            continue
        if found is None or (best and found.value >= best.value * (1 - WORTH)):
            return _less(best, found)
        best = found
    return best


def _less(one: Answer | None, other: Answer | None) -> Answer | None:
    if one is None or other is None:
        return one or other
    return other if other.value < one.value else one


def _first_that_fits(line: Line, attempt: Attempt, growth: float) -> Answer | None:
    """Solve with ever longer runs until their down-sets fit; go on while there is no plan at all."""
    for _ in range(MOST_TRIES):
        groups = windows(line, growth)
        fits, answer = attempt(groups)
        if fits:
            return answer
        growth *= GROWTH
    return None


def _line(problem: Problem, groups: Groups, layout: Layout | None) -> Line:
    return line_of(problem.graph, groups, _stages(groups, layout), _signatures(problem, groups))


def _stages(groups: Groups, layout: Layout | None) -> list[int]:
    if layout is None:
        return [0] * len(groups)
    stage_of = {layer: stage for stage, layers in enumerate(layout.stages) for layer in layers}
    return [max(stage_of[layer] for layer in group) for group in groups]


def _signatures(problem: Problem, groups: Sequence[Sequence[int]]) -> list[int]:
    """Return a number for each group that tells which devices may run it."""
    names: dict[frozenset[str], int] = {}
    found: list[int] = []
    for group in groups:
        may = frozenset(
            device.name
            for device in problem.devices
            if device.lacks.isdisjoint(group)
            and all(problem.pins.get(layer, device.name) == device.name for layer in group)
        )
        found.append(names.setdefault(may, len(names)))
    return found
