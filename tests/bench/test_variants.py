"""Which way to give devices precisions was best, and how far the planner's choice was from it."""

from __future__ import annotations

from typing import Any

from bench.trips import Cell
from bench.variants import WAYS, Case, rows
from examples.demo.processes import Conditions

FLOATS, INTEGERS, MIXED, REVERSE = WAYS


def case(choice: str) -> dict[str, Any]:
    seconds = {FLOATS: 0.08, INTEGERS: 0.05, MIXED: 0.04}
    return {
        "case": "c",
        "choice": choice,
        "pages": dict.fromkeys(seconds, "local"),
        "predicted": dict.fromkeys(seconds, 0.05),
        "measured": seconds,
    }


def test_the_choice_is_held_against_the_best_way_that_was_measured() -> None:
    *each, good = rows([case(MIXED)])
    assert [(row.value, "planner's choice" in row.compared_with) for row in each] == [
        (80.0, False), (50.0, False), (40.0, True),
    ]  # fmt: skip
    assert (good.value, good.met) == (1.0, True)
    *_, worse = rows([case(INTEGERS)])
    assert (worse.value, worse.met) == (1.25, False)


def test_cells_are_kept_apart() -> None:
    cells = [Cell("m", Conditions("LTE", 5.85, 25.0), 4.0, played) for played in (False, True)]
    files = {Case(cell, kept).file for cell in cells for kept in (False, True)}
    assert len(files) == 4
