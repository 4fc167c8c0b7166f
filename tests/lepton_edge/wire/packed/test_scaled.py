"""Rows that were quantized once are found, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire.packed import scaled


def items(*values: float) -> np.ndarray:
    return np.array(values, np.float32).view(np.uint32)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-127, 127), min_size=6, max_size=6), min_size=1, max_size=5),
    st.floats(2.0**-20, 1024.0, width=32),
)
def test_rows_of_numbers_times_a_scale_are_found_whatever_the_largest_number(
    rows: list[list[int]], scale: float
) -> None:
    values = np.array(rows, np.float32) * np.float32(scale)
    values += 0.0  # no -0.0
    found = scaled.split(values.reshape(-1).view(np.uint32), 6)
    assert found is not None
    assert np.array_equal(scaled.join(*found), values.reshape(-1).view(np.uint32))


def test_one_bit_off_is_not_taken_for_a_row() -> None:
    row = np.float32(0.013) * np.array([127, -3, 0, 64], np.float32)
    assert scaled.split(row.view(np.uint32), 4) is not None
    row[1] = np.nextafter(row[1], np.float32(1))
    assert scaled.split(row.view(np.uint32), 4) is None


@pytest.mark.parametrize(
    "values", [items(1, -0.0), items(0, -0.0), items(np.nan, 1), items(1, np.inf), items(1e-45, 0)]
)
def test_odd_values_are_no_rows(values: np.ndarray) -> None:
    assert scaled.split(values, 2) is None


def test_all_zeros_are_a_row() -> None:
    found = scaled.split(items(0, 0, 0, 0), 4)
    assert found is not None
    assert not scaled.join(*found).any()


def test_scales_that_do_not_fit_are_refused() -> None:
    for scales in (b"", b"abc", b"abcd" * 3):
        with pytest.raises(CorruptFrame):
            scaled.join(scales, np.zeros(4, np.uint8))
