"""The planner on trial: `make proof`, or `python -m bench.proof --count 10000`; JSON rows, status 1 on a mismatch.

Law: judges, and solves nothing itself. Every random problem (`tests/partitioner/solve/instances.py`, one a seed)
is solved by `partitioner.solve`'s door, by the dynamic programme over down-sets (where the door would choose a
minimum cut, it is a second method), and by the oracle, which enumerates the space; every tenth (`--milp-every`) by a
mixed-integer programme too. A mismatch is any of: one finds a plan and the other none; values that differ by
more than 1e-6; a lower bound above the optimum; an optimum that is not proven to 1e-5; a layout that plain Python
(`bill.py`) refuses, or prices otherwise. Minimal failing problems go to stderr.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bench.rows import Row
from partitioner.errors import LeptonError, NoFeasiblePlan
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.milp import best_by_milp
from partitioner.solve.ping_pong import ping_pong
from partitioner.solve.pipeline import best as down_sets
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Answer, Layout, Problem
from tests.partitioner.solve.bill import bill, same
from tests.partitioner.solve.instances import FAMILIES, drawn_family, random_problem
from tests.partitioner.solve.shrinking import minimal

GOAL = 10_000
PROVEN = 1e-5
MOST_SHOWN = 5
CRASHES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)

Solver = Callable[[Problem], Plan]


@dataclass
class Trial:
    """What was found so far."""

    tried: Counter[str] = field(default_factory=Counter)
    feasible: Counter[str] = field(default_factory=Counter)
    stages: Counter[int] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    mismatches: dict[int, list[str]] = field(default_factory=dict)
    by_milp: int = 0
    gains: list[float] = field(default_factory=list)


def judged(problem: Problem, solver: Solver = solve) -> list[str]:
    """Return everything that is wrong with what `solver` says about `problem`; empty when it is right."""
    return _against(problem, optimum(problem), solver)


def _against(problem: Problem, best: Answer | None, solver: Solver) -> list[str]:
    try:
        plan = solver(problem)
    except NoFeasiblePlan as error:
        return [f"a plan of {best.value} exists; the solver says: {error}"] if best else []
    except LeptonError as error:
        return [f"refused: {error}"]
    except CRASHES as error:
        return [f"crashed: {error!r}"]
    if best is None:
        return [f"no plan exists, yet one is found: {plan.layout}", *bill(problem, plan.layout).faults]
    return [*_values(best, plan), *_prices(problem, plan)]


def optimum(problem: Problem) -> Answer | None:
    """Return the oracle's answer, None when the space is empty."""
    try:
        return best_of_all(problem)
    except NoFeasiblePlan:
        return None


def judged_again(problem: Problem, solver: Callable[[Problem], Answer]) -> list[str]:
    """Return how the oracle and a second solver, not the door, disagree."""
    return _against_again(problem, optimum(problem), solver)


def _against_again(problem: Problem, best: Answer | None, solver: Callable[[Problem], Answer]) -> list[str]:
    try:
        found = solver(problem)
    except NoFeasiblePlan:
        return [f"{solver.__name__} finds no plan"] if best else []
    except CRASHES as error:
        return [f"{solver.__name__} crashed: {error!r}"]
    if best is None:
        return [f"{solver.__name__} finds a plan where none is: {found.layout}"]
    wrong = bill(problem, found.layout).faults
    if not same(found.value, best.value) or found.lower_bound > best.value + _slack(best.value):
        told = f"{solver.__name__} {found.value}, not below {found.lower_bound}"
        wrong = [*wrong, f"optimum {best.value} by {best.layout}, {told}"]
    return wrong


def try_seed(seed: int, trial: Trial, milp_too: bool) -> None:
    """Put the problem of `seed` to everybody and add the outcome to `trial`."""
    problem, family = random_problem(seed), drawn_family(seed)
    best = optimum(problem)
    wrong = _against(problem, best, partial(_counted, trial.methods))
    wrong += _against_again(problem, best, down_sets)
    if milp_too:
        trial.by_milp += 1
        wrong += _against_again(problem, best, best_by_milp)
    if wrong:
        trial.mismatches[seed] = wrong
    trial.tried[family] += 1
    if best is not None:
        trial.feasible[family] += 1
        trial.stages[sum(map(bool, best.layout.stages))] += 1
    if best is not None and family in ("order", "any order"):
        trial.gains.append(max(0.0, 1 - ping_pong(problem) / best.value) if best.value > 0 else 0.0)


def _counted(methods: Counter[str], problem: Problem) -> Plan:
    plan = solve(problem)
    methods[plan.method] += 1
    return plan


