"""Scales and ticks."""

from __future__ import annotations

import pytest

from partitioner.report.html.axes import linear, log_up, logarithmic, round_ticks, short_size, short_time


def test_scales_take_ends_to_ends() -> None:
    across = linear(0, 10, 40, 140)
    assert (across(0), across(5), across(10)) == (40, 90, 140)
    log = logarithmic(1, 100, 0, 10)
    assert [log(value) for value in (1, 10, 100)] == pytest.approx([0, 5, 10])
    assert log_up(1, 10)(1) > log_up(1, 10)(10)
    assert linear(3, 3, 0, 1)(3) == 0
    assert log_up(5, 5)(5) == pytest.approx(log_up(5, 50)(5))


@pytest.mark.parametrize("highest", [0.0612, 0.27, 1.0, 9.9, 16.3, 250.0])
def test_ticks_are_few_and_round(highest: float) -> None:
    ticks = round_ticks(highest)
    assert ticks[0] == 0
    assert 4 <= len(ticks) <= 10
    assert ticks[-1] <= highest < ticks[-1] + (ticks[1] - ticks[0]) * 1.000001


def test_labels_are_short() -> None:
    assert [short_time(one) for one in (0.05, 0.5, 2.0)] == ["50 ms", "500 ms", "2 s"]
    assert [short_size(one) for one in (10, 50_000, 1e6, 2e9)] == ["10 B", "50 kB", "1 MB", "2 GB"]
