"""What replays come to, on replays made by hand: a perfect turner, a lagging one, and the rows that judge them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contest import OURS, ROUNDS, THIRTY, Replayed, changes_of, rounds_job, rows, stream_job
from bench.lanes import LEAD, Subjects, entered, seconds_at
from bench.rows import Row
from bench.subjects import Subject
from bench.traces import Trace
from bench.trips import Known
from bench.verdicts import Answer

TRACE = Trace("t", 5.0, 30.0, ((0.0, 10.0), (15.0, 1.0)))
DUES = [number * 0.35 for number in range(85)]


def truth(page: str, due: float) -> float:
    return 0.3 if page == "local" else 0.15 if due < 15.0 else 0.6


def way(page: str) -> list[Answer]:
    return [Answer(due, truth(page, due), page, page) for due in DUES]


def turner(until: float) -> list[Answer]:
    pages = ["cut-1" if due < until else "local" for due in DUES]
    return [Answer(due, truth(page, due), page) for due, page in zip(DUES, pages, strict=True)]


def run(ours: list[Answer], thirty: list[Answer] | None = None) -> Replayed:
    rounds = [
        Answer(due, truth(page, due), page, page)
        for number, due in enumerate(DUES)
        for page in [("cut-1", "local")[number % 2]]
    ]
    answers = {OURS: ours, ROUNDS[0]: rounds, ROUNDS[1]: rounds, THIRTY: thirty or way("local")}
    return Replayed(TRACE, answers | {"local": way("local"), "cut-1": way("cut-1")})


def predicted(board: float, size: float) -> dict[str, Any]:
    return {"latency": board, "board": board, "cloud": 0.0, "bytes_up": size, "bytes_down": 60 if size else 0}


def subjects(keep: bool) -> Subjects:
    pages = {"local": predicted(0.28, 0), "cut-1": predicted(0.12, 62_600), "cut-2": predicted(0.19, 12_500)}
    candidates = [
        {"page": page, "predicted": cost, "in_book": True, "eligible": True} for page, cost in pages.items()
    ]
    raw = {"page": "cloud-raw", "predicted": predicted(0.02, 150_528), "in_book": True, "eligible": not keep}
    known = Known(Subject("m", Path("m.onnx"), Path("g.jpg")), "input")
    return Subjects(known, 30.0, {"candidates": [*candidates, raw]}, Path("state"), keep)


def by_what(found: list[Row]) -> dict[str, Row]:
    return {row.what: row for row in found}


def test_one_who_turns_at_once_is_the_oracle_and_no_worse_than_any() -> None:
    found = by_what(list(rows("kept", [run(turner(15.0))], subjects(keep=True))))
    ratio = found["kept: mean of all traces / the oracle's"]
    assert ratio.value == pytest.approx(1.0, abs=0.05)
    assert ratio.met
    assert found["kept: mean / that of local"].met
    assert found["kept: mean / that of cut-1"].met
    assert found["kept: flaps a minute"].value == 0
    assert (found["kept: turns"].value, found["kept: turns"].compared_with) == (1, "the oracle turns 1 times")


def test_one_who_lags_misses_the_oracle() -> None:
    found = by_what(list(rows("kept", [run(turner(25.0))], subjects(keep=True))))
    assert found["kept: mean of all traces / the oracle's"].value > 1.3
    assert found["kept: mean of all traces / the oracle's"].met is False
    assert found["kept: mean / that of local"].value > 1.0


def test_three_interior_frontiers_are_wanted_only_with_the_input_kept() -> None:
    few = by_what(list(rows("kept", [run(turner(15.0))], subjects(keep=True))))
    assert few["kept: interior frontiers entered"].met is False
    free = by_what(list(rows("free", [run(turner(15.0))], subjects(keep=False))))
    assert free["free: interior frontiers entered"].met is None


def test_a_quantized_application_is_judged_only_where_it_has_its_cloud() -> None:
    kept = by_what(list(rows("kept", [run(turner(15.0))], subjects(keep=True))))
    assert kept[f"kept: mean / that of {THIRTY}"].goal is None
    late = [replace(one, latency=0.6, reason="timed out") for one in way("local")]
    free = by_what(list(rows("free", [run(turner(15.0), late)], subjects(keep=False))))
    assert free[f"free: mean / that of {THIRTY}"].met
    assert free[f"free: t: p99, where the {THIRTY} timed out 85 times"].met


def test_errors_are_told() -> None:
    ours = [replace(turner(15.0)[0], page="", error="unavailable: gone"), *turner(15.0)[1:]]
    found = by_what(list(rows("kept", [run(ours)], subjects(keep=True))))
    assert (found["kept: errors"].value, found["kept: errors"].met) == (1, False)


def test_the_oracle_does_not_turn_between_pages_that_are_alike() -> None:
    found = run(turner(15.0))
    assert changes_of(found) == ["local"]
    alike = [
        replace(one, page=page, asked=page, latency=one.latency * (1.02 if number % 2 else 1.0))
        for number, one in enumerate(way("local"))
        for page in (("local", "cut-1")[number // 4 % 2],)
    ]
    same = Replayed(TRACE, {**found.answers, ROUNDS[0]: alike, ROUNDS[1]: alike})
    assert changes_of(same) == []


def test_jobs_ask_by_the_timetable_and_leave_out_what_is_hopeless() -> None:
    job = stream_job(subjects(keep=True), 30.0, "cut-1")
    assert job["period"] == pytest.approx(0.35)
    assert job["count"] == int((30.0 + LEAD) / 0.35)
    rounds = rounds_job(subjects(keep=True), TRACE)
    assert rounds["least_rates"]["local"] == 0.0
    assert 62_600 * 8e-6 / rounds["least_rates"]["cut-1"] == pytest.approx(0.28, rel=0.06)
    assert "cloud-raw" not in rounds["pages"]
    assert "cloud-raw" in rounds_job(subjects(keep=False), TRACE)["pages"]


def test_which_pages_are_entered_at_which_rates_follows_from_their_predictions() -> None:
    found = entered(subjects(keep=True).pages)
    assert list(found) == ["local", "cut-2", "cut-1"]
    assert found["local"][1] < found["cut-2"][0] < found["cut-2"][1] < found["cut-1"][0]
    assert seconds_at(predicted(0.28, 0), 0.1) == 0.28  # no link, no delay
