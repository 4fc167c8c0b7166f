"""How long something takes: predicted, corrected by what was measured, robust against what is odd."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agents.machine.pace import MAX_KEYS, MOST, YOUNG, Load, Pace

LONG, SHORT = 0.1, 0.02


def paced(seconds: float = LONG, count: int = YOUNG + 2, **fields: Any) -> Pace:
    """A pace that has seen `count` runs of a, predicted 0.1 s, that took `seconds`."""
    pace = Pace(half=60.0, **fields)
    for at in range(count):
        pace.note("a", LONG, seconds, float(at))
    return pace


def test_what_was_never_measured_takes_what_was_predicted() -> None:
    assert Pace(60.0).seconds("a", LONG, 0.0) == pytest.approx(LONG)


def test_one_odd_sample_changes_nothing_and_two_to_one_side_do() -> None:
    pace = paced()
    pace.note("a", LONG, 5 * LONG, 11.0)
    assert pace.seconds("a", LONG, 11.0) == pytest.approx(LONG)
    pace.note("a", LONG, 5 * LONG, 12.0)
    assert pace.seconds("a", LONG, 12.0) == pytest.approx(5 * LONG, rel=1e-3)


def test_two_odd_samples_to_different_sides_change_nothing() -> None:
    pace = paced()
    for turn in range(20):
        pace.note("a", LONG, LONG * (3 if turn % 2 else 1 / 3), 11.0)
    assert pace.seconds("a", LONG, 11.0) == pytest.approx(LONG)


def test_a_device_that_slows_is_slower_on_every_page() -> None:
    pace = paced()
    for at in range(2):
        pace.note("a", LONG, 2 * LONG, 11.0 + at)
    assert pace.seconds("b", SHORT, 12.0) == pytest.approx(2 * SHORT, rel=1e-3)


def test_and_is_tried_again_after_a_while() -> None:
    pace = paced()
    for at in range(2):
        pace.note("a", LONG, 4 * LONG, 11.0 + at)
    assert pace.seconds("b", SHORT, 12.0 + 60.0) == pytest.approx(2 * SHORT, rel=0.1)
    assert pace.seconds("b", SHORT, 12.0 + 600.0) == pytest.approx(SHORT, rel=0.1)


def test_what_was_predicted_wrongly_stays_corrected() -> None:
    pace = paced(2 * LONG, count=100)
    assert pace.seconds("a", LONG, 1e6) == pytest.approx(2 * LONG, rel=0.05)
    assert pace.seconds("b", SHORT, 1e6) == pytest.approx(2 * SHORT, rel=0.05), "others with it"


def test_what_is_particular_about_a_run_is_its_own() -> None:
    pace = paced()
    for at in range(YOUNG):
        pace.note("b", SHORT, 2 * SHORT, 20.0 + at)
    assert pace.seconds("b", SHORT, 30.0) == pytest.approx(2 * SHORT, rel=0.1)
    assert pace.seconds("a", LONG, 30.0) == pytest.approx(LONG, rel=0.1)


def test_a_run_that_takes_next_to_nothing_tells_little_of_long_ones() -> None:
    pace = paced(floor=0.015)
    small = Pace(60.0, floor=0.015)
    for at in range(12):
        small.note("a", 0.0005, 0.002, float(at))
    assert small.seconds("b", LONG, 12.0) < 1.2 * LONG
    assert pace.seconds("a", LONG, 12.0) == pytest.approx(LONG, rel=0.01)


def test_a_device_that_stays_slow_is_slow_for_good() -> None:
    pace = paced()
    for at in range(300):
        pace.note("a", LONG, 2 * LONG, 11.0 + at)
    assert pace.seconds("a", LONG, 1e6) == pytest.approx(2 * LONG, rel=0.05)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 1e4), st.floats(0.0, 100.0)), max_size=60))
def test_no_sample_makes_an_estimate_absurd(samples: list[tuple[str, float, float]]) -> None:
    pace, now = Pace(10.0, 0.001), 0.0
    for key, taken, pause in samples:
        now += pause
        pace.note(key, SHORT, taken, now)
        assert 0.0 <= pace.seconds(key, SHORT, now) <= (SHORT + 0.001) * (MOST * MOST) ** 2
        assert 0.0 <= pace.seconds("d", SHORT, now) < 1e6


def test_where_nothing_is_particular_first_samples_are_forgotten_too() -> None:
    pace = paced(3 * LONG, count=2, young=0)
    assert pace.seconds("a", LONG, 1.0) < 1.1 * LONG, "and what is odd counts little, also twice"
    for at in range(30):
        pace.note("a", LONG, 3 * LONG, 2.0 + at / 10)
    assert pace.seconds("a", LONG, 5.0) == pytest.approx(3 * LONG, rel=0.1)
    assert pace.seconds("a", LONG, 600.0) < 2 * LONG


def test_keys_are_bounded() -> None:
    pace = Pace(10.0)
    for key in range(3 * MAX_KEYS):
        pace.note(key, SHORT, SHORT, 0.0)
    assert len(pace.known) <= MAX_KEYS


def test_a_queue_is_forgotten_and_what_is_expected_is_not() -> None:
    load = Load(half=2.0)
    assert load.now(0.0, rest=0.01) == 0.01
    for at in range(10):
        load.note(0.2, float(at), rest=0.01)
    assert load.now(9.0, rest=0.01) > 0.1
    assert load.now(29.0, rest=0.01) == pytest.approx(0.01, abs=0.001)
