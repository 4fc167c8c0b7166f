"""`lepton-edge adapt`: one line of argv, a bundle beside the model, and what is known of it on the screen."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from lepton_edge.cli.main import app
from lepton_edge.compress import changes
from tests.lepton_edge.compress.small_nets import net


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changes, "this_machine", lambda: None)
    onnx.save(net(), str(tmp_path / "net.onnx"))
    return tmp_path / "net.onnx"


def test_a_bundle_appears_beside_the_model_and_is_told(model: Path) -> None:
    done = CliRunner().invoke(app, ["adapt", str(model), "--platform", "android", "--opset", "20"])
    assert done.exit_code == 0, done.output
    assert (model.parent / "net-android" / "bundle.json").is_file()
    shown = " ".join(done.stdout.split())
    for words in ("changed opset 17 -> 20", "verified model.ort opens", "NOT verified", "bundle.json"):
        assert words in shown


def test_json_is_the_manifest_and_where_it_is(model: Path, tmp_path: Path) -> None:
    argv = ["adapt", str(model), "--platform", "x86", "--out", str(tmp_path / "b"), "--format", "json"]
    done = CliRunner().invoke(app, argv)
    told = json.loads(done.stdout)
    assert told.pop("folder") == str(tmp_path / "b")
    assert told == json.loads((tmp_path / "b" / "bundle.json").read_text())


def test_an_unknown_platform_is_an_error_with_a_way_on(model: Path) -> None:
    done = CliRunner().invoke(app, ["adapt", str(model), "--platform", "zx81"])
    assert done.exit_code != 0
    assert "known: x86" in done.stderr


@pytest.mark.parametrize(
    ("given", "platform", "code"), [(".", "x86", 9), ("", "x86", 9), ("m.onnx", "a/b", 6)]
)
def test_paths_without_a_name_and_platforms_with_one(given: str, platform: str, code: int) -> None:
    assert CliRunner().invoke(app, ["adapt", given, "--platform", platform]).exit_code == code
