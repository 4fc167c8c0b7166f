"""How long planning takes, how it grows, and where its bounds bite: `python -m bench.planner`, a JSON line a row.

Law: questions are of `questions.py`; times are medians of single-threaded runs on this machine, memory is the peak
of what Python and numpy allocate in one further run. It measures the arithmetic of planning, not a plan's truth.
`python -m bench.planner PART...` runs only the parts named (speed, real, published, operators, devices, down-sets,
front).
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import published
from bench.questions import (
    DENSENET121,
    branches,
    compiled,
    dense,
    dense_operators,
    on_devices,
    question,
    residual,
)
from bench.rows import Row
from partitioner.graph import CostGraph, down_sets
from partitioner.solve.pareto import front
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import THROUGHPUT, Problem

INSTANCES = Path(__file__).resolve().parent.parent / "tests" / "partitioner" / "solve" / "published"
MOST_DOWN_SETS = 20_000
LONG = 2.0  # seconds; what takes longer is not repeated
RUNS = 5
MIB = 1024 * 1024

MOBILENETV2_GOAL = 10.0  # milliseconds, two stages; three stages may take three times as long
DENSENET121_GOAL = 50.0
DECODER_GOAL = 500.0


@dataclass(frozen=True)
class Took:
    """A plan, and what finding it took."""

    plan: Plan
    milliseconds: float
    mebibytes: float

    def said(self) -> str:
        """Return how the plan was proven, and the memory."""
        peak = f", peak {self.mebibytes:.1f} MiB" if self.mebibytes else ""  # long runs are not traced
        return f"{self.plan.method}, gap {self.plan.gap:.2g}{peak}"


def main(parts: list[str]) -> int:
    unknown = set(parts) - set(PARTS)
    if unknown:
        print(
            f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr
        )
        return 2
    for name, rows in PARTS.items():
        if not parts or name in parts:
            for row in rows():
                row.print()
    return 0


def speed() -> Iterator[Row]:
    """Yield the goals: two stages and three, with and without a plan's rivals."""
    questions = (
        ("mobilenetv2-like, contracted", residual(57, every=3), MOBILENETV2_GOAL),
        ("mobilenetv2-like, operators", residual(156, every=9), MOBILENETV2_GOAL),
        ("densenet121-like, contracted", dense(DENSENET121), DENSENET121_GOAL),
        ("densenet121-like, operators", dense_operators(), DENSENET121_GOAL),
        ("decoder-like", residual(2400, every=8), DECODER_GOAL),
    )
    for name, feeds, goal in questions:
        yield from _stages(name, question(feeds).graph, goal)


def real() -> Iterator[Row]:
    """Yield compiled models; goals for those that have one."""
    goals = {"mobilenetv2": MOBILENETV2_GOAL, "densenet121": DENSENET121_GOAL}
    for name, graph in compiled():
        yield from _stages(f"{name} as compiled", graph, goals.get(name))


def instances() -> Iterator[Row]:
    """Yield the published instances."""
    for path in sorted(INSTANCES.glob("*.json")):
        found = published.solved(path)
        yield Row(
            **{key: found[key] for key in ("bench", "what", "value", "unit", "compared_with", "goal", "met")}
        )


def operators() -> Iterator[Row]:
    """Yield how time and memory grow with operators: latency (a cut) and throughput (down-sets)."""
    for count in (50, 100, 200, 400, 800, 1600, 3200):
        problem = question(residual(count, every=8))
        yield _grown(f"latency, {count} operators in a chain with skips, 2 stages", problem)
    for count in (50, 100, 200, 400, 800):
        problem = replace(question(residual(count, every=8)), objective=THROUGHPUT)
        yield _grown(f"throughput, {count} operators in a chain with skips, 2 stages", problem)


def devices() -> Iterator[Row]:
    """Yield how time and memory grow with devices, in a given order and in any."""
    feeds = residual(156, every=9)
    for count in (2, 3, 4, 5, 6):
        yield _grown(f"latency, 156 operators, {count} devices in a given order", question(feeds, count))
    for count in (2, 3, 4, 5):
        problem = question(feeds, count, ordered=False)
        yield _grown(f"latency, 156 operators, {count} devices in any order", problem)
    for count in (2, 3, 4, 5):
        problem = replace(question(residual(57, every=3), count, ordered=False), objective=THROUGHPUT)
        yield _grown(f"throughput, 57 operators, {count} devices in any order", problem)


def widths() -> Iterator[Row]:
    """Yield how time and memory grow with down-sets, and what happens past the bound."""
    for lengths in ((3,), (3, 3), (3, 3, 3), (4, 5, 6), (6, 8, 9), (5, 6, 7, 8), (9, 9, 9, 9), (3,) * 10):
        problem = question(branches(3, lengths), 3)
        what = f"{sets_of(problem.graph)}, {len(problem.graph.layers)} operators, 3 stages"
        yield _grown(f"throughput, {what}", replace(problem, objective=THROUGHPUT))
        yield _grown(f"latency, {what}", problem)


def fronts() -> Iterator[Row]:
    """Yield the time of Pareto fronts."""
    for name, feeds in (
        ("mobilenetv2-like, contracted", residual(57, 3)),
        ("densenet121-like", dense(DENSENET121)),
    ):
        for count in (2, 3):
            problem = question(feeds, count)
            began = time.perf_counter()
            found = front(problem, ("latency", "bottleneck"))
            took = round(time.perf_counter() - began, 3)
            state = "complete" if found.complete else "a part"
            yield Row("planner", f"front of latency and throughput, {name}, {count} stages", took, "s",
                      f"{len(found.plans)} plans, {state}")  # fmt: skip


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "speed": speed,
    "real": real,
    "published": instances,
    "operators": operators,
    "devices": devices,
    "down-sets": widths,
    "front": fronts,
}


def _stages(name: str, graph: CostGraph, goal: float | None) -> Iterator[Row]:
    sets = sets_of(graph)
    for stages in (2, 3):
        limit = None if goal is None else goal * (1 if stages == 2 else 3)
        problem = on_devices(graph, stages)
        what = f"{name}: {len(graph.layers)} layers, {sets}, {stages} stages"
        plain = took(partial(solve, problem, alternatives=False))
        full = took(partial(solve, problem))
        yield _row(f"solve, {what}", plain, plain.said(), limit)
        rivals = f"{len(full.plan.alternatives)} rivals, {len(full.plan.flips)} flips"
        yield _row(f"solve with rivals, {what}", full, rivals, limit)


def _grown(what: str, problem: Problem) -> Row:
    found = took(partial(solve, problem, alternatives=False))
    return _row(f"growth: {what}", found, found.said(), None)


def _row(what: str, found: Took, said: str, goal: float | None) -> Row:
    met = None if goal is None else found.milliseconds <= goal
    return Row("planner", what, found.milliseconds, "ms", said, goal, met)


def sets_of(graph: CostGraph) -> str:
    """Return how many down-sets a graph has, in words."""
    found = down_sets(graph, MOST_DOWN_SETS)
    return f"{len(found)} down-sets" if found is not None else f"more than {MOST_DOWN_SETS} down-sets"


def took(work: Callable[[], Plan]) -> Took:
    """Return what `work` finds, the median of its times, and its peak of memory."""
    times: list[float] = []
    while len(times) < RUNS and (not times or times[-1] < LONG):
        began = time.perf_counter()
        plan = work()
        times.append(time.perf_counter() - began)
    peak = 0
    if times[-1] < LONG:  # tracing multiplies the time
        tracemalloc.start()
        work()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return Took(plan, round(1e3 * statistics.median(times), 2), peak / MIB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
