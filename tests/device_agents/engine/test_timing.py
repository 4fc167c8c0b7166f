"""The pacer multiplies what a step computes, and nothing else."""

from __future__ import annotations

import time

import pytest

from device_agents.engine.timing import Lateness, Pacer, Timings


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_computing_is_stretched_and_the_sleep_is_told() -> None:
    pacer, begin = Pacer(10.0), time.perf_counter()
    _, told = pacer.time(lambda: burn(0.01))
    assert time.perf_counter() - begin < 0.09  # several steps sleep once, at the end
    pacer.settle()
    assert told >= 0.1
    assert told == pytest.approx(time.perf_counter() - begin, abs=0.01)


def test_several_steps_settle_once() -> None:
    pacer, begin = Pacer(5.0), time.perf_counter()
    told = sum(pacer.time(lambda: burn(0.005))[1] for _ in range(4))
    pacer.settle()
    pacer.settle()  # nothing is owed any more
    assert told == pytest.approx(time.perf_counter() - begin, abs=0.01)


def test_naps_that_end_late_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    nap = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: nap(seconds + 0.004))
    lateness, told, begin = Lateness(), 0.0, time.perf_counter()
    for _ in range(10):  # each a request of its own
        pacer = Pacer(5.0, lateness)
        told += pacer.time(lambda: burn(0.003))[1]
        pacer.settle()
    assert told == pytest.approx(time.perf_counter() - begin, abs=0.03)


def test_waiting_is_not_stretched() -> None:
    _, told = Pacer(20.0).time(lambda: time.sleep(0.05))
    assert 0.05 <= told < 0.3  # all of it multiplied would be a second


def test_a_device_at_its_own_speed_is_only_timed() -> None:
    pacer = Pacer()
    result, told = pacer.time(lambda: 42)
    begin = time.perf_counter()
    pacer.settle()
    assert result == 42
    assert told < 0.01
    assert time.perf_counter() - begin < 0.01


def test_a_cancelled_sleep_ends_early() -> None:
    def cancelled() -> None:
        raise KeyError

    pacer, begin = Pacer(1000.0), time.perf_counter()
    pacer.time(lambda: burn(0.01))
    with pytest.raises(KeyError):
        pacer.settle(cancelled)
    assert time.perf_counter() - begin < 1.0


def test_the_total_is_the_sum() -> None:
    assert Timings(1, 2, 3, 4).total == 10
