"""The search: what is tried, what is kept, what is refused, and what a resumed one does not repeat."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress import search, trying
from lepton_edge.compress import space as sp
from lepton_edge.compress.errors import BudgetNotMet, CompressionFailed, CompressionRefused
from lepton_edge.compress.measure import HERE
from lepton_edge.compress.metrics import METRICS
from lepton_edge.compress.platforms import TARGETS
from lepton_edge.compress.recipe import Budget, Compared, Recipe, Step, Timing
from lepton_edge.compress.report import Report
from lepton_edge.compress.samples import open_samples, split
from lepton_edge.compress.store import stored_size
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.trying import Job
from lepton_edge.compress.workspace import Subject, Workspace
from lepton_edge.core.errors import StorageFull
from tests.lepton_edge.compress import small

MODEL = small.classifier()
CALIBRATION, HELD_OUT = split(open_samples(small.data(MODEL, 120), MODEL))


@pytest.fixture(autouse=True)
def only_own_techniques(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sp, "HOMES", {})


def clock(ratio: float, device: str = "board") -> Any:
    def measure(candidate: Path, original: Path) -> Sequence[Compared]:
        assert candidate.exists()
        assert original.exists()
        return (Compared(Timing(device, 0.005 * ratio, 0.0, 9), Timing(device, 0.005, 0.0, 9)),)

    return measure


def job(*own: Technique, measure: Any = None, **budget: Any) -> Job:
    allowed = Budget(**{"max_drop": 0.05, "objective": "size", "max_candidates": 3, **budget})
    named = {one.name: one for one in own}
    size = len(MODEL.SerializeToString())
    return Job(
        "small", MODEL, "a" * 64, size, CALIBRATION, HELD_OUT, METRICS["top1"], allowed, TARGETS["x86"], measure,
        own=named,
    )  # fmt: skip


def run(asked: Job, folder: Path, recipe: Recipe | None = None, resume: bool = False) -> Report:
    subject = Subject("a" * 64, "b" * 64, "top1", asked.budget.max_drop, asked.budget.objective, "x86")
    with Workspace(folder) as workspace:
        workspace.begin(subject, asked.original, resume)
        return search.run(asked, workspace, recipe)


def only(name: str, **options: Any) -> Recipe:
    return Recipe((Step(name, options),))


def test_the_smallest_within_the_budget_is_best(tmp_path: Path) -> None:
    report = run(job(small.Rounds()), tmp_path)
    assert report.best is not None
    assert report.best.recipe.steps[0].options == {"bits": 8}  # 4 and 1 lose too much
    assert len(report.candidates) == 3
    lost = [one for one in report.candidates if one.rejected]
    assert len(lost) == 2
    assert all("points of top1" in one.rejected for one in lost)
    assert report.file is not None
    assert report.file.exists()
    assert report.original.stored == stored_size(MODEL)


def test_the_original_is_not_touched(tmp_path: Path) -> None:
    before = MODEL.SerializeToString()
    run(job(small.Rounds()), tmp_path)
    assert MODEL.SerializeToString() == before


def test_what_is_not_faster_is_rejected_with_both_times(tmp_path: Path) -> None:
    asked = job(small.Rounds(), measure=clock(1.02), objective="latency")
    with pytest.raises(BudgetNotMet, match="not faster on board: 5.1 ms of 5.0 ms"):
        run(asked, tmp_path, only("rounds", bits=8))


def test_what_is_faster_is_kept_with_both_times(tmp_path: Path) -> None:
    report = run(
        job(small.Rounds(), measure=clock(0.5), objective="latency"), tmp_path, only("rounds", bits=8)
    )
    assert report.best is not None
    assert (report.best.timings[0].median, report.best.originals[0].median) == (0.0025, 0.005)
    assert report.original.timings[0].median == 0.005


def test_a_candidate_that_loses_too_much_is_never_timed(tmp_path: Path) -> None:
    def measure(candidate: Path, original: Path) -> Sequence[Compared]:
        raise AssertionError("it was timed")

    with pytest.raises(BudgetNotMet, match="best that was reached is rounds"):
        run(job(small.Rounds(), measure=measure), tmp_path, only("rounds", bits=1))


def test_the_best_that_was_reached_is_said(tmp_path: Path) -> None:
    with pytest.raises(search.NotMet) as caught:
        run(job(small.Rounds(choices={"bits": (4, 1)}), max_drop=0.0001, max_candidates=2), tmp_path)
    assert "rounds: " in caught.value.message  # four bits, its default, which is nearer than one bit
    assert "x smaller" in caught.value.message
    assert "0.01 are allowed" in caught.value.message
    assert len(caught.value.report.candidates) == 2


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (small.fails("overflows"), "fails: first: overflows"),
        (
            small.Does("refuses", lambda model, materials: model, reason="no layer to help"),
            "refuses: no layer to help",
        ),
        (small.Does("trips", lambda model, materials: {}["x"]), "trips: KeyError: 'x'"),  # type: ignore[typeddict-item]
        (small.turns_nan(), "answers NaN in output 'y'"),
    ],
)
def test_a_step_that_cannot_is_rejected_with_its_reason(tmp_path: Path, step: small.Does, words: str) -> None:
    with pytest.raises(BudgetNotMet, match=words):
        run(job(step), tmp_path, only(step.name))


def test_what_to_do_where_the_only_step_refuses_is_not_another_budget(tmp_path: Path) -> None:
    step = small.Does("refuses", lambda model, materials: model, reason="no layer to help")
    with pytest.raises(BudgetNotMet) as refused:
        run(job(step), tmp_path / "one", only("refuses"))
    assert refused.value.hint == "mend what it names, or try another recipe"
    with pytest.raises(BudgetNotMet) as lost:
        run(job(small.Rounds()), tmp_path / "two", only("rounds", bits=1))
    assert lost.value.hint.startswith("allow a larger drop")


def test_one_recipe_is_counted_as_one(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    asked = dataclasses.replace(
        job(small.Rounds()), progress=lambda what, done, total: told.append((what, done, total))
    )
    run(asked, tmp_path, only("rounds", bits=8))
    assert [one for one in told if one[0].startswith("try ")] == [("try rounds", 0, 1)]


def test_no_space_ends_the_search_and_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = small.Rounds()
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if len(rounds.applied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            run(job(rounds), tmp_path)
    lines = (tmp_path / "candidates.jsonl").read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["candidate"]["recipe"]["steps"][0]["technique"] == "rounds"
    report = run(job(rounds), tmp_path, resume=True)
    assert len(report.candidates) == 3
    assert set(rounds.applied) == {8, 4, 1}
    assert len(rounds.applied) == 4  # the one that met the full disk was done again


def test_a_resumed_search_repeats_nothing(tmp_path: Path) -> None:
    run(job(small.Rounds(), max_candidates=2), tmp_path)
    again = small.Rounds()
    report = run(job(again, max_candidates=3), tmp_path, resume=True)
    assert len(again.applied) == 1
    assert len({one.recipe.steps[0].options["bits"] for one in report.candidates}) == 3


def test_an_exhausted_space_ends_the_search(tmp_path: Path) -> None:
    rounds = small.Rounds()
    report = run(job(rounds, max_candidates=50), tmp_path)
    assert report.ended == "there was nothing new to try"
    assert sorted(rounds.applied) == [1, 4, 8]


def test_equal_seeds_try_equal_recipes(tmp_path: Path) -> None:
    one, other = small.Rounds(), small.Rounds()
    run(job(one), tmp_path / "a")
    run(job(other), tmp_path / "b")
    assert one.applied == other.applied


def test_the_time_limit_ends_the_search_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(trying.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(search.time, "monotonic", lambda: now[0])

    def measure(candidate: Path, original: Path) -> Sequence[Compared]:
        now[0] += 60
        return tuple(clock(0.5)(candidate, original))

    report = run(job(small.Rounds(), measure=measure, time_limit=30.0), tmp_path)
    assert report.ended == "the time limit of 30 s"
    assert report.best is not None
    assert not [one for one in report.candidates if "Time" in one.rejected]


def test_no_time_even_for_the_original(tmp_path: Path) -> None:
    with pytest.raises(BudgetNotMet, match="before the original was judged"):
        run(job(small.Rounds(), time_limit=1e-9), tmp_path)


def test_a_step_that_changes_what_it_was_given_does_not_reach_the_original(tmp_path: Path) -> None:
    def act(model: Any, materials: Any) -> Any:
        del model.graph.node[:]
        return model

    before = MODEL.SerializeToString()
    with pytest.raises(BudgetNotMet):
        run(job(small.Does("spoils", act)), tmp_path, only("spoils"))
    assert MODEL.SerializeToString() == before


def test_a_device_that_fails_to_measure_rejects_the_candidate(tmp_path: Path) -> None:
    def measure(candidate: Path, original: Path) -> Sequence[Compared]:
        raise CompressionFailed("the process was killed")

    with pytest.raises(BudgetNotMet, match="the process was killed"):
        run(job(small.Rounds(), measure=measure), tmp_path, only("rounds", bits=8))


@pytest.mark.parametrize("budget", [{"objective": "beauty"}, {"max_drop": -0.1}, {"max_drop": float("nan")}])
def test_an_impossible_budget_is_refused(tmp_path: Path, budget: dict[str, Any]) -> None:
    with pytest.raises(CompressionRefused):
        run(job(small.Rounds(), **budget), tmp_path)


def test_nothing_that_can_help_is_said(tmp_path: Path) -> None:
    with pytest.raises(CompressionRefused, match="sulks: not today"):
        run(job(small.Does("sulks", lambda model, materials: model, reason="not today")), tmp_path)


def test_few_samples_are_noted(tmp_path: Path) -> None:
    report = run(job(small.Rounds(), max_drop=0.01), tmp_path, only("rounds", bits=8))
    assert any("one answer is" in note for note in report.notes)


@pytest.mark.parametrize(("platform", "device", "told"), [
    ("raspberrypi", HERE, True), ("raspberrypi", "board", False), ("x86", HERE, False),
])  # fmt: skip
def test_times_of_this_machine_are_not_taken_for_a_boards(
    platform: str, device: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "this_machine", lambda: TARGETS["x86"])
    asked = dataclasses.replace(job(small.Rounds(), measure=clock(0.5, device)), target=TARGETS[platform])
    report = run(asked, tmp_path)
    said = [note for note in report.notes if note.startswith("times are of this machine (x86), and not of")]
    assert bool(said) is told


def test_few_samples_are_said_before_anything_is_run(tmp_path: Path) -> None:
    told: list[str] = []
    asked = dataclasses.replace(
        job(small.Rounds(), max_drop=0.01), progress=lambda what, done, total: told.append(what)
    )
    run(asked, tmp_path, only("rounds", bits=8))
    assert told[0].startswith("note: 60 samples judge")
    assert "allows no loss at all" in told[0]
    assert "--metric cosine" in told[0]


def test_samples_that_are_alike_are_said(tmp_path: Path) -> None:
    same = open_samples([({"x": np.ones((1, 16), np.float32)}, 0)] * 20, MODEL)
    left, right = split(same)
    asked = dataclasses.replace(
        job(small.Rounds()), calibration=left, held_out=right, metric=METRICS["cosine"]
    )
    report = run(asked, tmp_path, only("rounds", bits=8))
    assert any("10 samples that judge are alike" in note for note in report.notes)
    different = run(job(small.Rounds()), tmp_path / "other", only("rounds", bits=8))
    assert not any("alike" in note for note in different.notes)


def test_an_order_that_a_step_refuses_uses_up_no_candidate(tmp_path: Path) -> None:
    class Late(small.Rounds):
        """Comes after another step only."""

        def refuse(self, model: Any, target: Any) -> str:
            bare = model.SerializeToString() == MODEL.SerializeToString()
            return "" if bare else "something was done before"

    first, second = Late("late"), Late("later")
    report = run(job(first, second, max_drop=0.5, max_candidates=4), tmp_path)
    refused = [one for one in report.candidates if one.refused]
    assert refused
    assert all("something was done before" in one.rejected for one in refused)
    assert len(report.candidates) - len(refused) == 4


def test_what_is_searched_with_training_data_only_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sp, "HOMES", {"distill": "distill"})
    found = sp.space(MODEL, TARGETS["x86"], (), "size", trained=False)
    assert "give --training" in found.refused["distill"]
