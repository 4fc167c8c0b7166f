"""Where down-sets are far too many and memory binds, the plan is nearly the best, and says how nearly."""

from __future__ import annotations

import dataclasses
import random

from partitioner.solve import polish
from partitioner.solve.costing import evaluate, violations
from partitioner.solve.planner import solve
from partitioner.solve.problem import Problem
from partitioner.units import Bytes
from tests.partitioner.solve.small import BOARD, CLOUD, device, graph, links, problem, tensor


def branches(count: int = 60) -> Problem:
    """One layer, `count` branches and one that joins them: 2^count down-sets, on devices that are too small."""
    dice, last = random.Random(1), count + 1
    net = graph(
        count + 2,
        tensor("x", -1, (0,), 1000),
        tensor("a", 0, tuple(range(1, last)), 400),
        *(tensor(f"b{one}", one, (last,), 100) for one in range(1, last)),
        tensor("y", last, (), 10, True),
    )
    board = device(BOARD, *(1 + dice.random() for _ in net.layers))
    cloud = device(CLOUD, *(dice.random() for _ in net.layers))
    small = [dataclasses.replace(one, memory=Bytes(size)) for one, size in ((board, 400), (cloud, 500))]
    return problem(net, *small, hops=links(BOARD, CLOUD, rate=1e5))


def test_sixty_branches_in_too_little_memory() -> None:
    question = branches()
    plan = solve(question, alternatives=False)
    assert plan.gap < 0.03
    assert plan.method == "contraction"
    assert not violations(question, evaluate(question, plan.layout))


def test_what_is_too_large_stays_as_it_was(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    better = solve(branches(), alternatives=False)
    monkeypatch.setattr(polish, "MOST_VARIABLES", 10)
    known = solve(branches(), alternatives=False)
    assert known.value > better.value
    assert known.gap > better.gap
