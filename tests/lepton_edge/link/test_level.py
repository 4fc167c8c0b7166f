"""One figure through noise: what proves that it has changed, and what does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.link.level import HICCUP, KEPT, NOISE, Level, Shown

BASE, SIZE = 0.004, 15_000.0


def settled(seconds_a_byte: float = 4e-7, noise: float = 0.05, seed: int = 1) -> Level:
    level, chance = Level(), random.Random(seed)
    for _ in range(2 * KEPT):
        level.take((BASE + SIZE * seconds_a_byte) * (1 + chance.uniform(-noise, noise)), BASE, SIZE)
    return level


def test_the_first_duration_is_the_figure() -> None:
    level = Level()
    assert level.take(0.034, BASE, SIZE) is Shown.CHANGE
    assert level.figure == pytest.approx(2e-6)
    assert level.count == 1


def test_a_duration_far_away_proves_a_change_by_itself_in_either_direction() -> None:
    level = settled()
    assert level.take(0.12, BASE, SIZE) is Shown.CHANGE
    assert level.figure == pytest.approx((0.12 - BASE) / SIZE)
    assert level.count == 1
    for _ in range(KEPT):
        level.take(0.12, BASE, SIZE)
    assert level.take(0.012, BASE, SIZE) is Shown.CHANGE
    assert level.figure == pytest.approx((0.012 - BASE) / SIZE)


def test_two_that_are_somewhat_away_on_the_same_side_prove_a_change_and_one_does_not() -> None:
    level = settled(4e-6)
    away = (BASE + SIZE * 4e-6) * 1.35
    assert level.take(away, BASE, SIZE) is Shown.NOTHING
    assert level.take(away / 1.35**2, BASE, SIZE) is Shown.NOTHING, "on the other side"
    assert level.take(away, BASE, SIZE) is Shown.NOTHING
    assert level.take(away, BASE, SIZE) is Shown.CHANGE
    assert level.count == 2


def test_no_noise_hides_a_step_of_four() -> None:
    level = settled(4e-6, noise=0.9)
    assert level.spread > 0.3
    usual = level.expected(BASE, SIZE)
    assert level.take(usual / 4.5, BASE, SIZE) is Shown.CHANGE
    level = settled(4e-6, noise=0.9)
    assert level.take(usual * 4.5, BASE, SIZE) is Shown.CHANGE


def test_a_hiccup_is_forgotten_when_the_next_one_is_as_before() -> None:
    level = settled()
    usual = level.expected(BASE, SIZE)
    for _ in range(HICCUP):
        assert level.take(0.3, BASE, SIZE) is not Shown.HICCUP
    assert level.take(usual, BASE, SIZE) is Shown.HICCUP
    assert level.expected(BASE, SIZE) == pytest.approx(usual, rel=0.05)
    assert level.count == KEPT


def test_what_lasts_is_no_hiccup() -> None:
    level = settled()
    usual = level.expected(BASE, SIZE)
    for _ in range(HICCUP + 1):
        level.take(0.3, BASE, SIZE)
    assert level.take(usual, BASE, SIZE) is Shown.CHANGE
    assert level.count == 1


def test_what_goes_on_is_one_duration() -> None:
    level = settled()
    for part in (0.2, 0.25, 0.3):
        level.take(part, BASE, part / 0.3 * 8e4, again=part > 0.2)
    assert level.count == 1
    assert level.figure == pytest.approx((0.3 - BASE) / 8e4)


def test_late_is_what_would_prove_a_change() -> None:
    level = settled()
    after = level.late_after(BASE, SIZE)
    assert level.surprise(after * 1.01, BASE, SIZE) == 2
    assert level.expected(BASE, SIZE) < after < 4 * level.expected(BASE, SIZE)
    assert Level().late_after(0.0001, SIZE) >= 2 * NOISE, "what is soon is never late"


@settings(max_examples=50)
@given(
    figure=st.floats(1e-7, 1e-4),
    noise=st.floats(0.0, 0.1),
    factor=st.floats(3.0, 100.0),
    slower=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_jitter_of_a_tenth_changes_nothing_and_a_step_of_three_is_seen_at_once(
    figure: float, noise: float, factor: float, slower: bool, seed: int
) -> None:
    level = settled(figure, noise, seed)
    assert level.expected(BASE, SIZE) == pytest.approx(BASE + SIZE * figure, rel=0.2)
    then = BASE + SIZE * figure * (factor if slower else 1 / factor)
    usual = BASE + SIZE * figure
    told = level.take(then, BASE, SIZE)
    if abs(then - usual) > 4 * NOISE and not 0.33 < then / usual < 3:
        assert told is Shown.CHANGE
        assert level.expected(BASE, SIZE) == pytest.approx(then, rel=0.35)


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 10.0), st.floats(1.0, 1e9)), max_size=60))
def test_any_durations_leave_a_figure_and_bounded_memory(seen: list[tuple[float, float, float]]) -> None:
    level = Level()
    for took, base, size in seen:
        level.take(took, base, size)
        assert 0 <= level.figure < 1e3
        assert level.spread > 0
        assert level.count <= KEPT


def test_what_a_large_one_took_weighs_more_than_what_many_small_ones_did() -> None:
    level = Level()
    level.take(0.1, 0.0, 75_000.0)
    for _ in range(KEPT - 2):
        level.take(1.15 * 0.016, 0.0, 12_000.0)
    assert level.figure == pytest.approx(0.1 / 75_000)
