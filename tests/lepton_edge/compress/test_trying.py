"""One recipe, tried."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress import trying
from lepton_edge.compress.errors import CorruptStore, UnusableData
from lepton_edge.compress.recipe import Recipe, Step
from lepton_edge.compress.samples import open_samples
from lepton_edge.compress.trying import TimeIsUp, Trier
from tests.lepton_edge.compress import small
from tests.lepton_edge.compress.test_search import MODEL, job


def trier(tmp_path: Path, *own: small.Does | small.Rounds, deadline: float = float("inf")) -> Trier:
    original = tmp_path / "original.onnx"
    original.write_bytes(MODEL.SerializeToString())
    return Trier(job(*own), original, tmp_path, deadline)


def steps(*names: str) -> Recipe:
    return Recipe(tuple(Step(name, {"bits": 8} if name == "rounds" else {}) for name in names))


def test_first_steps_are_shared(tmp_path: Path) -> None:
    rounds = small.Rounds()
    found = trier(tmp_path, rounds, small.turns_nan(), small.ruins())
    for last in ("turns_nan", "ruins"):
        found.try_(steps("rounds", last))
    assert rounds.applied == [8]


def test_few_intermediate_models_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "HELD_MODELS", 1)
    rounds = small.Rounds()
    found = trier(tmp_path, rounds, small.ruins())
    found.try_(steps("rounds", "ruins"))
    found.try_(steps("rounds", "ruins", "ruins"))
    assert rounds.applied == [8]  # the last model is kept, and the next recipe goes on from it
    found.try_(steps("ruins"))
    found.try_(steps("rounds", "ruins"))
    assert rounds.applied == [8, 8]


def test_a_first_look_spares_the_rest(tmp_path: Path) -> None:
    found = trier(
        tmp_path,
        small.Does("flips", lambda model, materials: small.with_weights(model, lambda name, one: -one)),
    )
    candidate, _ = found.try_(steps("flips"))
    assert candidate.score is not None
    assert candidate.score.count == trying.FIRST_LOOK < len(job().held_out)


def test_no_time_is_left(tmp_path: Path) -> None:
    with pytest.raises(TimeIsUp):
        trier(tmp_path, small.Rounds(), deadline=-1.0)


def test_each_step_has_a_scratch_folder_of_its_own(tmp_path: Path) -> None:
    folders = []

    def act(model: object, materials: object) -> object:
        folders.append(materials.scratch)  # type: ignore[attr-defined]
        assert folders[-1].is_dir()
        return model

    found = trier(tmp_path, small.Does("one", act), small.Does("other", act))  # type: ignore[arg-type]
    found.try_(steps("one", "other"))
    assert len(set(folders)) == 2


def test_an_original_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    broken = small.with_weights(MODEL, lambda name, one: one * np.float32("nan"))
    with pytest.raises(UnusableData, match="the original itself"):
        Trier(dataclasses.replace(job(), original=broken), tmp_path / "original.onnx", tmp_path)


def test_a_loss_names_the_layer_that_most_of_it_is_in(tmp_path: Path) -> None:
    def act(model: object, materials: object) -> object:
        return small.with_weights(MODEL, lambda name, one: np.roll(one, 3, 0) if name == "w2" else one)

    candidate, _ = trier(tmp_path, small.Does("shuffles", act)).try_(steps("shuffles"))  # type: ignore[arg-type]
    assert "; most of it in layer second (MatMul)" in candidate.rejected


@pytest.mark.parametrize("error", [AssertionError("odd"), ImportError("no scipy"), MemoryError()])
def test_whatever_a_step_raises_is_its_rejection(error: Exception, tmp_path: Path) -> None:
    def act(model: object, materials: object) -> object:
        raise error

    candidate, model = trier(tmp_path, small.Does("breaks", act)).try_(steps("breaks"))  # type: ignore[arg-type]
    assert model is None
    assert candidate.rejected.startswith(f"breaks: {type(error).__name__}")


def test_labels_that_the_original_never_answers_are_no_labels(tmp_path: Path) -> None:
    asked = job()
    samples = [
        ({"x": one.feeds["x"]}, (int(one.label) + 1) % small.CLASSES)
        for one in asked.held_out
        if one.label is not None
    ]
    wrong = dataclasses.replace(asked, held_out=open_samples(samples, MODEL))
    (tmp_path / "original.onnx").write_bytes(MODEL.SerializeToString())
    with pytest.raises(UnusableData, match="answers none of .* samples as they are labelled"):
        Trier(wrong, tmp_path / "original.onnx", tmp_path)


def test_a_step_that_returns_no_model_is_that_steps_rejection(tmp_path: Path) -> None:
    found = trier(tmp_path, small.Does("forgets", lambda model, materials: None))  # type: ignore[arg-type, return-value]
    candidate, model = found.try_(steps("forgets"))
    assert model is None
    assert candidate.rejected == "forgets: it returned a NoneType, and no model"


def test_a_store_that_no_reader_would_believe_is_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unbelievable(model: Any) -> int:
        raise CorruptStore("a store of 9 bytes that expands to 300000000 is not believed")

    monkeypatch.setattr(trying, "stored_size", unbelievable)
    tried = trier(tmp_path, small.Rounds())
    found, _ = tried.try_(steps("rounds"))
    assert (found.stored, found.wire) == (0, found.size)
    assert tried.original.wire == tried.original.size


def test_weights_that_cannot_be_packed_are_that_candidates_rejection(tmp_path: Path) -> None:
    def act(model: Any, materials: Any) -> Any:
        for one in model.graph.initializer:
            one.raw_data = one.raw_data * 300 + b"x"
        return model

    found, _ = trier(tmp_path, small.Does("swells", act)).try_(steps("swells"))
    assert found.rejected
