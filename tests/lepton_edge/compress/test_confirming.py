"""The best is judged once more by samples that chose nothing; one that owes its score to its judges is not used."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress import search
from lepton_edge.compress import space as sp
from lepton_edge.compress.confirming import missing
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.metrics import METRICS
from lepton_edge.compress.platforms import TARGETS
from lepton_edge.compress.recipe import Budget
from lepton_edge.compress.report import Report
from lepton_edge.compress.samples import Chosen, open_samples
from lepton_edge.compress.trying import Job
from lepton_edge.compress.workspace import Subject, Workspace
from tests.lepton_edge.compress import small

MODEL = small.classifier()


@pytest.fixture(autouse=True)
def only_own_techniques(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sp, "HOMES", {})


def samples(count: int, seed: int) -> Chosen:
    return open_samples(small.data(MODEL, count, seed), MODEL)


def lucky(seed: int = 2) -> Chosen:
    """Return samples that even weights of one bit are right about: what chose the best flatters it."""
    found = small.data(MODEL, 400, seed)
    rough = small.Rounds().apply(MODEL, None, {"bits": 1})  # type: ignore[arg-type]
    easy = [one for one in found if small.answer(rough, one[0]["x"]).argmax() == one[1]]
    return open_samples(easy[:40], MODEL)


def run(folder: Path, apart: Chosen | None, **changed: Any) -> Report:
    asked = Job(
        "small", MODEL, "a" * 64, len(MODEL.SerializeToString()), samples(20, 1), lucky(), METRICS["top1"],
        Budget(0.05, "size", max_candidates=3), TARGETS["x86"], None, own={"rounds": small.Rounds()}, apart=apart,
    )  # fmt: skip
    with Workspace(folder) as workspace:
        workspace.begin(Subject("a" * 64, "b" * 64, "top1", 0.05, "size", "x86"), MODEL, resume=False)
        return search.run(dataclasses.replace(asked, **changed), workspace)


def test_what_only_its_judges_like_is_not_the_best(tmp_path: Path) -> None:
    flattered = run(tmp_path / "flattered", None)
    assert flattered.best is not None
    assert flattered.best.recipe.steps[0].options["bits"] == 1
    report = run(tmp_path / "confirmed", samples(60, 3))
    assert report.best is not None
    assert report.best.recipe.steps[0].options["bits"] > 1
    (fallen,) = [one for one in report.candidates if one.recipe == flattered.best.recipe]
    assert "of samples that chose nothing" in fallen.rejected
    assert fallen.confirmed is not None
    assert fallen.confirmed.mean < 0.9 < fallen.score.mean
    assert report.file is not None


def test_both_scores_are_told(tmp_path: Path) -> None:
    report = run(tmp_path, samples(60, 3))
    assert report.best is not None
    assert report.best.confirmed is not None
    assert report.original.confirmed is not None
    assert report.best.confirmed.count == report.original.confirmed.count == 60
    assert report.document()["best"]["confirmed"]["count"] == 60
    assert report.notes[0].startswith(
        "40 samples chose the best; 60 of other pictures, which chose nothing, say top1"
    )


def test_without_samples_apart_the_report_warns(tmp_path: Path) -> None:
    report = run(tmp_path, None)
    assert "was chosen and judged by the same 40 samples" in report.notes[0]
    assert missing(1, 40) == ""


def test_a_sample_apart_that_the_original_cannot_answer_is_said_before_the_search(tmp_path: Path) -> None:
    endless = [({"x": np.full((1, 16), 3e38, np.float32)}, 0)] * 8
    tried = small.Rounds()
    with pytest.raises(UnusableData, match="sample 0"):
        run(tmp_path, open_samples(endless, MODEL), own={"rounds": tried})
    assert tried.applied == []
