"""The bench of the books on a small question: rows with their goals and figures that hold."""

from __future__ import annotations

from bench.book import full_rows, trimmed_rows
from bench.questions import question, residual


def test_the_full_book_is_as_good_as_fresh_solves() -> None:
    took, distance = full_rows("mobilenetv2", question(residual(8, 3)).graph)
    assert (took.unit, took.goal) == ("s", 0.2)
    assert took.value > 0
    assert distance.met is True
    assert abs(distance.value) <= 1e-5


def test_the_trimmed_books_regret_is_told() -> None:
    (row,) = trimmed_rows("small", question(residual(8, 3)).graph)
    assert 0 <= row.value < 1
    assert "81 scenarios" in row.compared_with
