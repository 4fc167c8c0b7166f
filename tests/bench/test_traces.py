"""What a link does over time: the same by a seed, within its bounds, and what bytes take on it."""

from __future__ import annotations

import math

import pytest

from bench.traces import KINDS, LEAST, MOST, Trace, made, merged


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_trace_within_bounds_and_another_one_another(kind: str) -> None:
    one = made(kind, 3, 30.0)
    assert one == made(kind, 3, 30.0)
    assert one.points != made(kind, 4, 30.0).points
    assert one.points[0][0] == 0.0
    assert all(rate == 0 or LEAST <= rate <= MOST for _, rate in one.points)
    assert all(a < b for (a, _), (b, _) in zip(one.points, one.points[1:], strict=False))
    assert one.points[-1][0] < 30.0


def test_a_trace_of_gaps_is_cut_again_and_again() -> None:
    cuts = [second for second, rate in made("gaps", 1, 60.0).points if rate == 0]
    assert len(cuts) >= 5


def test_the_rate_holds_from_its_point_on_and_the_first_one_before_it() -> None:
    trace = Trace("t", 0, 10, ((1.0, 8.0), (3.0, 0.0), (5.0, 4.0)))
    assert [trace.rate(at) for at in (0.0, 1.0, 2.999, 3.0, 4.9, 5.0, 99.0)] == [8, 8, 8, 0, 0, 4, 4]


def test_bytes_wait_for_the_end_of_a_cut() -> None:
    trace = Trace("t", 0, 10, ((0.0, 8.0), (3.0, 0.0), (5.0, 4.0)))
    assert trace.seconds_for(1e6, 0.0) == pytest.approx(1.0)
    assert trace.seconds_for(1e6, 2.5) == pytest.approx(
        0.5 + 2.0 + 1.0
    )  # 0.5 MB, nothing, 0.5 MB at half the rate
    assert trace.seconds_for(1e6, 6.0) == pytest.approx(2.0)
    assert trace.seconds_for(1e6, 4.0) == pytest.approx(1.0 + 2.0)
    assert Trace("t", 0, 10, ((0.0, 8.0), (3.0, 0.0))).seconds_for(1e6, 2.5) == math.inf


def test_what_hardly_differs_is_no_change_and_slow_drift_adds_up() -> None:
    points = ((0.0, 10.0), (1.0, 11.0), (2.0, 12.6), (3.0, 12.0), (4.0, 0.0), (5.0, 9.0))
    assert Trace("t", 0, 6, points).changes() == [2.0, 4.0, 5.0]


def test_a_point_that_changes_nothing_is_none() -> None:
    assert list(merged([(0.0, 1.0), (1.0, 1.0), (2.0, 2.0)])) == [(0.0, 1.0), (2.0, 2.0)]
