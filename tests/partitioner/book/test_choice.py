"""The choice is the least prediction, and its reason tells true numbers."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.choice import best_cut, choose, in_its_unit, is_cut, reason
from partitioner.book.draft import Candidate
from partitioner.errors import NoFeasiblePlan
from partitioner.plan import Page, Prediction
from partitioner.solve.problem import EGRESS, ENERGY, THROUGHPUT, Objective

LABELS = {"local": "board alone", "cloud-raw": "cloud with uint8", "cut-4": "split behind conv7"}


def candidate(name: str, *ms: float, **judged: object) -> Candidate:
    """A page that takes `ms`: on the board, in the cloud, on the way up, on the way back."""
    parts = [one / 1e3 for one in ms]
    page = Page(name, (), Prediction(sum(parts), *parts, 0, 0))
    return Candidate(page, LABELS.get(name, name), **judged)


LOCAL = candidate("local", 240, 0, 0, 0)
RAW = candidate("cloud-raw", 5, 20, 100, 3)
SPLIT = candidate("cut-4", 60, 15, 20, 3)


def test_the_least_latency_is_chosen_and_of_equals_the_first() -> None:
    twin = candidate("cloud-jpeg", 60, 15, 20, 3)
    assert choose([LOCAL, RAW, SPLIT]) is SPLIT
    assert choose([SPLIT, twin]) is SPLIT
    assert choose([twin, SPLIT]) is twin


def test_what_may_not_run_is_not_chosen() -> None:
    lossy = candidate("cloud-jpeg", 1, 1, 1, 1, eligible=False)
    large = candidate("cut-9", 1, 1, 1, 1, in_book=False)
    assert choose([lossy, large, LOCAL]) is LOCAL


def test_when_nothing_may_run_each_says_why() -> None:
    large = candidate("local", 1, 0, 0, 0, in_book=False, eligible=False, why_not="needs 9 MB")
    given = candidate("cloud-raw", 1, 0, 0, 0, in_book=False, eligible=False, why_not="x would leave")
    with pytest.raises(NoFeasiblePlan) as refused:
        choose([large, given])
    assert "board alone: needs 9 MB; cloud with uint8: x would leave" in str(refused.value)


def test_the_best_cut_divides_the_model_and_may_be_chosen() -> None:
    outside = candidate("cut-9", 1, 1, 1, 1, in_book=False)
    lossy = candidate("cut-8", 1, 1, 1, 1, eligible=False)
    assert [is_cut(one.page.name) for one in (LOCAL, RAW, SPLIT)] == [False, False, True]
    assert best_cut([LOCAL, RAW, outside, lossy, SPLIT, candidate("cut-7", 99, 9, 9, 9)]) is SPLIT
    assert best_cut([LOCAL, RAW, outside, lossy]) is None


def test_a_split_is_measured_against_the_best_that_is_none() -> None:
    told = reason([LOCAL, RAW, SPLIT], SPLIT, keep_input=False)
    assert told == (
        "the split (cut-4, behind conv7) takes 98.0 ms: against cloud with uint8 at 128.0 ms it "
        "saves 5.0 ms of cloud time and 80.0 ms on the way up and costs 55.0 ms on the board"
    )


def test_a_rival_that_may_not_be_chosen_is_none() -> None:
    told = reason([candidate("cloud-raw", 1, 1, 1, 1, eligible=False), SPLIT], SPLIT, keep_input=True)
    assert told == (
        "with the input kept on the board, the split (cut-4, behind conv7) is the only page that can run"
    )


def test_no_split_says_what_the_best_one_would_save_and_cost() -> None:
    slow = candidate("cut-4", 200, 15, 20, 3)
    told = reason([LOCAL, RAW, slow], RAW, keep_input=False)
    assert told == (
        "cloud with uint8 takes 128.0 ms (next: board alone, 240.0 ms). No split: the best cut (cut-4, "
        "behind conv7) would take 238.0 ms; against cloud with uint8 it saves 5.0 ms of cloud time and "
        "80.0 ms on the way up and costs 195.0 ms on the board"
    )


def test_a_part_that_hardly_changes_is_no_reason() -> None:
    same = candidate("cut-4", 5.04, 20.04, 99.96, 3)
    assert reason([RAW, same], RAW, keep_input=False).endswith("it changes nothing")


def test_where_there_is_no_cut_it_says_so() -> None:
    assert reason([LOCAL, RAW], RAW, keep_input=False).endswith(
        "No split: no cut inside the model is possible"
    )
    kept = reason([LOCAL, RAW], LOCAL, keep_input=True)
    assert kept.startswith("with the input kept on the board, board alone takes 240.0 ms")
    assert kept.endswith("No split: no cut inside the model keeps the input on the board")
    assert reason([LOCAL], LOCAL, keep_input=False) == "board alone takes 240.0 ms"


def test_a_cut_that_may_not_be_chosen_is_no_reason() -> None:
    lossy = candidate("cut-9", 1, 1, 1, 1, eligible=False)
    assert "cut-9" not in reason([RAW, lossy, SPLIT], RAW, keep_input=False)


def counted(name: str, bottleneck: float, energy: float, size: int) -> Candidate:
    """A page of 100 ms with these busiest milliseconds, joules, bytes."""
    prediction = Prediction(0.1, 0.1, 0, 0, 0, size, 0, 0, bottleneck / 1e3, energy)
    return Candidate(Page(name, (), prediction), LABELS.get(name, name))


@pytest.mark.parametrize(
    ("objective", "expected", "told"),
    [
        (
            THROUGHPUT,
            "cut-4",
            "answers 50.0 requests a second: against cloud with uint8 at 10.0 requests a second",
        ),
        (ENERGY, "local", "board alone takes 0.5 J (next: cloud with uint8, 1 J)"),
        (EGRESS, "local", "board alone sends 0.0 kB (next: cloud with uint8, 9.0 kB)"),
        (Objective(latency=1.0, egress=1e-4), "local", "board alone costs 0.1 (weighted; 100.0 ms)"),
    ],
)
def test_another_objective_has_another_choice_and_other_words(
    objective: Objective, expected: str, told: str
) -> None:
    pages = [
        counted("local", 240, 0.5, 0),
        counted("cloud-raw", 100, 1.0, 9000),
        counted("cut-4", 20, 3.0, 2000),
    ]
    chosen = choose(pages, objective)
    assert chosen.page.name == expected
    assert told in reason(pages, chosen, keep_input=False, objective=objective)


def test_of_equals_the_faster_is_chosen() -> None:
    slow = candidate("cloud-raw", 5, 20, 100, 3)
    assert choose([slow, LOCAL], EGRESS) is slow
    assert choose([LOCAL, slow], EGRESS) is slow


@pytest.mark.parametrize("field", ["latency", "bottleneck", "energy", "egress"])
def test_the_price_of_a_single_thing_is_one_of_its_unit(field: str) -> None:
    """2 x latency is not told as twice the milliseconds, and bytes priced by the megabyte not as no bytes."""
    none = Objective(latency=0.0)
    priced = dataclasses.replace(none, **{field: 1e-6})
    assert in_its_unit(priced) == dataclasses.replace(none, **{field: 1.0})


def test_the_prices_of_a_sum_stay() -> None:
    both = Objective(latency=2.0, energy=0.5)
    assert in_its_unit(both) == both
