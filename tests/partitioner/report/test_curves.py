"""Latency along the link: the lines are the planner's own, the thresholds where they cross."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from partitioner.costs import LinkProfile
from partitioner.units import BytesPerSecond, megabits

Document = dict[str, Any]


@pytest.mark.parametrize("rate", [0.3, 2.0, 40.0, 900.0])
def test_a_line_is_what_the_page_takes_at_another_rate(
    document: Document, lte: LinkProfile, rate: float
) -> None:
    there = megabits(rate)
    for row, line in zip(document["candidates"], document["curve"]["pages"], strict=True):
        one = row["predicted"]
        up = lte.delay_up + one["bytes_up"] * lte.overhead / there if one["uplink"] else 0.0
        down = lte.delay_down + one["bytes_down"] * lte.overhead / there if one["downlink"] else 0.0
        assert line["label"] == row["label"]
        assert line["fixed"] + line["wire"] / there == pytest.approx(one["board"] + one["cloud"] + up + down)


def best(curve: Document, rate: float) -> str:
    lines = [line for line in curve["pages"] if line["eligible"]]
    return str(min(lines, key=lambda line: float(line["fixed"] + line["wire"] / rate))["page"])


def test_the_best_page_changes_at_the_thresholds_and_nowhere_else(document: Document) -> None:
    curve = document["curve"]
    assert curve["thresholds"]
    for one in curve["thresholds"]:
        assert best(curve, one["rate"] * 0.999) == one["below"]
        assert best(curve, one["rate"] * 1.001) == one["above"]
    changes = sum(
        best(curve, a) != best(curve, b) for a, b in zip(curve["rates"], curve["rates"][1:], strict=False)
    )
    assert changes <= len(curve["thresholds"])
    assert curve["rates"][0] == pytest.approx(megabits(0.1))
    assert curve["rates"][-1] == pytest.approx(megabits(1000.0))


def test_the_full_book_is_told_span_by_span(full_document: Document) -> None:
    spans = full_document["curve"]["full_book"]
    assert [span["label"] for span in spans] == ["board alone", "board to layer5"]
    assert spans[1]["low"] == spans[0]["high"] == megabits(2.0)


def test_no_link_no_curve(explained: Callable[..., Document]) -> None:
    assert explained(cloud=None, link=None)["curve"] is None


def test_the_rate_of_now_is_told(document: Document, lte: LinkProfile) -> None:
    assert document["curve"]["now"] == lte.up == BytesPerSecond(megabits(5.85))
