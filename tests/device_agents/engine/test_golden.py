"""How far a device may be from the golden sample."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.engine.golden import difference

FLOATS = np.array([[1.0, -4.0, 2.0]], np.float32)


def test_floats_by_a_fraction_of_the_largest():
    assert difference(FLOATS + 0.004, FLOATS, 1e-2) == pytest.approx(1e-3, rel=1e-3)
    assert difference(FLOATS + 0.4, FLOATS, 1e-2) is None
    assert difference(FLOATS * 0, FLOATS * 0, 1e-2) == 0.0


def test_nan_and_infinity_must_be_where_they_are():
    golden = np.array([np.nan, np.inf, 1.0], np.float32)
    assert difference(golden.copy(), golden, 1e-3) == 0.0
    assert difference(np.array([np.nan, np.inf, np.nan], np.float32), golden, 1e-3) is None
    assert difference(np.array([0, np.inf, 1.0], np.float32), golden, 1e-3) is None
    assert difference(np.array([np.nan, -np.inf, 1.0], np.float32), golden, 1e-3) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_bytes_by_two_steps(dtype):
    golden = np.array([3, 100, 7], dtype)
    assert difference(golden + dtype(2), golden, 1e-3) == 0.0
    assert difference(golden + dtype(3), golden, 1e-3) is None


def test_indices_by_one_swap():
    golden = np.array([[967, 504, 968, 809, 899]])
    assert difference(golden[:, [0, 2, 1, 3, 4]], golden, 1e-3) == 0.0
    assert difference(golden[:, [1, 2, 0, 3, 4]], golden, 1e-3) is None


def test_another_shape_or_dtype_is_another_answer():
    assert difference(FLOATS[:, :2], FLOATS, 1.0) is None
    assert difference(FLOATS.astype(np.float64), FLOATS, 1.0) is None
