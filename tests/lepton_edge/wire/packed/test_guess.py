"""What nobody said is guessed from the bytes, and a wrong guess costs bytes only."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_edge.wire.packed import expand, guess, pack

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_size_of_items_is_seen(dtype: type) -> None:
    values = RANDOM.standard_normal(9000).astype(dtype)
    assert guess.itemsize_of(memoryview(values.tobytes())) == values.itemsize


def test_bytes_of_an_odd_length_are_bytes() -> None:
    assert guess.itemsize_of(memoryview(b"abc" * 333)) == 1
    assert guess.itemsize_of(memoryview(b"")) == 8


@pytest.mark.parametrize(("rows", "row"), [(64, 576), (10, 32), (128, 27)])
def test_rows_with_a_scale_each_are_seen(rows: int, row: int) -> None:
    numbers = RANDOM.integers(-15, 16, (rows, row)).astype(np.float32) * 8
    values = numbers * np.exp(RANDOM.standard_normal((rows, 1))).astype(np.float32)
    content = (values + 0).tobytes()
    assert guess.items_of(memoryview(content)) == (4, row)
    assert len(pack(content)) == len(pack(content, 4, row))
    assert expand(pack(content), len(content)) == content


def test_other_floats_have_no_rows() -> None:
    assert guess.items_of(memoryview(RANDOM.standard_normal(999).astype(np.float32).tobytes())) == (4, 0)
    assert guess.row_of(memoryview(b"1234")) == 0
