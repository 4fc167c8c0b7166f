"""The pacer multiplies what a step computes, and nothing else."""

from __future__ import annotations

import time

import pytest

from device_agents.engine.timing import Pacer, Timings


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_computing_is_stretched_and_the_sleep_is_told() -> None:
    begin = time.perf_counter()
    _, told = Pacer(10.0).time(lambda: burn(0.01))
    assert told >= 0.1
    assert told == pytest.approx(time.perf_counter() - begin, abs=0.005)


def test_waiting_is_not_stretched() -> None:
    _, told = Pacer(20.0).time(lambda: time.sleep(0.05))
    assert 0.05 <= told < 0.3  # all of it multiplied would be a second


def test_a_reckoned_sleep_is_not_slept() -> None:
    begin = time.perf_counter()
    _, told = Pacer(50.0, reckoned=True).time(lambda: burn(0.01))
    assert told >= 0.5
    assert time.perf_counter() - begin < 0.4


def test_a_device_at_its_own_speed_is_only_timed() -> None:
    result, told = Pacer().time(lambda: 42)
    assert result == 42
    assert told < 0.01


def test_a_cancelled_sleep_ends_early() -> None:
    def cancelled() -> None:
        raise KeyError

    begin = time.perf_counter()
    with pytest.raises(KeyError):
        Pacer(1000.0).time(lambda: burn(0.01), cancelled)
    assert time.perf_counter() - begin < 1.0


def test_a_step_takes_slowdown_times_as_long_to_a_fraction_of_a_millisecond() -> None:
    told = min(Pacer(5.0).time(lambda: burn(0.002))[1] for _ in range(9))  # the best: others use this machine
    assert 0.01 <= told < 0.011


def test_the_total_is_the_sum() -> None:
    assert Timings(1, 2, 3, 4).total == 10
