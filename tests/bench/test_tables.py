"""Rows become one table a cell, and one for the rest."""

from __future__ import annotations

from bench.tables import tables

CELL = "mobilenetv2, LTE, board 4x slower"


def _row(what: str, value: float, goal: float | None = None, met: bool | None = None) -> dict[str, object]:
    return {"what": what, "value": value, "unit": "ms", "compared_with": "", "goal": goal, "met": met}


def test_figures_of_a_page_stand_in_one_line_of_their_cell() -> None:
    rows = [_row(f"{CELL}: local: measured", 54.94), _row(f"{CELL}: local: measured / ideal", 1.236)]
    lines = list(tables(rows))
    assert lines[0].startswith(f"**{CELL}**")
    assert lines[3].startswith("| local | 54.9 |  | 1.24 |")


def test_what_is_not_of_a_cell_says_whether_its_goal_is_met() -> None:
    rows = [_row("agent resident when idle", 86.0, goal=85.0, met=False)]
    assert list(tables(rows))[-1] == "| agent resident when idle | 86 ms |  | 85 (missed) |"
