"""The planner's bench: rows of the one kind, and parts by name."""

from __future__ import annotations

import json

import pytest

from bench import planner
from bench.questions import question, residual


def test_published_instances_are_rows_with_goals(capsys: pytest.CaptureFixture[str]) -> None:
    assert planner.main(["published"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 4
    assert sum(row["goal"] is not None for row in rows) == 3
    assert all(row["bench"] == "published" and row["unit"] == "s" for row in rows)


def test_a_plan_is_timed_and_its_memory_is_traced() -> None:
    problem = question(residual(20, every=3))
    found = planner.took(lambda: planner.solve(problem, alternatives=False))
    assert found.milliseconds > 0
    assert found.mebibytes > 0
    assert found.said().startswith("min-cut, gap ")


def test_unknown_parts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert planner.main(["everything"]) == 2
    assert "down-sets" in capsys.readouterr().err
