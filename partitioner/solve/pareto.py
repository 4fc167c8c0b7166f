"""The Pareto front of a model on given devices: latency against throughput, energy, egress.

Law: pure, no clock (a caller that has one says when it is enough); every point is an answer of `planner.solve`.

The epsilon-constraint method (Haimes et al., 1971). Of two metrics, the first is minimised under a limit on the
second; the limit then goes strictly below what that plan has, until the second metric's own least is reached. Every
plan that no other beats in one of the two without losing in the other is met: when the limit first falls below all
earlier points but not below its own, it is the least. With more metrics the first is paired with each other one; what
another point found beats in all metrics is left out. So a front is exact for each pair with the first metric, and no
claim is made about plans that only a trade between three metrics would show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.checks import check
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import EGRESS, ENERGY, EXACT, LATENCY, THROUGHPUT, Objective, Problem

Metric = Literal["latency", "bottleneck", "energy", "egress"]
Stop = Callable[[], bool]

OBJECTIVES: dict[Metric, Objective] = {
    "latency": LATENCY,
    "bottleneck": THROUGHPUT,
    "energy": ENERGY,
    "egress": EGRESS,
}
MOST_POINTS = 64
COARSE = 8  # points of a walk that are kept back, to reach its end in large steps when it is long
STEP = 1e-6  # relative; plans that are nearer to each other in a metric are one point


@dataclass(frozen=True)
class Front:
    """Plans of which none beats another in all of `metrics`, by the first metric, least first.

    Each plan's `value` and `lower_bound` are those of the first metric, under the limit at which it was found.
    `complete` means that every pair's front was walked to its end and every plan on it is proven optimal; else it is
    a part of the front, or near it.
    """

    metrics: tuple[Metric, ...]
    plans: tuple[Plan, ...]
    complete: bool


def pareto(problem: Problem, metrics: Sequence[Metric] = ()) -> list[Plan]:
    """Return the plans of `front(problem, metrics)`.

    Raises:
        InvalidProblem: the problem contradicts itself, or a metric is unknown.
        NoFeasiblePlan: there is no plan at all.
    """
    return list(front(problem, metrics).plans)


def front(
    problem: Problem,
    metrics: Sequence[Metric] = (),
    *,
    most: int = MOST_POINTS,
    stop: Stop = lambda: False,
) -> Front:
    """Return the Pareto front of `problem`, whose own objective does not matter and whose limits do.

    Args:
        problem: the model, the devices, the wishes, the limits.
        metrics: what to trade; the first is traded against each other one. Empty: all that are known (energy where
            some device's watts are declared).
        most: plans to ask for, at most; `complete` says whether they were enough.
        stop: asked before each further plan; True ends the walk.

    Raises:
        InvalidProblem: the problem contradicts itself, or a metric is unknown.
        NoFeasiblePlan: there is no plan at all.
    """
    check(problem)
    wanted = tuple(dict.fromkeys(metrics)) or known_metrics(problem)
    unknown = [one for one in wanted if one not in OBJECTIVES]
    if unknown:
        raise InvalidProblem(f"there is no metric {unknown[0]}", f"choose among {', '.join(OBJECTIVES)}")
    first, *others = wanted
    start = _least(problem, first)
    found, complete = [start], start.gap <= EXACT
    for second in others:
        walk = _Walk(problem, first, second, max(most // len(others), 2), stop)
        found += walk.points(start)
        complete = complete and walk.complete
    return Front(wanted, tuple(undominated(found, wanted)), complete)


def known_metrics(problem: Problem) -> tuple[Metric, ...]:
    """Return latency, bottleneck, egress, and energy where somebody declared watts."""
    declared = any(device.watts > 0 or device.radio_watts > 0 for device in problem.devices)
    return ("latency", "bottleneck", "egress", *(("energy",) if declared else ()))


def undominated(plans: Sequence[Plan], metrics: Sequence[Metric]) -> list[Plan]:
    """Return the plans that none of `plans` beats in all metrics, one of those that are equal, sorted by them."""
    kept: list[Plan] = []
    for plan in sorted(plans, key=lambda one: _values(one, metrics)):
        if not any(_covers(one, plan, metrics) for one in kept):
            kept = [one for one in kept if not _covers(plan, one, metrics)] + [plan]
    return kept


@dataclass
class _Walk:
    """The front of one pair of metrics: `complete` once it was walked to the end, every step proven."""

    problem: Problem
    first: Metric
    second: Metric
    most: int
    stop: Stop
    complete: bool = False

    def points(self, start: Plan) -> list[Plan]:
        """Return the points after `start`, the least of the first metric; the last has the least of the second."""
        if self.stop():
            return []
        end = _least(self.problem, self.second)
        found = list(self._steps(_value(start, self.second), _value(end, self.second)))
        reached = bool(found) and not _above(found[-1], self.second, end)
        if not reached and _above(start, self.second, end):
            found.append(end)
        else:
            self.complete = self.complete and end.gap <= EXACT
        return found

    def _steps(self, at: float, end: float) -> Iterator[Plan]:
        self.complete = True
        for left in range(self.most - 1, 0, -1):
            if at <= end * (1 + STEP):
                return
            fine = at * (1 - STEP)
            coarse = at - (at - end) / left
            limit = max(fine if left > COARSE else min(fine, coarse), end)
            plan = None if self.stop() else self._within(limit)
            self.complete = (
                self.complete and limit >= min(fine, at) and plan is not None and plan.gap <= EXACT
            )
            if plan is None:
                return
            yield plan
            at = _value(plan, self.second)
        self.complete = self.complete and at <= end * (1 + STEP)

    def _within(self, limit: float) -> Plan | None:
        tighter: dict[str, Any] = {self.second: limit}
        limits = replace(self.problem.limits, **tighter)
        try:
            return _least(replace(self.problem, limits=limits), self.first)
        except NoFeasiblePlan:
            return None  # only where a plan is known but a bounded search did not meet it again


def _least(problem: Problem, metric: Metric) -> Plan:
    return solve(replace(problem, objective=OBJECTIVES[metric]), alternatives=False)


def _value(plan: Plan, metric: Metric) -> float:
    return float(getattr(plan.costs, metric))


def _values(plan: Plan, metrics: Sequence[Metric]) -> tuple[float, ...]:
    return tuple(_value(plan, metric) for metric in metrics)


def _above(plan: Plan, metric: Metric, end: Plan) -> bool:
    return _value(plan, metric) > _value(end, metric) * (1 + STEP)


def _covers(one: Plan, other: Plan, metrics: Sequence[Metric]) -> bool:
    pairs = zip(_values(one, metrics), _values(other, metrics), strict=True)
    return all(mine <= theirs * (1 + STEP) for mine, theirs in pairs)
