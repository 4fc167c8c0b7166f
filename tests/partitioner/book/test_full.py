"""The full book: at any rate its page costs what a fresh solve costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise

import pytest

from partitioner.book import BookOptions
from partitioner.book.full import HIGHEST, LOWEST, full_book, full_books, span_at
from partitioner.book.scenarios import with_loads, with_rate
from partitioner.book.setting import make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.planner import solve
from partitioner.solve.problem import (
    EGRESS,
    THROUGHPUT,
    Hop,
    Limits,
    Objective,
    Problem,
    Watts,
)
from partitioner.units import Bytes, BytesPerSecond, DeviceId, Seconds
from tests.partitioner.book.problems import BOARD, CLOUD, random_problem

RATES = 50


@pytest.fixture
def problem(compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> Problem:
    return make_setting(compiled, board, cloud, lte, BookOptions()).problem


def rates(low: float = LOWEST, high: float = HIGHEST, count: int = RATES) -> Iterator[BytesPerSecond]:
    for step in range(count):
        yield BytesPerSecond(low * (high / low) ** (step / (count - 1)))


def check(problem: Problem, count: int = RATES) -> int:
    """Compare the book with a fresh solve at `count` rates; return how many pieces the book has."""
    spans = full_book(problem)
    up = problem.hops[problem.entry, problem.devices[1].name].rate
    for rate in rates(count=count):
        there = with_rate(problem, rate / up)
        span = span_at(spans, rate)
        fresh = solve(there, alternatives=False)
        page = evaluate(there, span.layout)
        assert span.fixed + span.wire / rate == pytest.approx(page.latency, rel=1e-9)
        assert objective_value(there, page) == pytest.approx(fresh.value, rel=1e-5)
    return len(spans)


def test_every_rate_of_a_model_with_a_picture(problem: Problem) -> None:
    assert check(problem) >= 2
    assert check(dataclasses.replace(problem, keep_input=True)) >= 1


def test_every_rate_under_memory_limits_and_pins(problem: Problem) -> None:
    near, far = problem.devices
    small = dataclasses.replace(near, memory=Bytes(6 << 20)), dataclasses.replace(far, memory=Bytes(9 << 20))
    assert check(dataclasses.replace(problem, devices=small), 12) >= 2
    assert check(dataclasses.replace(problem, pins={6: BOARD}), 12) >= 2


@pytest.mark.parametrize(
    "objective",
    [Objective(latency=1.0, energy=0.3), Objective(latency=0.0, energy=1.0), Objective(egress=2e-7), EGRESS],
)
def test_every_rate_of_other_sums(problem: Problem, objective: Objective) -> None:
    near, far = problem.devices
    paid = dataclasses.replace(near, watts=Watts(4.0), radio_watts=Watts(2.0))
    served = dataclasses.replace(far, watts=Watts(30.0), radio_watts=Watts(0.7))
    asked = dataclasses.replace(problem, devices=(paid, served), objective=objective)
    check(asked, 20)


@pytest.mark.parametrize("seed", range(40))
def test_every_rate_of_random_graphs(seed: int) -> None:
    check(random_problem(seed), 12)


def test_random_graphs_change_their_mind_along_the_rate() -> None:
    pieces = [len(full_book(random_problem(seed))) for seed in range(40)]
    assert sum(count >= 3 for count in pieces) > 10


def test_the_pieces_join_and_the_latency_does_too(problem: Problem) -> None:
    spans = full_book(problem)
    assert (spans[0].low, spans[-1].high) == pytest.approx((LOWEST, HIGHEST))
    for slower, faster in pairwise(spans):
        assert slower.high == pytest.approx(faster.low)
        assert slower.layout != faster.layout
        assert slower.wire < faster.wire, "the faster the link, the more may cross it"
        at = slower.high
        assert slower.fixed + slower.wire / at == pytest.approx(faster.fixed + faster.wire / at, rel=1e-6)
    assert spans[0].label == "board alone"
    assert "divided behind" in " ".join(span.label for span in spans) or len(spans) == 2


def test_the_loads_of_either_side(problem: Problem) -> None:
    loads = ((1.0, 1.0), (2.0, 1.0), (1.0, 4.0))
    books = full_books(problem, loads)
    assert list(books) == list(loads)
    assert books[loads[0]] == full_book(problem)
    up = problem.hops[BOARD, CLOUD].rate
    for load, spans in books.items():
        for rate in rates(count=5):
            there = with_rate(with_loads(problem, load), rate / up)
            span = span_at(spans, rate)
            assert evaluate(there, span.layout).latency == pytest.approx(
                solve(there, alternatives=False).value, rel=1e-5
            )


def test_three_devices_and_a_given_order() -> None:
    base = random_problem(3)
    gateway = dataclasses.replace(base.devices[1], name=DeviceId("gateway"))
    hops = dict(base.hops)
    for ends in ((BOARD, gateway.name), (gateway.name, CLOUD)):
        hops[ends] = hops[ends[::-1]] = Hop(BytesPerSecond(2e6), Seconds(0.002))
    three = dataclasses.replace(
        base,
        devices=(base.devices[0], gateway, base.devices[1]),
        hops=hops,
        order=(BOARD, gateway.name, CLOUD),
    )
    check(three, 8)


def test_what_is_no_straight_line_is_refused(problem: Problem) -> None:
    for asked in (
        dataclasses.replace(problem, objective=THROUGHPUT),
        dataclasses.replace(problem, limits=Limits(latency=Seconds(1.0))),
    ):
        with pytest.raises(InvalidProblem, match="straight lines"):
            full_book(asked)
    with pytest.raises(InvalidProblem, match="no link's rate"):
        full_book(problem, HIGHEST, LOWEST)
    alone = dataclasses.replace(problem, devices=problem.devices[:1], order=(BOARD,), hops={})
    with pytest.raises(InvalidProblem, match="second device"):
        full_book(alone)
    for load in (0.0, float("nan")):
        with pytest.raises(InvalidProblem, match="cannot be"):
            full_books(problem, [(load, 1.0)])
    with pytest.raises(InvalidProblem, match="1 loads for 2 devices"):
        full_books(problem, [(1.0,)])


@pytest.mark.parametrize("most", [2, 3, 5, 100])
def test_a_book_cut_short_says_how_far_from_the_best_it_may_be(most: int) -> None:
    wide = 0
    for seed in range(12):
        problem = random_problem(seed)
        spans = full_book(problem, most=most)
        for rate in rates(count=9):
            there = with_rate(problem, rate / problem.hops[BOARD, CLOUD].rate)
            span = span_at(spans, rate)
            fresh = solve(there, alternatives=False)
            assert evaluate(there, span.layout).latency <= fresh.value * (1 + span.gap + 1e-5)
        wide += max(span.gap for span in spans) > 1e-4
    assert (wide > 0) == (most < 100), "and where it was cut short it says so"
