"""The manifest that was given, or the one beside the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.compress.description import described
from partitioner.errors import InvalidManifest
from partitioner.manifest import Manifest

TEXT = 'format = 1\n[[input]]\nname = "x"\nkind = "picture"\n'


def test_what_is_given_comes_before_what_lies_beside(tmp_path: Path) -> None:
    assert described(None, tmp_path / "net.onnx") is None
    assert described(None, object()) is None
    (tmp_path / "net.toml").write_text(TEXT)
    beside = described(None, tmp_path / "net.onnx")
    assert beside is not None
    assert beside.inputs[0].name == "x"
    given = Manifest()
    assert described(given, tmp_path / "net.onnx") is given
    (tmp_path / "other.toml").write_text(TEXT.replace('"x"', '"z"'))
    other = described(tmp_path / "other.toml", tmp_path / "net.onnx")
    assert other is not None
    assert other.inputs[0].name == "z"


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match="cannot be read"):
        described(tmp_path / "none.toml", "net.onnx")
