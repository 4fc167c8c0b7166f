"""Why not another device: the sentences follow the costs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.report.sentences import bound_lines, change_lines
from partitioner.report.why import advice, why_not
from partitioner.solve.problem import THROUGHPUT
from partitioner.units import BytesPerSecond

Document = dict[str, Any]
Explain = Callable[..., Document]
Faster = Callable[[DeviceProfile, float], DeviceProfile]


def of(document: Document, label: str) -> Document:
    return next(one for one in document["why_not"] if one["label"] == label)


def numbers(sentence: str) -> list[float]:
    return [float(one) for one in re.findall(r"([0-9.]+) ms", sentence)]


def parts(document: Document, label: str, names: tuple[str, str]) -> float:
    row = next(row for row in document["candidates"] if row["label"] == label)
    return float(sum(row["predicted"][name] - document["predicted"][name] for name in names))


def check(document: Document, label: str) -> str:
    """Recompute the numbers of a sentence from the candidates; return the sentence."""
    said = of(document, label)
    compute, transfer = (
        parts(document, label, ("board", "cloud")),
        parts(document, label, ("uplink", "downlink")),
    )
    assert said["compute"] == pytest.approx(compute)
    assert said["transfer"] == pytest.approx(transfer)
    assert said["margin"] == pytest.approx(compute + transfer)
    expected = sorted(round(abs(value) * 1e3, 1) for value in (compute, transfer, compute + transfer))
    found = sorted(numbers(said["sentence"]))
    assert found == pytest.approx([value for value in expected if value >= 0.05], abs=0.051)
    return str(said["sentence"])


def test_the_rival_saves_here_and_costs_there(document: Document) -> None:
    assert re.fullmatch(
        r"board alone would save [\d.]+ ms of transfer and cost [\d.]+ ms of compute: [\d.]+ ms slower",
        check(document, "board alone"),
    )
    assert "would cost" in check(document, "cloud with uint8")


def test_a_cloud_fourteen_times_slower_turns_the_reason_around(
    explained: Explain, document: Document, cloud: DeviceProfile, faster: Faster
) -> None:
    assert document["page"] == "cloud-encoded"
    slowed = explained(cloud=faster(cloud, 1 / 14))
    assert slowed["page"] == "local"
    sentence = check(slowed, "cloud with the encoded picture")
    assert "would cost" in sentence
    assert "of transfer" in sentence
    assert "slower" in sentence
    assert slowed["advice"]["sentence"].startswith("do not split: board alone is ")


def test_a_link_ten_times_faster_moves_the_numbers(
    explained: Explain, document: Document, lte: LinkProfile
) -> None:
    quick = dataclasses.replace(lte, up=BytesPerSecond(10 * lte.up), down=BytesPerSecond(10 * lte.down))
    faster = explained(link=quick)
    before, after = of(document, "cloud with uint8"), of(faster, "cloud with uint8")
    assert before["transfer"] == pytest.approx(10 * after["transfer"], rel=0.05)
    check(faster, "cloud with uint8")
    check(faster, "board alone")


def test_what_may_not_be_chosen_says_why(explained: Explain) -> None:
    kept = explained(BookOptions(keep_input=True))
    said = of(kept, "cloud with the encoded picture")
    assert said["sentence"].startswith(
        "cloud with the encoded picture may not be chosen: x@encoded would leave"
    )
    assert f"(it would be {-said['margin'] * 1e3:.1f} ms faster)" in said["sentence"]


def test_rivals_of_the_plan_that_are_no_page_are_told_too(full_document: Document) -> None:
    said = of(full_document, "gateway alone")
    assert said["sentence"].startswith("gateway alone may not be chosen: gateway needs 412 MB, has 256 MB")
    assert [one["label"] for one in full_document["why_not"]].count("board alone") == 1


def proven(objective: str = "latency", *free: float) -> Document:
    cuts = [{"value": value, "split": True, "why_not": ""} for value in free]
    return {"plan": None, "alternatives": cuts, "objective": {"name": objective}}


def test_the_solvers_own_best_cut_is_heard() -> None:
    rows = [row("board alone", 0.05, chosen=True), row("split x", 0.07, split=True)]
    assert advice(rows, proven("latency", 0.06, 0.065), "board alone")["sentence"] == (
        "do not split: board alone is 10.0 ms faster than any cut (20.0 ms faster than the book's best, x)"
    )
    tie = advice(rows, proven("latency", 0.0505), "board alone")
    assert tie["verdict"] == "tie"
    assert tie["sentence"] == (
        "either will do: board alone is 0.5 ms faster than any cut (20.0 ms faster than the book's best, x), "
        "less than the prediction's own error (1.4 ms)"
    )


def row(label: str, latency: float, *, chosen: bool = False, split: bool = False) -> Document:
    predicted = {
        "latency": latency,
        "spread": 0.001,
        "board": latency,
        "cloud": 0.0,
        "uplink": 0.0,
        "downlink": 0.0,
    }
    return {
        "stages": [], "page": label, "label": label, "chosen": chosen, "split": split, "eligible": True, "why_not": "",
        "predicted": predicted,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "verdict", "said"),
    [
        ([row("board alone", 0.05, chosen=True)], "single", "nothing to split"),
        (
            [row("board alone", 0.05, chosen=True), row("split x", 0.062, split=True)],
            "whole",
            "do not split: board alone is 12.0 ms faster than the best cut (x)",
        ),
        (
            [row("board alone", 0.05, chosen=True), row("cloud", 0.1)],
            "whole",
            "no cut inside the model may run",
        ),
        (
            [row("board alone", 0.05, chosen=True), row("split x", 0.0505, split=True)],
            "tie",
            "either will do: board alone is 0.5 ms faster than the best cut (x), less than the prediction's own error "
            "(1.4 ms)",
        ),
        (
            [row("board alone", 0.062), row("split x", 0.05, chosen=True, split=True)],
            "split",
            "split: 12.0 ms faster than board alone, the best without a split",
        ),
        (
            [row("board alone", 0.0505), row("split x", 0.05, chosen=True, split=True)],
            "tie",
            "either will do: a split gains 0.5 ms over board alone, less than the prediction's own error (1.4 ms)",
        ),
        (
            [row("board alone", 0.04), row("split x", 0.05, chosen=True, split=True)],
            "split",
            "this plan was asked for; board alone would be 10.0 ms faster",
        ),
    ],
)
def test_advice_says_plainly_whether_to_split(rows: list[Document], verdict: str, said: str) -> None:
    best = min(rows, key=lambda row: float(row["predicted"]["latency"]))
    found = advice(rows, proven(), best["page"])
    assert found["verdict"] == verdict
    assert said in found["sentence"]


def test_another_objective_is_judged_by_its_own_figure(explained: Explain) -> None:
    document = explained(BookOptions(objective=THROUGHPUT))
    rates = {
        row["label"]: row["predicted"]["throughput"] for row in document["candidates"] if row["eligible"]
    }
    chosen = document["label"]
    assert rates[chosen] == max(rates.values())
    assert "more answers a second" in document["advice"]["sentence"]
    said = of(document, "cloud with uint8")["sentence"]
    assert f"; it answers {rates['cloud with uint8']:.3g}/s against {rates[chosen]:.3g}/s" in said
    assert document["bound"]["gap"] < 1


@pytest.mark.parametrize("wish", [{"page": "local"}, {"page": "cloud-raw"}, {"own_cut": "layer4"}])
def test_what_was_asked_for_is_never_told_as_the_planners_own(
    explained: Explain, document: Document, wish: Document
) -> None:
    asked = explained(BookOptions(**wish))
    assert (document["preferred"], asked["preferred"]) == (document["page"], document["page"])
    assert asked["advice"]["sentence"].startswith(
        "this plan was asked for; cloud with the encoded picture would be "
    )
    assert (asked["changes"]["slower_link"], asked["changes"]["faster_link"]) == (None, None)
    assert not [line for line in change_lines(asked) if line.startswith(("At ", "Above ", "Below "))]
    assert not [line for line in bound_lines(asked) if "next-best" in line]
    for row in asked["candidates"]:
        if not row["chosen"]:
            check(asked, row["label"])
    others = {one["label"]: one for one in asked["alternatives"]}
    told = [one for one in asked["why_not"] if not one["page"]]
    assert told
    for one in told:
        rival = others[one["label"]]
        more = rival["compute"] + rival["transfer"] - asked["predicted"]["latency"]
        assert one["margin"] == pytest.approx(more), "against what is taken, not against the solver's own"


def test_the_planners_choice_may_look_slower_while_it_is_not_taken() -> None:
    """A page that was not chosen is told block by block; chosen, it would run in one piece."""
    rows = [row("board alone", 0.051), row("split x", 0.05, chosen=True, split=True)]
    said = advice(rows, proven(), "board alone")
    assert said == {
        "verdict": "split",
        "sentence": "this plan was asked for; the planner would take board alone",
    }


def test_what_was_asked_for_is_told_as_such() -> None:
    rows = [row("board alone", 0.04), row("split x", 0.05, chosen=True, split=True)]
    assert advice(rows, proven("throughput"), "board alone")["sentence"] == (
        "this plan was asked for; board alone would give 25.0 % more answers a second"
    )
    (said,) = why_not(rows, proven())
    assert said["sentence"].endswith("10.0 ms faster, but another plan was asked for")
