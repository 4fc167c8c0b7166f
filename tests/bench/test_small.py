"""Percentiles of a few requests, and what a chunk takes at a rate."""

from __future__ import annotations

import pytest

from bench.small import Beside, spread


def test_the_99th_percentile_leaves_one_in_a_hundred_above() -> None:
    seen = spread([float(number) for number in range(1, 102)][::-1])
    assert (seen.count, seen.median, seen.p99) == (101, 51.0, 100.0)


def test_a_chunk_takes_its_bytes_at_the_rate_of_the_large_ones() -> None:
    one = spread([0.001])
    assert Beside(one, one, rate=2e6, chunk_bytes=20_000).chunk == pytest.approx(0.01)
