"""Parts of the wrong type are told apart at the door, in words, never by a traceback from a solver."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve.checks import MOST_DEVICES
from partitioner.solve.pareto import pareto
from partitioner.solve.planner import solve
from partitioner.solve.problem import CodecOption, CodecSeconds, Hop, Limits, Problem
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, links, problem, tensor

SMALL = problem(chain(100, 100, 100), device(BOARD, 1.0, 1.0), device(CLOUD, 0.1, 0.1))


@pytest.mark.parametrize(
    "changes",
    [
        {"graph": None},
        {"devices": None},
        {"devices": ("board",)},
        {"hops": None},
        {"hops": {"ab": Hop(1.0)}},  # type: ignore[arg-type]
        {"hops": {**links(BOARD, CLOUD), (BOARD, CLOUD): 5.0}},
        {"order": "board"},
        {"order": [BOARD, CLOUD]},
        {"order": (1, 2)},
        {"options": {"x": "raw"}},
        {"options": {"x": CodecOption("raw", 1)}},  # type: ignore[arg-type]
        {"pins": {"layer0": BOARD}},
        {"pins": {0.5: BOARD}},
        {"pins": [0]},
        {"stay": "x"},
        {"stay": None},
        {"weight_bytes": None},
        {"objective": "latency"},
        {"limits": None},
        {"limits": Limits(latency="1")},  # type: ignore[arg-type]
        {"headroom": None},
    ],
    ids=str,
)
def test_parts_of_another_type_are_refused(changes: dict[str, Any]) -> None:
    for door in (solve, pareto):
        with pytest.raises(InvalidProblem) as refused:
            door(dataclasses.replace(SMALL, **changes))
        assert refused.value.hint


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="NoneType"):
        solve(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("cost", ["1", None, 1j])
def test_a_cost_that_is_no_number_names_the_device(cost: Any) -> None:
    with pytest.raises(InvalidProblem, match="a cost of board is no number"):
        solve(problem(chain(100, 100, 100), device(BOARD, cost, 1.0), device(CLOUD, 0.1, 0.1)))


def test_a_rate_that_is_no_number_names_the_link() -> None:
    hops = {key: Hop("fast") for key in SMALL.hops}  # type: ignore[arg-type]
    with pytest.raises(InvalidProblem, match="board to cloud"):
        solve(dataclasses.replace(SMALL, hops=hops))


@pytest.mark.parametrize("size", [1.5, 2**70, 10**400, None, "1"])
def test_bytes_are_whole_and_countable(size: Any) -> None:
    with pytest.raises(InvalidProblem, match=r"tensor x.*whole"):
        solve(with_first(size))


def with_first(size: Any) -> Problem:
    first, *others = SMALL.graph.tensors
    graph = dataclasses.replace(SMALL.graph, tensors=(dataclasses.replace(first, size=size), *others))
    return dataclasses.replace(SMALL, graph=graph)


@pytest.mark.parametrize("number", [1e300, 1.7e308, 10**400])
def test_numbers_that_would_overflow_are_refused(number: Any) -> None:
    """Five costs, prices and factors are multiplied: past 1e60 each, that is no number any more."""
    board, cloud = SMALL.devices
    for strange in (
        dataclasses.replace(board, watts=number),
        dataclasses.replace(board, memory=number),
        device(BOARD, number, 1.0),
        dataclasses.replace(board, codecs={("x", "raw"): CodecSeconds(number)}),  # type: ignore[dict-item]
    ):
        with pytest.raises(InvalidProblem, match="board is too large"):
            solve(dataclasses.replace(SMALL, devices=(strange, cloud)))
    with pytest.raises(InvalidProblem, match="headroom"):
        solve(dataclasses.replace(SMALL, headroom=number))


def test_too_many_devices_in_any_order_are_refused() -> None:
    many = [device(type(BOARD)(f"d{index}"), 1.0) for index in range(MOST_DEVICES + 1)]
    with pytest.raises(InvalidProblem, match="257 devices in any order"):
        solve(Problem(chain(1, 1), tuple(many)))


def test_numpy_numbers_are_fine() -> None:
    numpy = pytest.importorskip("numpy")
    board = device(BOARD, numpy.float32(1.0), numpy.float64(1.0))
    found = dataclasses.replace(with_first(numpy.int64(100)), devices=(board, SMALL.devices[1]))
    assert solve(found).value == pytest.approx(solve(SMALL).value)
    assert tensor("x", -1, (0,), 100) == SMALL.graph.tensors[0]
