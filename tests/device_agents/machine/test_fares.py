"""How requests fare on an epoch."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agents.machine.events import EpochKey
from device_agents.machine.fares import LAST, LEAST, Fare

KEY = EpochKey("net", 3)
SECONDS = st.floats(1e-4, 100.0)


def test_of_nothing_nothing_is_told() -> None:
    told = Fare().report(KEY)
    assert (told.model, told.epoch, told.answered, told.failed) == ("net", 3, 0, 0)
    assert (told.mean, told.slow, told.logs, told.squares) == (0.0, 0.0, 0.0, 0.0)


@given(st.lists(SECONDS, min_size=1, max_size=3 * LAST))
def test_sums_are_of_all_and_seconds_of_the_last(taken: list[float]) -> None:
    fare = Fare()
    for seconds in taken:
        fare.note(seconds)
    told, last = fare.report(KEY), taken[-LAST:]
    assert told.answered == len(taken)
    assert told.logs == pytest.approx(sum(math.log(one) for one in taken), abs=1e-6)
    assert told.squares == pytest.approx(sum(math.log(one) ** 2 for one in taken), abs=1e-6)
    assert told.mean == pytest.approx(statistics.fmean(last))
    assert told.slow in last
    assert sum(one <= told.slow for one in last) >= 0.9 * len(last) - 1
    assert len(fare.last) <= LAST


def test_what_took_no_time_at_all_has_a_logarithm_too() -> None:
    fare = Fare()
    fare.note(0.0)
    assert fare.report(KEY).logs == pytest.approx(math.log(LEAST))
