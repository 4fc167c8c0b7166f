"""Made-up questions: they have the shape that they claim."""

from __future__ import annotations

import pytest

from bench.questions import branches, dense, dense_operators, question, residual
from partitioner.graph import down_sets
from partitioner.solve.checks import check
from partitioner.solve.planner import solve
from partitioner.solve.problem import THROUGHPUT, Objective


def test_dense_operators_have_dense_blocks() -> None:
    """58 layers of six operators; a Concat for all but the first of each block, and one behind each block."""
    feeds = dense_operators()
    assert len(feeds) == 58 * 6 + (58 - 4) + 4 + 4 + 3 * 4 + 4
    # the third block's input feeds its first layer, then 23 Concats, then the one behind the block
    assert max(len(after) for after in feeds.values()) == 25
    assert [layer for layer, after in feeds.items() if not after] == [len(feeds) - 1]


def test_branches_multiply_down_sets() -> None:
    problem = question(branches(1, (2, 3)))
    sets = down_sets(problem.graph, 1000)
    assert sets is not None
    assert len(sets) == 1 + 3 * 4 + 1  # nothing, the fork with any part of both branches, the join


@pytest.mark.parametrize("devices", [2, 3, 5])
@pytest.mark.parametrize("ordered", [True, False])
def test_questions_can_be_answered(devices: int, *, ordered: bool) -> None:
    problem = question(residual(12, every=3), devices, ordered=ordered)
    check(problem)
    assert len(problem.devices) == devices
    assert (problem.order is None) != ordered
    assert solve(problem, alternatives=False).gap < 1e-5


@pytest.mark.parametrize("objective", [Objective(), THROUGHPUT])
def test_dense_questions_can_be_answered(objective: Objective) -> None:
    problem = question(dense((3, 4)), 3)
    assert solve(problem, alternatives=False).value > 0
