"""Which constraint is to blame when no plan is feasible, and by how much.

Law: pure; puts easier questions to the same solver: one constraint dropped at a time. What the best plan then needs
is what the constraint would have to allow. It never returns a plan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.costing import Excess, evaluate, violations
from partitioner.solve.problem import NO_LIMITS, Answer, Objective, Problem
from partitioner.units import Bytes

Solver = Callable[[Problem], Answer]

WANTED = {
    "latency": Objective(),
    "bottleneck": Objective(latency=0.0, bottleneck=1.0),
    "energy": Objective(latency=0.0, energy=1.0),
    "egress": Objective(latency=0.0, egress=1.0),
}


def blamed(problem: Problem, refusal: NoFeasiblePlan, solver: Solver) -> NoFeasiblePlan:
    """Return an error that says which constraint leaves no plan, and by how much; `refusal` if that is the wishes."""
    free = _free(problem)
    if not _is_limited(problem) or _best(free, solver) is None:
        return refusal
    found = [words for name, easier in _easier(problem) if (words := _needed(problem, name, easier, solver))]
    if found:
        return NoFeasiblePlan(
            "no plan keeps every limit: " + "; or ".join(found), "allow what is needed, or drop another wish"
        )
    answer = _best(free, solver)
    broken = violations(problem, evaluate(free, answer.layout)) if answer else {}
    return NoFeasiblePlan(
        "no plan keeps every limit, and dropping a single one does not help; without any: "
        + "; ".join(excess.words for excess in broken.values()),
        "allow more of each of these",
    )


def _free(problem: Problem) -> Problem:
    devices = tuple(dataclasses.replace(one, memory=Bytes(0)) for one in problem.devices)
    return dataclasses.replace(problem, devices=devices, limits=NO_LIMITS)


def _is_limited(problem: Problem) -> bool:
    return problem.limits != NO_LIMITS or any(device.memory for device in problem.devices)


def _easier(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Yield the problem with each single constraint dropped, minimising what that constraint limits."""
    for index, device in enumerate(problem.devices):
        if device.memory:
            devices = list(problem.devices)
            devices[index] = dataclasses.replace(device, memory=Bytes(0))
            yield f"memory of {device.name}", dataclasses.replace(problem, devices=tuple(devices))
    for field in dataclasses.fields(problem.limits):
        if getattr(problem.limits, field.name) != getattr(NO_LIMITS, field.name):
            limits = dataclasses.replace(problem.limits, **{field.name: getattr(NO_LIMITS, field.name)})
            objective = WANTED.get(field.name, problem.objective)
            yield field.name, dataclasses.replace(problem, limits=limits, objective=objective)


def _needed(problem: Problem, name: str, easier: Problem, solver: Solver) -> str:
    """Return in words what `name` would have to allow; empty when dropping it alone does not help."""
    answer = _best(easier, solver)
    if answer is None:
        return ""
    excess: Excess | None = violations(problem, evaluate(easier, answer.layout)).get(name)
    return excess.words if excess else ""


def _best(problem: Problem, solver: Solver) -> Answer | None:
    try:
        return solver(problem)
    except (NoFeasiblePlan, InvalidProblem):
        return None
