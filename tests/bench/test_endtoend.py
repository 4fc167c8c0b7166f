"""Which pages of a book are measured: the choice and the standing candidates always, then the best cuts."""

from __future__ import annotations

from bench.endtoend import chosen_pages

PREDICTED = {
    "cut-1": 0.9,
    "local": 0.5,
    "cut-2": 0.3,
    "cloud-raw": 0.8,
    "cut-3": 0.4,
    "cut-4": 0.6,
    "cut-5": 0.7,
}


def test_the_choice_comes_first_then_the_standing_ones_then_the_best_cuts() -> None:
    pages = chosen_pages("cut-2", PREDICTED)
    assert pages[:5] == ["cut-2", "local", "cloud-raw", "cut-3", "cut-4"]


def test_a_page_is_measured_once_and_a_large_book_is_not_measured_whole() -> None:
    pages = chosen_pages("local", PREDICTED | {f"cut-{index}": 1.0 + index for index in range(10, 20)})
    assert len(set(pages)) == len(pages) == 6
