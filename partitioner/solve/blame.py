"""Which constraint is to blame where no plan is feasible, and by how much.

Law: sentences from answers; nothing is solved here but by the `solve` that is handed in, with one constraint
dropped at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.costing import evaluate, violations
from partitioner.solve.problem import EXACT, NO_LIMITS, Answer, Limits, Objective, Problem
from partitioner.solve.words import in_words
from partitioner.units import Bytes

Solve = Callable[[Problem], "Answer | None"]

UNITS = {"latency": "s", "energy": "J", "egress": "bytes", "loss": ""}
HALVINGS = 12  # to find the least loss possible


def blamed(problem: Problem, solve: Solve) -> NoFeasiblePlan:
    """Return the error that says what makes `problem` infeasible.

    `solve` returns the best plan that it finds of a problem, with a bound for every plan, or None.
    """
    for words in _alone(problem, solve):
        return NoFeasiblePlan(words, "relax that, or add a device")
    free = replace(without_memory(problem), limits=NO_LIMITS)
    answer = solve(free)
    if answer is None:
        return NoFeasiblePlan(
            "no plan keeps the pins, what must stay, the links and the operators that devices lack",
            "drop a pin or a wish, add a link, or a device that has the operators",
        )
    broken = violations(problem, evaluate(problem, answer.layout))
    every = "; ".join(one.words for one in broken.values())
    return NoFeasiblePlan(
        f"no single limit is to blame, but together they leave no plan: without them, {every}",
        "relax two of them",
    )


def _alone(problem: Problem, solve: Solve) -> Iterator[str]:
    """Yield a sentence for each constraint without which there would be a plan."""
    for device in problem.devices:
        if device.memory:
            answer = solve(without_memory(problem, device.name))
            if answer is not None:
                yield _memory(problem, answer)
    if sum(1 for device in problem.devices if device.memory) > 1:
        answer = solve(without_memory(problem))
        if answer is not None:
            yield _memory(problem, answer)
    for name in (one.name for one in fields(Limits)):
        if getattr(problem.limits, name) < math.inf:
            least = solve(_least(problem, name))
            if least is not None and name == "loss":
                least = _least_loss(problem, solve, least)
            if least is not None:
                yield _limit(problem, name, least)


def without_memory(problem: Problem, device: str = "") -> Problem:
    """Return the problem with the memory of one device, or of all, unlimited."""
    devices = tuple(
        replace(one, memory=Bytes(0)) if device in ("", one.name) else one for one in problem.devices
    )
    return replace(problem, devices=devices)


def _memory(problem: Problem, answer: Answer) -> str:
    broken = violations(problem, evaluate(problem, answer.layout))
    words = "; ".join(one.words for name, one in broken.items() if name.startswith("memory"))
    return f"memory is to blame: without its limit the best plan{_found(answer)} is one for which {words}"


def _least(problem: Problem, name: str) -> Problem:
    """Return the problem of the least `name` under all other constraints."""
    limits = replace(problem.limits, **{name: math.inf})  # type: ignore[arg-type]
    if name == "loss":
        return replace(problem, limits=limits)
    weights = {"latency": 0.0, "bottleneck": 0.0, "energy": 0.0, "egress": 0.0, name: 1.0}
    return replace(problem, limits=limits, objective=Objective(**weights))


def _limit(problem: Problem, name: str, least: Answer) -> str:
    asked = getattr(problem.limits, name)
    costs = evaluate(problem, least.layout)
    if name == "bottleneck":
        floor = 1 / asked if asked > 0 else math.inf
        best = f"{costs.throughput:.4g}/s"
        return f"the floor on throughput is to blame: best{_found(least) or ' possible'} {best}, {floor:.4g}/s asked"
    found, most = in_words(UNITS[name], getattr(costs, name), asked)
    if name == "loss":
        return f"the accuracy budget is to blame: the least loss possible is {found}, {most} is allowed"
    return f"the limit on {name} is to blame: best{_found(least) or ' possible'} {found}, {most} asked"


def _found(answer: Answer) -> str:
    """Return " found" where it is not proven that nothing is better."""
    return " found" if answer.gap > EXACT else ""


def _least_loss(problem: Problem, solve: Solve, answer: Answer) -> Answer:
    """Return a plan of nearly the least loss, by halving between what is asked and what `answer` loses."""
    low, high = problem.limits.loss, evaluate(problem, answer.layout).loss
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        better = solve(replace(problem, limits=replace(problem.limits, loss=middle)))
        if better is None:
            low = middle
        else:
            answer, high = better, evaluate(problem, better.layout).loss
    return answer
