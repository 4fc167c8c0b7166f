"""The whole way in one call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lepton_edge
from lepton_edge.compress import face, manifest
from lepton_edge.compress import space as sp
from lepton_edge.compress.errors import BudgetNotMet, CompressionRefused, TooLittleData, UnusableData
from lepton_edge.compress.recipe import Recipe, Step
from lepton_edge.core.errors import AlreadyExists
from partitioner.errors import InvalidManifest
from tests.lepton_edge.compress import small
from tests.lepton_edge.compress.test_search import clock

MODEL = small.classifier()
EIGHT = Recipe((Step("rounds", {"bits": 8}),))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sp, "HOMES", {})
    onnx.save(MODEL, tmp_path / "net.onnx")
    given = small.data(MODEL, 60)
    feeds = np.concatenate([one["x"] for one, _ in given])
    np.savez(tmp_path / "data.npz", x=feeds, labels=np.array([label for _, label in given]))
    return tmp_path


def compress(place: Path, **options: Any) -> Any:
    asked = {"max_drop": 0.1, "target": "size", "measure": clock(0.9), "steps": [small.Rounds()], **options}
    return lepton_edge.compress(place / "net.onnx", place / "data.npz", **asked)


def test_the_best_model_its_manifest_and_the_report_are_written(place: Path) -> None:
    before = (place / "net.onnx").read_bytes()
    report = compress(place, max_candidates=2)
    folder = place / "net.compressed"
    assert report.file == folder / "net.onnx"
    told = manifest.load(report.file)
    assert told["sha256"] == report.best.sha256
    counted = [told["samples"][kind] for kind in ("calibration", "judged", "apart")]
    assert counted == [24, 24, 12]
    assert told["confirmed"]["count"] == told["original_confirmed"]["count"] == 12
    assert json.loads((folder / "report.json").read_text())["best"]["sha256"] == report.best.sha256
    assert "<svg" in (folder / "report.html").read_text()
    assert (place / "net.onnx").read_bytes() == before
    assert not (folder / "scratch").exists()
    onnx.checker.check_model(str(report.file))


def test_a_budget_that_is_not_met_leaves_a_report_and_no_model(place: Path) -> None:
    with pytest.raises(BudgetNotMet, match="points of top1"):
        compress(place, recipe=Recipe((Step("rounds", {"bits": 1}),)))
    folder = place / "net.compressed"
    assert (folder / "report.html").exists()
    assert not (folder / "net.onnx").exists()


def test_a_search_is_resumed_only_when_asked(place: Path) -> None:
    compress(place, recipe=EIGHT)
    with pytest.raises(AlreadyExists):
        compress(place, recipe=EIGHT)
    again = small.Rounds()
    assert compress(place, recipe=EIGHT, resume=True, steps=[again]).best is not None
    assert again.applied == []
    with pytest.raises(CompressionRefused, match="another max_drop"):
        compress(place, recipe=EIGHT, resume=True, max_drop=0.2)


def test_the_originals_folder_is_not_taken(place: Path) -> None:
    with pytest.raises(CompressionRefused, match="where the original lies"):
        compress(place, out=place)


def test_too_little_data_is_refused_before_anything_is_written(place: Path) -> None:
    with pytest.raises(TooLittleData):
        lepton_edge.compress(place / "net.onnx", small.data(MODEL, 5))
    assert not (place / "net.compressed").exists()


def test_a_model_from_memory_with_a_metric_of_ones_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)

    def closeness(answers: Any, reference: Any, label: Any) -> float:
        return 1.0 - float(np.abs(answers["y"] - reference["y"]).max()) / 100

    bare = [feeds for feeds, _ in small.data(MODEL, 20)]
    report = lepton_edge.compress(
        MODEL, bare, metric=closeness, target="size", measure=clock(1.0), steps=[small.Rounds()], recipe=EIGHT
    )
    assert report.best.score.metric == "closeness"
    assert (place / "small.compressed" / "small.onnx").exists()


def test_a_manifest_that_cannot_be_read_is_refused(place: Path) -> None:
    with pytest.raises(InvalidManifest, match="cannot be read"):
        compress(place, description=place / "none.toml")


def test_the_local_measure_is_the_default(place: Path) -> None:
    report = compress(place, measure=None, recipe=EIGHT)
    assert report.best.timings[0].device == "this machine"


def test_the_package_can_be_called_and_imports_nothing_heavy_for_it() -> None:
    assert lepton_edge.compress.compress is face.compress
    with pytest.raises(AttributeError, match="no attribute"):
        _ = lepton_edge.compress.nothing_like_it


@pytest.mark.parametrize("name", ["original", "search", "report"])
def test_a_model_called_as_a_file_of_the_search_overwrites_none(name: str, place: Path) -> None:
    (place / "net.onnx").rename(place / f"{name}.onnx")
    asked = {"max_drop": 0.1, "target": "size", "measure": clock(0.9), "steps": [small.Rounds()]}

    def once(**more: Any) -> Any:
        return lepton_edge.compress(place / f"{name}.onnx", place / "data.npz", **asked, **more)

    first = once(max_candidates=2)
    folder = place / f"{name}.compressed"
    assert first.file == folder / f"{name}-compressed.onnx"
    assert manifest.load(first.file)["model"] == name
    assert onnx.load(folder / "original.onnx") != onnx.load(first.file)
    assert json.loads((folder / "report.json").read_text())["schema"] == "lepton-edge/compress/1"
    assert once(max_candidates=2, resume=True).best == first.best


@pytest.mark.parametrize("given", ["10%", "0.1", 0.1])
def test_a_drop_may_be_in_percent(given: str | float, place: Path) -> None:
    assert compress(place, max_drop=given, recipe=EIGHT).budget.max_drop == 0.1


@pytest.mark.parametrize("given", ["much", "100%", "-1%", "1", "nan"])
def test_a_drop_that_is_no_share_is_refused(given: str, place: Path) -> None:
    with pytest.raises(CompressionRefused, match="is no share below 1"):
        compress(place, max_drop=given)


def test_training_labels_that_are_no_class_are_refused_before_the_search(place: Path) -> None:
    training = [({"x": np.zeros((1, 16), np.float32)}, 9)]
    with pytest.raises(UnusableData, match="the label 9 of the training data"):
        compress(place, training=training)
    assert not (place / "net.compressed").exists()


def test_the_manifest_of_the_original_lies_beside_the_best_model_with_its_labels(place: Path) -> None:
    manifest = 'format = 1\n[[output]]\nname = "y"\ntop_k = 2\nlabels = "names.txt"\n'
    (place / "net.toml").write_text(manifest)
    (place / "names.txt").write_text("a\nb\nc\nd\n")
    report = compress(place, recipe=EIGHT)
    assert report.file.with_suffix(".toml").read_text() == manifest
    assert (report.file.parent / "names.txt").read_text() == "a\nb\nc\nd\n"


def test_labels_that_are_called_as_a_file_of_the_search_overwrite_none(place: Path) -> None:
    (place / "net.toml").write_text('format = 1\n[[output]]\nname = "y"\ntop_k = 2\nlabels = "search.json"\n')
    (place / "search.json").write_text("a\nb\nc\nd\n")
    report = compress(place, recipe=EIGHT)
    assert json.loads((report.file.parent / "search.json").read_text())["metric"] == "top1"
