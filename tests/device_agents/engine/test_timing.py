"""The pacer plays a slower device to a fraction of a millisecond, and can be stopped."""

from __future__ import annotations

import time

import pytest

from device_agents.engine.timing import Pacer, Timings


def busy():
    end = time.perf_counter() + 0.002
    while time.perf_counter() < end:
        pass
    return "done"


def test_a_step_takes_slowdown_times_as_long():
    ratios = []
    for _ in range(7):
        result, seconds = Pacer(5.0).time(busy)
        ratios.append(seconds / 0.002)
        assert result == "done"
    assert 4.99 < min(ratios) < 5.5  # the best of a few: others use this machine too


def test_without_a_slowdown_nothing_is_added():
    assert min(Pacer().time(busy)[1] for _ in range(5)) < 0.003


def test_the_sleep_is_part_of_the_time_and_ends_when_cancelled():
    def given_up():
        raise TimeoutError

    begin = time.perf_counter()
    with pytest.raises(TimeoutError):
        Pacer(1000.0).time(busy, given_up)
    assert time.perf_counter() - begin < 0.5


def test_the_total_is_the_sum():
    assert Timings(1, 2, 3, 4).total == 10
