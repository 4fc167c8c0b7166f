"""Zero is always exact, memory is bounded, and outliers do not cost everybody's bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_edge.compress import ranges
from lepton_edge.compress.ranges import Histogram, Range, around_zero, chosen, scale

NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(NUMBERS, NUMBERS, st.sampled_from(["uint8", "int8"]))
def test_integers_cover_the_range_within_a_step_and_hold_zero(one: float, other: float, dtype: str) -> None:
    seen = around_zero(min(one, other), max(one, other))
    found = scale(seen, dtype)
    assert np.iinfo(dtype).min <= found.zero <= np.iinfo(dtype).max
    assert found.covered.low <= seen.low + found.step
    assert found.covered.high >= seen.high - found.step


def test_a_tensor_of_zeros_has_a_scale() -> None:
    assert scale(Range(0.0, 0.0), "uint8") == ranges.Scale(1.0, 0, "uint8")
    assert scale(Range(0.0, 0.0), "int8").zero == 0


def with_an_outlier() -> Histogram:
    values = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    values[0] = 60.0
    seen = Histogram(around_zero(values.min(), values.max()))
    for part in np.split(values, 20):
        seen.add(part)
    return seen


@pytest.mark.parametrize(("method", "at_most"), [(ranges.PERCENTILE, 10.0), (ranges.MSE, 55.0)])
def test_an_outlier_is_left_out(method: str, at_most: float) -> None:
    found = chosen(with_an_outlier(), method)
    assert found.high < at_most
    assert found.low < -3.0


def test_min_max_keeps_the_outlier() -> None:
    assert chosen(with_an_outlier(), ranges.MINMAX).high == 60.0


def test_the_least_error_of_few_levels_is_the_narrower_range() -> None:
    seen = with_an_outlier()
    assert seen.least_error(15).width <= seen.least_error(255).width


def test_many_values_are_counted_by_a_bounded_part() -> None:
    seen = Histogram(Range(0.0, 1.0))
    seen.add(np.linspace(0, 1, 10 * ranges.COUNTED, dtype=np.float32))
    assert ranges.COUNTED / 2 < seen.counts.sum() <= 2 * ranges.COUNTED
    assert seen.counts.min() > 0


def test_an_empty_histogram_keeps_its_ends() -> None:
    ends = Range(-1.0, 2.0)
    assert {chosen(Histogram(ends), method) for method in ranges.METHODS} == {ends}
