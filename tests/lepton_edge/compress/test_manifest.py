"""The manifest beside a compressed model."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from lepton_edge.compress import manifest
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.manifest import Origin
from lepton_edge.compress.platforms import TARGETS
from tests.lepton_edge.compress.test_report import FAST, report

ORIGIN = Origin("d" * 64, 20, 30, "", TARGETS["x86"], 3)


def saved(tmp_path: Path) -> Path:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"a model")
    chosen = replace(FAST, sha256=hashlib.sha256(b"a model").hexdigest())
    manifest.save(model, manifest.document(report(chosen, best=chosen), chosen, ORIGIN))
    return model


def test_it_says_what_was_done_to_what_with_which_data(tmp_path: Path) -> None:
    told = manifest.load(saved(tmp_path))
    assert told["recipe"] == [{"technique": "int8", "options": {"a": 1, "b": 2}}]
    assert told["parent"] == {"sha256": "s", "size": 4000}
    assert told["samples"] == {"sha256": "d" * 64, "calibration": 20, "judged": 30, "apart": 0}
    assert told["score"]["mean"] == 0.945
    assert told["original_score"]["mean"] == 0.95
    assert told["timings"][0]["device"] == "board"
    assert told["seed"] == 3
    assert {"lepton-edge", "onnx", "onnxruntime"} <= told["versions"].keys()


def test_a_manifest_of_another_file_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path)
    model.write_bytes(b"another model")
    with pytest.raises(CompressionRefused, match="another file"):
        manifest.load(model)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "lepton-edge/plan/1"}'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str) -> None:
    model = saved(tmp_path)
    manifest.beside(model).write_text(content)
    with pytest.raises(CompressionRefused):
        manifest.load(model)
