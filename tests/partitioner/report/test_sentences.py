"""The sentences that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.report.amounts import value_of
from partitioner.report.quantities import percent
from partitioner.report.sentences import (
    bound_lines,
    change_lines,
    limit_lines,
    link_line,
    load_line,
    noise_lines,
    off_bound,
    regret_line,
    run_line,
)
from tests.partitioner.conftest import link

Document = dict[str, Any]
Explain = Callable[..., Document]
DEVICES = [{"device": "pi", "role": "board", "simulated_slowdown": 4.0}]


def changes(flips: list[Document], **known: Any) -> list[str]:
    return change_lines({"changes": known, "flips": flips, "devices": DEVICES})


def flip(what: str, factor: float | None) -> Document:
    return {"what": what, "factor": factor, "label": "board alone"}


def test_a_flip_that_a_threshold_tells_already_is_left_out() -> None:
    slower = {"rate": 125_000.0, "page": "local"}
    rate = [flip("rate of pi -> hub", 0.5), flip("rate of pi -> hub", 3.0)]
    assert changes(rate, slower_link=slower) == [
        "Below 1 Mbit/s up: local",
        "At 3 times the rate of pi -> hub or more: board alone",
    ]
    speed = [
        flip("speed of pi", 2.0),
        flip("speed of pi", 0.5),
        flip("speed of hub", 0.25),
        flip("speed of x", None),
    ]
    assert changes(speed, slowdown_flip=2.0) == [
        "Board alone is best while the board's slowdown is below 2.00x (now 4x)",
        "At 0.5 times the speed of pi or less: board alone",
        "At 0.25 times the speed of hub or less: board alone",
    ]


def test_plans_that_are_told_to_run_in_different_ways_are_said_to(document: Document) -> None:
    assert [one["fused"] for one in document["candidates"]] == [
        one["chosen"] for one in document["candidates"]
    ]
    (line,) = run_line(document)
    assert line.endswith("the others block by block, as pages of this book")
    alike = [one | {"fused": False} for one in document["candidates"]]
    assert run_line({"candidates": alike}) == [], "as an older coordinator told them"
    assert run_line({"candidates": document["candidates"][3:4]}) == [], "nothing to tell apart"


def test_a_noisy_profile_says_what_to_do() -> None:
    devices = [
        {"device": "pi", "predictor_error": 1.583, "estimated_from": ""},
        {"device": "hub", "predictor_error": 0.25, "estimated_from": ""},
        {"device": "guessed", "predictor_error": 0.9, "estimated_from": "hub"},
        {"device": "of an older coordinator"},
    ]
    assert noise_lines({"model": "mobile", "devices": devices}) == [
        "the profile of pi is noisy (error 158 %): measure again on a quiet device: "
        "lepton-edge deploy mobile --refresh"
    ]


def test_wishes_and_limits_are_told_with_their_figures() -> None:
    document = {
        "objective": {"name": "throughput"},
        "limits": {"latency": 0.1, "throughput": 5.0, "energy": 0.5, "egress": 20_000.0, "loss": 0.01},
        "wishes": {"keep_input": True, "first_layers": 3, "own_cut": "layer5", "stay": ["t4"]},
    }
    assert limit_lines(document) == [
        "Objective: throughput",
        "Limits: latency at most 100.0 ms, at least 5 answers a second, energy at most 0.5 J (as declared), "
        "at most 20.0 kB over the links, loss at most 1.0 %",
        "Wishes: the input stays on the board, a split of one's own behind layer5, the first 3 layers stay on the "
        "board, t4 stays on the board",
    ]
    assert limit_lines({}) == []


def test_a_bound_without_a_gap_needs_no_excuse() -> None:
    exact = {"bound": {"lower_bound": 0.05, "method": "down-sets", "gap": 0.0}}
    (line,) = bound_lines(exact)
    assert line == (
        "No plan can be faster than 50.0 ms in this cost model (dynamic programme over down-sets, exact); "
        "the chosen page is 0.0% above it"
    )
    wide = exact | {"plan": {"gap": 0.03, "margin": 0.01, "value": 0.05}}
    assert bound_lines(wide)[1:] == [
        "The solver's own plan is proven to within 3.0 % only",
        "The next-best plan is 20.0 % worse",
    ]


def weighed(*rows: Document, rivals: tuple[float, ...] = ()) -> list[str]:
    """What is said beside the bound of a plan of 50 ms with these candidates, and rivals of these seconds."""
    document = {
        "bound": {"lower_bound": 0.05, "method": "min-cut", "gap": 0.0},
        "plan": {"gap": 0.0, "margin": min(rivals, default=0.1) - 0.05, "value": 0.05},
        "candidates": [row(0.05, chosen=True), *rows],
        "alternatives": [{"label": "hub alone", "value": one, "why_not": ""} for one in rivals],
    }
    return bound_lines(document)[1:]


def test_the_next_best_plan_is_that_of_the_table_too() -> None:
    nearer = row(0.057) | {"label": "cloud with uint8"}
    said = ["The next-best plan (cloud with uint8) is 14.0 % worse"]
    assert weighed(nearer, rivals=(0.064,)) == said
    assert weighed(nearer | {"eligible": False}, rivals=(0.064,)) == [
        "The next-best plan (hub alone) is 28.0 % worse"
    ]
    assert weighed(nearer, rivals=(0.0500001, 0.064)) == said, "the page itself, priced apart, is no rival"
    assert weighed(row(0.04), rivals=(0.064,)) == [], (
        "what was asked for is not the best, and has no next-best"
    )
    assert weighed() == []


def test_a_way_that_the_table_has_is_not_priced_twice(explained: Explain) -> None:
    kept = explained(BookOptions(keep_input=True))
    rows = {one["label"]: one for one in kept["candidates"]}
    (apart,) = (one["value"] for one in kept["alternatives"] if one["label"] == "board alone")
    assert apart < value_of(rows["board alone"]) * 0.99, "the table's pays for the book's blocks"
    best = kept["predicted"]["latency"]
    least = min(value_of(one) for one in rows.values() if one["eligible"] and not one["chosen"])
    (said,) = (line for line in bound_lines(kept) if "next-best" in line)
    assert said.endswith(f"is {percent(least / best - 1)} worse")
    quick = explained(link=link(1170.0, 0.025))
    assert "The next-best plan (cloud with uint8) is" in " ".join(bound_lines(quick))


def row(latency: float, *, chosen: bool = False) -> Document:
    return {"label": "", "eligible": True, "chosen": chosen, "predicted": {"latency": latency}}


@pytest.mark.parametrize(
    ("other", "why"), [(0.06, "the blocks are shared with other pages"), (0.05, "it was asked for")]
)
def test_a_gap_has_a_cause(other: float, why: str) -> None:
    bound = {"lower_bound": 0.05, "method": "min-cut", "gap": (0.055 - 0.05) / 0.055}
    (line,) = bound_lines({"bound": bound, "candidates": [row(0.055, chosen=True), row(other)]})
    assert line.endswith(f"the chosen page is 10.0% above it, as {why}")


def test_whether_a_page_was_asked_for_is_the_planners_word_where_it_is_told() -> None:
    """Told block by block, the page that the planner would take may look slower than the one that was asked for."""
    bound = {"lower_bound": 0.05, "method": "min-cut", "gap": (0.055 - 0.05) / 0.055}
    known = {"bound": bound, "candidates": [row(0.055, chosen=True), row(0.056)], "page": "cut-4"}
    (line,) = bound_lines(known | {"preferred": "local"})
    assert line.endswith("10.0% above it, as it was asked for")
    (line,) = bound_lines(known | {"preferred": "cut-4"})
    assert line.endswith("10.0% above it, as the blocks are shared with other pages")


def test_how_far_a_page_is_from_its_bound_is_told_from_the_bound() -> None:
    halfway = {"bound": {"lower_bound": 0.05, "method": "min-cut", "gap": 0.5}}
    assert off_bound(halfway) == "100.0% above", "twice as long as the best possible"
    assert off_bound(halfway | {"objective": {"name": "throughput"}}) == "50.0% below", "half as often"
    assert off_bound({"bound": {"lower_bound": 0.0, "method": "min-cut", "gap": 1.0}}) == "above"


@pytest.mark.parametrize("document", [{}, {"regret": None, "link": None}])
def test_what_is_unknown_is_not_said(document: Document) -> None:
    assert regret_line(document) == []
    assert link_line(document) == []
    assert load_line(document) == []


def test_a_busy_cloud_is_said_to_be_one() -> None:
    share = {"model": "net", "board": "shed", "part": 0.25}
    load = {"device": "server", "part": 0.4, "wait": 0.006, "workers": 1, "by": [share]}
    assert load_line({"load": load}) == [
        "server is 40% busy with others (net of shed 25%): + 6.0 ms for every request that uses it"
    ]
