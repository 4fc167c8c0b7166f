"""The sentence names the one constraint to blame, and by how much it is missed."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve import pipeline
from partitioner.solve.pipeline import best
from partitioner.solve.problem import CodecOption, Limits, Problem
from partitioner.units import Bytes, CodecName, DeviceId, Seconds
from tests.partitioner.solve.shapes import branches_of, chain_of, problem_of, with_device


def refused(problem: Problem, words: str) -> None:
    with pytest.raises(NoFeasiblePlan, match=words) as caught:
        best(problem)
    assert caught.value.hint


def heavy(first: int, second: int) -> Problem:
    problem = problem_of(chain_of(4, weights=100_000_000), 1.0, 1.0)
    problem = with_device(problem, 0, memory=Bytes(first))
    return with_device(problem, 1, memory=Bytes(second))


def test_memory_of_one_device() -> None:
    problem = dataclasses.replace(heavy(256_000_000, 0), order=(DeviceId("d0"),))
    refused(problem, "memory is to blame.*d0 needs 480.0 MB and has 256.0 MB")


def test_memory_of_both_devices() -> None:
    refused(heavy(100_000_000, 100_000_000), "memory is to blame.*needs .* MB and has 100.0 MB")


def test_a_floor_on_throughput() -> None:
    problem = dataclasses.replace(problem_of(chain_of(4), 1.0, 1.0), limits=Limits(bottleneck=Seconds(1.0)))
    refused(problem, "floor on throughput is to blame: best possible 0.5/s, 1/s asked")


def test_a_floor_above_every_number() -> None:
    for limit in (0.0, 5e-324):
        problem = problem_of(chain_of(3), 1.0, 0.5)
        refused(dataclasses.replace(problem, limits=Limits(bottleneck=Seconds(limit))), "inf/s asked")


def test_a_latency() -> None:
    problem = dataclasses.replace(problem_of(chain_of(4), 1.0), limits=Limits(latency=Seconds(3.0)))
    refused(problem, "limit on latency is to blame: best possible 4 s, 3 s asked")


def test_where_not_every_plan_was_looked_at_the_best_is_one_that_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of(branches_of(3, 4), 1.0, 0.5, 0.3)
    problem = dataclasses.replace(problem, limits=Limits(latency=Seconds(0.01)))
    refused(problem, r"best possible \d.*, 0.01 s asked")
    monkeypatch.setattr(pipeline, "MOST_DOWN_SETS", 5)
    refused(problem, r"best found \d.*, 0.01 s asked")


def test_an_accuracy_budget() -> None:
    problem = problem_of(chain_of(2), 1.0, 1.0)
    lossy = (CodecOption(CodecName("u8"), Bytes(10), 0.02), CodecOption(CodecName("u4"), Bytes(5), 0.2))
    problem = dataclasses.replace(
        problem,
        options={one.name: lossy for one in problem.graph.tensors},
        pins={1: DeviceId("d1")},
        limits=Limits(loss=0.01),
    )
    refused(problem, "accuracy budget is to blame: the least loss possible is 2 %, 1 % is allowed")


def test_two_limits_together() -> None:
    problem = dataclasses.replace(
        problem_of(chain_of(4), 1.0, 1.0), limits=Limits(bottleneck=Seconds(1.0), latency=Seconds(3.0))
    )
    refused(problem, "no single limit is to blame, but together")


def test_wishes_that_nobody_can_keep() -> None:
    problem = with_device(problem_of(chain_of(2), 1.0), 0, lacks=frozenset([1]))
    refused(problem, "operators that devices lack")