def _values(best: Answer, plan: Plan) -> list[str]:
    wrong = []
    if not same(plan.value, best.value):
        wrong.append(
            f"optimum {best.value} by {best.layout}, found {plan.value} by {plan.layout} ({plan.method})"
        )
    if plan.lower_bound > best.value + _slack(best.value):
        wrong.append(f"lower bound {plan.lower_bound} above the optimum {best.value} ({plan.method})")
    if plan.lower_bound < plan.value - PROVEN * abs(plan.value) - 1e-12:
        wrong.append(f"not proven: {plan.value}, lower bound {plan.lower_bound} ({plan.method})")
    return wrong


def _prices(problem: Problem, plan: Plan) -> list[str]:
    own = bill(problem, _in_full(plan))
    wrong = [f"its layout {plan.layout}: {fault}" for fault in own.faults]
    if not own.faults and not same(own.value, plan.value):
        wrong.append(f"its layout costs {own.value}, not {plan.value}")
    metrics = () if own.faults else ("latency", "bottleneck", "energy", "egress", "loss")
    pairs = [(what, getattr(own, what), getattr(plan.costs, what)) for what in metrics]
    return wrong + [f"its {what} is {one}, not {two}" for what, one, two in pairs if not same(one, two)]


def _in_full(plan: Plan) -> Layout:
    """Return the plan's layout with every codec as its costs tell it: a tie may be broken either way."""
    chosen = {
        (boundary, choice.tensor): choice.codec
        for boundary, choices in enumerate(plan.costs.codecs)
        for choice in choices
    }
    return dataclasses.replace(plan.layout, codecs=chosen)


def _slack(value: float) -> float:
    return 1e-6 * abs(value) + 1e-12


def rows_of(trial: Trial, seconds: float) -> list[Row]:
    """Return the figures of a trial."""
    count = sum(trial.tried.values())
    wrong = len(trial.mismatches)
    against = f"the oracle and down-sets on all, a mixed-integer programme on {trial.by_milp}"
    rows = [
        Row("proof", "random problems", count, "problems", against, GOAL, count >= GOAL),
        Row("proof", "mismatches", wrong, "problems", against, 0, wrong == 0),
        Row("proof", "time of the trial", round(seconds, 1), "s", "all solvers together"),
    ]
    rows += [
        Row(
            "proof",
            f"{family}: problems",
            trial.tried[family],
            "problems",
            f"{trial.feasible[family]} feasible",
        )
        for family in FAMILIES
    ]
    stages, methods = (dict(sorted(one.items())) for one in (trial.stages, trial.methods))
    rows += [Row("proof", f"best plans with {n} stages in use", c, "problems") for n, c in stages.items()]
    rows += [Row("proof", f"proven by {name}", c, "problems") for name, c in methods.items()]
    return rows + _gains(trial.gains)


def _gains(gains: list[float]) -> list[Row]:
    """What unrestricted ping-pong would gain on problems without limits; it is no plan of ours."""
    if not gains:
        return []
    some = [gain for gain in gains if gain > PROVEN]
    what = "ping-pong (any layer anywhere, optimistic)"
    return [
        Row("proof", f"{what} would gain", len(some) / len(gains), "of problems", f"{len(gains)} problems"),
        Row(
            "proof", f"{what}: mean gain where there is one", sum(some) / max(len(some), 1), "of the optimum"
        ),
    ]


def main(arguments: list[str]) -> int:
    """Try as many seeds as are asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=GOAL)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--milp-every", type=int, default=10)
    options = parser.parse_args(arguments)
    trial, began = Trial(), time.perf_counter()
    seeds = range(options.first, options.first + options.count)
    out = _quiet_stdout()
    for done, seed in enumerate(seeds, 1):
        try_seed(seed, trial, milp_too=seed % options.milp_every == 0)
        if done % 500 == 0:
            print(f"{done} problems, {len(trial.mismatches)} mismatches", file=sys.stderr, flush=True)
    _show(trial)
    os.dup2(out, 1)
    for row in rows_of(trial, time.perf_counter() - began):
        row.print()
    return 1 if trial.mismatches else 0


def _quiet_stdout() -> int:
    """Send what HiGHS prints on its own to stderr; return the real stdout."""
    out = os.dup(1)
    os.dup2(2, 1)
    return out


def _show(trial: Trial) -> None:
    for seed, wrong in list(trial.mismatches.items())[:MOST_SHOWN]:
        print(f"seed {seed}: {'; '.join(wrong)}", file=sys.stderr)
        if _disagrees(random_problem(seed)):
            smallest = minimal(random_problem(seed), _disagrees)
            print(f"smallest: {smallest}\n  {judged(smallest)}", file=sys.stderr)


def _disagrees(problem: Problem) -> bool:
    """Return whether `problem` is mistaken; one that the door refuses has been shrunk too far."""
    wrong = judged(problem)
    return bool(wrong) and not wrong[0].startswith("refused")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
