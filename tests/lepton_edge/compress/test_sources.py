"""Models in, whatever wrote them."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lepton_edge.compress import sources
from lepton_edge.compress.errors import AlreadyCompressed, CompressionRefused
from lepton_edge.compress.sources import open_model
from lepton_edge.core.errors import StorageFull
from partitioner.errors import InvalidModel, ModelTooLarge
from tests.lepton_edge.compress import small


def test_a_file_is_read_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(small.classifier(), path)
    content = path.read_bytes()
    found = open_model(path)
    assert path.read_bytes() == content
    assert (found.sha256, found.size, found.name) == (
        hashlib.sha256(content).hexdigest(),
        len(content),
        "net.onnx",
    )
    assert not any(one.external_data for one in found.model.graph.initializer)


def test_external_data_is_taken_in(tmp_path: Path) -> None:
    model = small.classifier()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((16, 64), np.float32), "w1"))
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    found = open_model(str(path))
    assert small.weights(found.model)["w1"].sum() == 16 * 64
    assert found.size == path.stat().st_size + (tmp_path / "net.bin").stat().st_size
    assert found.sha256 != hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_proto_is_a_model() -> None:
    given = small.classifier()
    before = given.SerializeToString()
    assert open_model(given).name == "small"
    assert given.SerializeToString() == before


def test_nan_in_weights_names_them() -> None:
    broken = small.with_weights(
        small.classifier(), lambda name, one: one * np.float32("nan" if name == "w2" else 1)
    )
    with pytest.raises(InvalidModel, match="weights 'w2' of small hold NaN"):
        open_model(broken)


def test_a_quantized_model_is_refused() -> None:
    model = small.classifier()
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["y"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["out"]),
    ]
    model.graph.node.extend(nodes)
    model.graph.output[0].name = "out"
    with pytest.raises(AlreadyCompressed, match="quantized already"):
        open_model(model)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="cannot be read"):
        open_model(tmp_path / "none.onnx")
    with pytest.raises(InvalidModel, match="no model"):
        open_model(tmp_path / "none.keras")
    (tmp_path / "net.pickle").write_bytes(b"")
    with pytest.raises(InvalidModel, match=r"net\.pickle is of no kind"):
        open_model(tmp_path / "net.pickle")
    (tmp_path / "net.onnx").write_bytes(b"not a model")
    with pytest.raises(InvalidModel, match=r"net\.onnx"):
        open_model(tmp_path / "net.onnx")


def test_over_two_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelTooLarge):
        open_model(small.classifier())


def test_an_importer_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "net.tflite").write_bytes(b"")
    (tmp_path / "net.pt2").write_bytes(b"")
    for name, extra in (("net.tflite", "tensorflow"), ("net.pt2", "torch")):
        with pytest.raises(CompressionRefused, match=rf"lepton-edge\[{extra}\]"):
            open_model(tmp_path / name)


def test_tflite_is_converted_by_tf2onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def convert(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        onnx.save(small.classifier(), command[command.index("--output") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sources.subprocess, "run", convert)
    (tmp_path / "net.tflite").write_bytes(b"")
    assert open_model(tmp_path / "net.tflite").name == "net.tflite"
    assert commands[0][:2] == [sys.executable, "-c"]
    assert "tf2onnx.convert" in commands[0][2]
    assert commands[0][3] == "--tflite"


def test_a_conversion_runs_nothing_that_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bisect.py").write_text("raise SystemExit('I was run')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sources, "_CONVERT", sources._CONVERT.replace("tf2onnx.convert", "bisect"))
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(InvalidModel, match="it said nothing"):
        open_model(tmp_path / "net.tflite")


def test_a_conversion_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sources, "_CONVERT", "import time; time.sleep(60)")
    monkeypatch.setattr(sources, "CONVERT_PATIENCE", 0.1)
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(InvalidModel, match="did not convert net.tflite within"):
        open_model(tmp_path / "net.tflite")


def test_a_failed_conversion_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "a warning\nValueError: no such op\n")
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sources.subprocess, "run", lambda command, **options: failed)
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(InvalidModel, match="ValueError: no such op"):
        open_model(tmp_path / "net.tflite")


def test_a_full_temporary_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources.load, "load", full)
    onnx.save(small.classifier(), tmp_path / "net.onnx")
    with pytest.raises(StorageFull, match="no space left to write .*lepton-model"):
        open_model(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("given", "called"),
    [("net", "net"), ("..", "model"), ("../../a\0b/c\n", "a_b_c"), ("x" * 400, "x" * 100)],
)
def test_a_graph_of_any_name_has_one_for_files(given: str, called: str) -> None:
    model = small.classifier()
    model.graph.name = given
    assert open_model(model).name == called
