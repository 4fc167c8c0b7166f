"""Memory limits: exact while all down-sets are tried, honest when they are not, and refused in numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve import Problem, Solution, limits, solve
from partitioner.solve.two_stage_oracle import best_of_all
from partitioner.units import Bytes, TensorName

Maker = Callable[[int], Problem]
Diamond = Callable[..., Problem]


def answer(problem: Problem) -> Solution | None:
    try:
        return solve(problem)
    except NoFeasiblePlan:
        return None


def truth(problem: Problem) -> float | None:
    try:
        return best_of_all(problem)[0]
    except NoFeasiblePlan:
        return None


def with_tied_weights(problem: Problem) -> Problem:
    names = {name for layer in problem.graph.layers for name in layer.weight_names}
    sizes = {TensorName(name): Bytes(20 + 5 * int(name[1:])) for name in names}
    return dataclasses.replace(problem, weight_bytes=sizes)


@pytest.mark.parametrize("tied", [False, True])
def test_memory_limits_agree_with_the_oracle(make_problem: Maker, tied: bool) -> None:
    found_some, refused_some = 0, 0
    for seed in range(300):
        problem = dataclasses.replace(make_problem(seed), board_memory=Bytes(120), cloud_memory=Bytes(200))
        problem = with_tied_weights(problem) if tied else problem
        found, expected = answer(problem), truth(problem)
        assert (found is None) == (expected is None), seed
        if found is not None:
            assert found.parts.latency == pytest.approx(expected, rel=1e-6, abs=1e-12), seed
            found_some += found.method == "enumeration"
        refused_some += found is None
    assert found_some > 20
    assert refused_some > 20


def test_past_the_bound_a_chain_is_searched_and_the_gap_is_told(
    make_problem: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_DOWN_SETS", 1)
    methods = set()
    for seed in range(200):
        problem = dataclasses.replace(make_problem(seed), board_memory=Bytes(120), cloud_memory=Bytes(200))
        found, expected = answer(problem), truth(problem)
        if found is not None:
            methods.add(found.method)
            assert expected is not None
            assert found.lower_bound <= expected + 1e-12
            assert found.parts.latency >= expected * (1 - 1e-6)
    assert methods == {"min-cut", "chain"}


def test_what_was_not_tried_is_not_denied(diamond: Diamond, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_DOWN_SETS", 1)
    with pytest.raises(NoFeasiblePlan, match="none of 5 plans that were tried fits the memory"):
        solve(diamond(board_memory=Bytes(5), cloud_memory=Bytes(5)))


def test_memory_that_lacks_is_named_in_numbers(diamond: Diamond) -> None:
    with pytest.raises(NoFeasiblePlan, match=r"the board needs .* MB and has .*the cloud needs"):
        solve(diamond(board_memory=Bytes(5), cloud_memory=Bytes(5)))
