"""What a search is told as."""

from __future__ import annotations

import dataclasses
import json

from lepton_edge.compress.recipe import Budget, Candidate, Recipe, Score, Step, Timing
from lepton_edge.compress.report import Report, bytes_of, drop, gains, ratio, span, value, words


def candidate(
    size: int, mean: float, median: float = 0.0, rejected: str = "", name: str = "int8"
) -> Candidate:
    timings = (Timing("board", median), Timing("shed", median / 2)) if median else ()
    originals = (Timing("board", 0.004), Timing("shed", 0.004)) if median else ()
    score = Score("top1", mean, 0.0, 50)
    return Candidate(
        Recipe((Step(name, {"a": 1, "b": 2}),)), "s", size, 0, score, timings, size, rejected, originals
    )


ORIGINAL = candidate(4000, 0.95, name="none")
FAST, SMALL = candidate(3000, 0.945, 0.001), candidate(1000, 0.94, 0.003)
WORSE = candidate(3000, 0.940, 0.002)


def report(*candidates: Candidate, best: Candidate | None = None) -> Report:
    return Report("net", Budget(), ORIGINAL, candidates, best, "24 candidates", ("few samples",))


def test_the_front_has_what_nothing_beats() -> None:
    made = report(FAST, SMALL, WORSE, candidate(1, 0.99, 0.0001, rejected="a reason"))
    assert made.front == (FAST, SMALL)


def test_the_time_that_counts_is_the_worst_devices_beside_the_originals() -> None:
    assert ratio(SMALL) == 0.75
    assert ratio(ORIGINAL) == 1.0
    assert (value(SMALL, "latency"), value(SMALL, "size")) == (0.75, 1000.0)


def test_the_bytes_that_count() -> None:
    assert bytes_of(Candidate(Recipe(), size=10, stored=7)) == 7
    assert bytes_of(Candidate(Recipe(), size=10, stored=12)) == 10
    assert bytes_of(Candidate(Recipe(), size=10)) == 10


def test_gains_are_against_the_original() -> None:
    told = gains(SMALL, ORIGINAL)
    assert told.startswith("4.00x smaller (1.0 kB of 4.0 kB), 1.33x as fast on board (3.0 ms of 4.0 ms)")
    assert told.endswith("1.00 points of top1 lost")
    assert round(drop(SMALL, ORIGINAL), 4) == 0.01
    assert drop(Candidate(Recipe()), ORIGINAL) == 0.0


def test_points_of_other_samples_are_no_gain_or_loss() -> None:
    looked_at = dataclasses.replace(SMALL, score=Score("top1", 0.5, 0.0, 32))
    assert "points" not in gains(looked_at, ORIGINAL)


def test_short_times_have_digits() -> None:
    assert [span(one) for one in (0.005, 0.000031, 12.3)] == ["5.0 ms", "0.031 ms", "12.3 s"]


def test_words_leave_out_what_is_as_usual() -> None:
    recipe = Recipe((Step("clean"), Step("int8", {"a": 1, "b": 2})))
    assert words(recipe) == "clean + int8(a=1, b=2)"
    assert words(recipe, {"int8": {"a": 1, "b": 3}}) == "clean + int8(b=2)"
    assert words(Recipe()) == "nothing"


def test_words_count_a_long_list_of_names_and_the_document_has_them_all() -> None:
    recipe = Recipe((Step("int8", {"keep_float": "a|b"}), Step("int8", {"keep_float": "a|b|c"})))
    assert words(recipe) == "int8(keep_float=a|b) + int8(keep_float=3 names)"
    told = report(Candidate(recipe)).document()["candidates"][0]
    assert told["recipe"]["steps"][1]["options"]["keep_float"] == "a|b|c"


def test_the_document_is_json_with_every_candidate() -> None:
    told = json.loads(json.dumps(report(FAST, WORSE, best=FAST).document()))
    assert told["schema"] == "lepton-edge/compress/1"
    assert [one["called"] for one in told["candidates"]] == ["int8(a=1, b=2)"] * 2
    assert told["best"]["sha256"] == "s"
    assert "1.33x smaller" in told["gains"]
    assert report().document()["best"] is None
