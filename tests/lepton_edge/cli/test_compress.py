"""`lepton-edge compress`: what it reads, prints and how it exits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lepton_edge.cli import extras
from lepton_edge.cli.compress import read_drop, read_duration
from lepton_edge.core.errors import UsageError
from tests.lepton_edge.compress import small
from tests.lepton_edge.compress.test_search import clock
from tests.partitioner.onnx_io import coded_net

RECIPE = '[[step]]\ntechnique = "prune"\n[[step]]\ntechnique = "share"\n'


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that compress a small model, timed by a clock of the test's."""
    from lepton_edge.compress import face

    monkeypatch.setattr(face, "LocalMeasure", lambda feeds: clock(0.9, "here"))
    model = small.classifier()
    onnx.save(model, tmp_path / "net.onnx")
    given = small.data(model, 60)
    feeds = np.concatenate([one["x"] for one, _ in given])
    np.savez(tmp_path / "data.npz", x=feeds, labels=np.array([label for _, label in given]))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return ["compress", str(tmp_path / "net.onnx"), "--data", str(tmp_path / "data.npz")]


def test_the_best_is_told_with_what_it_bought(line: Any, files: list[str], tmp_path: Path) -> None:
    recipe = ["--recipe", str(tmp_path / "recipe.toml"), "--target", "size", "--max-drop", "60%"]
    said = line.run(*files, *recipe)
    assert said.code == 0, said.err
    assert "best: prune + share: " in said.out
    assert "x smaller" in said.out
    assert "the original" in said.out
    assert (tmp_path / "net.compressed" / "net.onnx").exists()
    taken = line.run(*files, *recipe)
    assert (taken.code, "--resume" in taken.err) == (2, True)
    again = line.run(*files, *recipe, "--resume", "--format", "json")
    assert again.document["schema"] == "lepton-edge/compress/1"
    assert len(again.document["candidates"]) == 1


def test_a_budget_that_is_not_met_shows_what_was_tried(line: Any, files: list[str], tmp_path: Path) -> None:
    said = line.run(*files, "--recipe", str(tmp_path / "recipe.toml"), "--target", "size", "--max-drop", "0")
    assert said.code == 10
    assert "prune + share" in said.out
    assert "the best that was reached is prune + share" in said.err
    assert (tmp_path / "net.compressed" / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--metric", "f1"], 6, "no metric 'f1'"),
        (["--platform", "abacus"], 6, "no platform 'abacus'"),
        (["--max-drop", "much"], 2, "--max-drop much"),
        (["--time-limit", "soon"], 2, "--time-limit soon"),
        (["--target", "beauty"], 6, "no target 'beauty'"),
        (["--recipe", "none.toml"], 6, "none.toml cannot be read"),
        (["--manifest", "none.toml"], 9, "none.toml cannot be read"),
        (["--out", "/proc/nowhere"], 6, "cannot be written"),
    ],
)
def test_what_cannot_be_followed(line: Any, files: list[str], words: list[str], code: int, told: str) -> None:
    said = line.run(*files, *words)
    assert (said.code, told in said.err) == (code, True), said.err


def test_no_data_or_model(line: Any, files: list[str]) -> None:
    assert line.run("compress", "none.onnx", *files[2:]).code == 9
    assert line.run(*files[:3], "nowhere").code == 6


@pytest.mark.parametrize("model", ["", ".", "/", ".."])
def test_a_path_without_a_name_is_no_model(line: Any, files: list[str], model: str) -> None:
    said = line.run("compress", model, *files[2:])
    assert (said.code, "is of no kind that is known here" in said.err) == (9, True), said.err


def test_an_unknown_device_is_said_before_anything_is_tried(
    line: Any, files: list[str], tmp_path: Path
) -> None:
    line.tell("devices", devices=[{"device": "board"}])
    said = line.run(*files, "--device", "attic")
    assert said.code == 7
    assert "registered: board" in said.err
    assert not (tmp_path / "net.compressed").exists()


def test_the_extra_is_asked_for(line: Any, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "optuna" else True)
    said = line.run(*files)
    assert said.code == 12
    assert "lepton-edge[compress]" in said.err


@pytest.mark.parametrize(("given", "share"), [("1%", 0.01), ("0.01", 0.01), ("0.5 %", 0.005), ("0", 0.0)])
def test_shares(given: str, share: float) -> None:
    assert read_drop(given) == pytest.approx(share)


@pytest.mark.parametrize("given", ["1", "150%", "-1%", "nan", ""])
def test_what_is_no_share(given: str) -> None:
    with pytest.raises(UsageError, match="--max-drop"):
        read_drop(given)


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("90s", 90), ("20min", 1200), ("1.5h", 5400), ("0", 0)]
)
def test_durations(given: str, seconds: float) -> None:
    assert read_duration(given) == seconds


def test_a_codec_for_splits_is_made_in_place_of_a_search(
    line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lepton_edge.compress import coding

    real = coding.bottleneck  # untrained, so that no torch is needed
    untrained = {"options": {"epochs": 0}}
    monkeypatch.setattr(coding, "bottleneck", lambda *given, **how: real(*given, **how, **untrained))
    onnx.save(coded_net.net("n"), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", x=np.concatenate(coded_net.samples(24)))
    words = [
        "compress",
        str(tmp_path / "net.onnx"),
        "--data",
        str(tmp_path / "data.npz"),
        "--metric",
        "cosine",
    ]
    said = line.run(*words, "--bottleneck", "r1")
    assert said.code == 0, said.err
    assert "r1: " in said.out
    assert f"model push NAME FILE.onnx --bottleneck {tmp_path / 'net.bottleneck'}" in said.out
    assert not (tmp_path / "net.compressed").exists()
    again = line.run(*words, "--bottleneck", "r1")
    assert again.code != 0
    assert "is there already" in again.err
    other = line.run(*words, "--bottleneck", "r2", "--out", str(tmp_path / "other"), "--format", "json")
    assert other.document["schema"] == "lepton-edge/bottleneck/1"
