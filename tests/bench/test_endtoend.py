"""Which pages of a book are measured, how often, and what is judged: the choice and interior cuts."""

from __future__ import annotations

import pytest

from bench.endtoend import chosen_pages, rounds_of, summary

PREDICTED = {
    "cut-1": 0.9,
    "local": 0.5,
    "cut-2": 0.3,
    "cloud-raw": 0.8,
    "cut-3": 0.4,
    "cut-4": 0.6,
    "cut-5": 0.7,
}


def test_the_choice_comes_first_then_the_best_cuts_then_the_standing_ones() -> None:
    pages = chosen_pages("cut-2", PREDICTED)
    assert pages == ["cut-2", "cut-3", "cut-4", "cut-5", "local", "cloud-raw", "cut-1"]


def test_a_page_is_measured_once_and_a_large_book_is_not_measured_whole() -> None:
    pages = chosen_pages("local", PREDICTED | {f"cut-{index}": 1.0 + index for index in range(10, 20)})
    assert len(set(pages)) == len(pages) == 7


def test_slow_pages_are_asked_less_often_but_not_never() -> None:
    pages = {"local": {"latency": 1.0}, "cut-1": {"latency": 3.0}}
    assert rounds_of(20, pages, ["local"]) == 20
    assert rounds_of(20, pages, list(pages)) == 15
    assert rounds_of(20, {"local": {"latency": 100.0}}, ["local"]) == 6


def test_the_goal_is_for_the_median_over_choices_and_cuts_on_the_board_that_has_one() -> None:
    ratios = {
        ("resnet50", 4.0, "the choice"): [1.01, 1.02],
        ("resnet50", 4.0, "cuts"): [1.03, 1.20],
        ("resnet50", 4.0, ""): [9.0],
        ("resnet50", 8.0, "the choice"): [1.5],
    }
    judged = {row.what: (row.value, row.goal, row.met) for row in summary(ratios)}
    both = "resnet50, board 4x slower: measured / ideal, median of the choice and of cuts"
    assert judged[both] == (pytest.approx(1.025), 1.03, True)
    assert [row for row in judged.values() if row[1] is not None] == [judged[both]]
