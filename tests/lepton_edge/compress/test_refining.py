"""A quantized candidate gets another chance with a few layers in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from lepton_edge.compress import refining
from lepton_edge.compress import space as sp
from lepton_edge.compress.errors import BudgetNotMet
from lepton_edge.compress.recipe import Candidate, Recipe, Score, Step, Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import mixed
from tests.lepton_edge.compress import small
from tests.lepton_edge.compress.test_search import CALIBRATION, MODEL, job, run

MIXED = refining.STATIC


@dataclass
class Quantizes:
    """Rounds coarsely all weights but those whose layer is to stay in float."""

    name: str = MIXED
    choices: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: {"keep_float": ("",)})
    needs_data: bool = True
    extra: str = ""
    applied: list[str] = field(default_factory=list)

    def refuse(self, model: ModelProto, target: Target) -> str:
        return ""

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        kept = str(options["keep_float"]).split("|")
        self.applied.append(str(options["keep_float"]))

        def rounded(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            step = np.abs(array).max() / (1 if name == "w1" else 64)
            return array if name in kept else np.asarray((np.round(array / step) * step).astype(array.dtype))

        return small.with_weights(model, rounded)


def candidate(rejected: str = "loses 3 points", **options: Value) -> Candidate:
    return Candidate(Recipe((Step(MIXED, options),)), score=Score("top1", 0.5, 0, 9), rejected=rejected)


def test_who_gets_another_chance() -> None:
    assert refining.wants(candidate())
    assert not refining.wants(candidate(rejected=""))
    assert not refining.wants(candidate(rejected="not faster on board"))
    assert not refining.wants(candidate(keep_float="first"))
    assert not refining.wants(Candidate(Recipe((Step("half"),)), rejected="loses 3 points"))


@pytest.fixture
def quantizes(monkeypatch: pytest.MonkeyPatch) -> Quantizes:
    monkeypatch.setattr(sp, "HOMES", {})
    monkeypatch.setattr(refining, "HOMES", {"mixed_int8": "mixed:X"})
    return Quantizes()


def test_the_search_tries_what_comes_of_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantizes: Quantizes
) -> None:
    asked = []

    def greedy(
        model: ModelProto, materials: Materials, judges: mixed.Judges, options: Any, tries: int
    ) -> mixed.Mixed:
        made = quantizes.apply(model, materials, {"keep_float": "w1"})
        whole = quantizes.apply(model, materials, {"keep_float": ""})
        asked.append((judges.loss(made), judges.loss(whole), judges.measure(made), judges.max_loss))
        return mixed.Mixed(made, mixed.Tried(("w1",), judges.loss(made)), ())

    monkeypatch.setattr(mixed, "greedy", greedy)
    report = run(job(quantizes, max_candidates=4), tmp_path)
    (loss, whole, cost, most) = asked[0]
    assert loss < 0.05 < whole
    assert (cost, most) == (len(MODEL.SerializeToString()), 0.05)
    assert report.best is not None
    assert report.best.recipe.steps[0].options == {"keep_float": "w1"}
    assert len(asked) == 1
    run(job(quantizes, max_candidates=4), tmp_path, resume=True)
    assert len(asked) == 1


def test_layers_are_chosen_on_calibration_samples_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantizes: Quantizes
) -> None:
    seen: list[Any] = []
    evaluate = refining.evaluate
    monkeypatch.setattr(
        refining,
        "evaluate",
        lambda model, samples, *more: seen.append(samples) or evaluate(model, samples, *more),
    )

    def greedy(
        model: ModelProto, materials: Materials, judges: mixed.Judges, options: Any, tries: int
    ) -> mixed.Mixed:
        return mixed.Mixed(model, mixed.Tried((), judges.loss(model)), ())

    monkeypatch.setattr(mixed, "greedy", greedy)
    with pytest.raises(BudgetNotMet):
        run(job(quantizes), tmp_path)
    assert seen
    assert all(one is CALIBRATION for one in seen)


def test_no_mixture_is_no_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantizes: Quantizes
) -> None:
    def greedy(*arguments: Any) -> mixed.Mixed:
        raise BudgetNotMet("the best mixture loses 0.3")

    monkeypatch.setattr(mixed, "greedy", greedy)
    with pytest.raises(BudgetNotMet, match="no candidate of 1 "):
        run(job(quantizes), tmp_path)


def test_a_look_that_ended_the_process_is_not_taken_again(tmp_path: Path) -> None:
    asked = Recipe((Step("clean"), Step(MIXED, {"keep_float": ""})))
    look = refining.looking(asked)
    assert look != asked
    assert look.steps[0] == asked.steps[0]
    assert not refining.wants(Candidate(look, score=Score("top1", 0.5, 0.0, 9), rejected="loses all"))
    assert look.steps[1].options[refining.KEPT]  # which tells a resumed search that it was looked for
