"""`lepton-edge model check`: the verdict, and the exit status that scripts rely on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lepton_edge.cli import checking, extras
from tests.lepton_edge.cli.conftest import CommandLine


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two layers: y = relu(x @ w) @ w."""
    weights = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32) * 1.5, "w")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        onnx.helper.make_node("Relu", ["a"], ["b"], name="relu"),
        onnx.helper.make_node("MatMul", ["b", "w"], ["y"], name="second"),
    ]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "net.onnx"
    onnx.save_model(made, path)
    return path


def test_a_sound_model_agrees_everywhere(line: CommandLine, model: Path) -> None:
    said = line.run("model", "check", str(model), "--cuts", "all", "--shape", "x=2,4")
    assert said.code == 0, said.err
    assert "all agree" in said.out
    assert line.addresses == [], "it needs no coordinator"


def test_given_inputs_are_used(line: CommandLine, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.ones((3, 4), np.float32))
    said = line.run(
        "model", "check", str(model), "--inputs", str(tmp_path / "inputs.npz"), "--format", "json"
    )
    assert said.code == 0, said.err
    assert said.document["agrees"] is True
    assert said.document["rows"]


def test_one_cut_that_differs_fails_the_check(
    line: CommandLine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"cut": "first", "tensors": ["a"], "bytes": 64, "against_whole": 0.0, "against_pushed": 0.5}
    told = {"agrees": False, "model": "net", "cuts": 2, "rows": [{**row, "problem": "differs by 0.5"}]}
    monkeypatch.setattr(checking, "check", lambda *_: told)
    said = line.run("model", "check", str(model))
    assert said.code == 13
    assert "1 of them DIFFER" in said.out


@pytest.mark.parametrize("cuts", ["none", "0", "-1", "1.5", ""])
def test_what_is_no_number_of_cuts(line: CommandLine, model: Path, cuts: str) -> None:
    assert line.run("model", "check", str(model), f"--cuts={cuts}").code == 2


def test_what_is_no_model_is_said_with_its_status(line: CommandLine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    assert line.run("model", "check", str(broken)).code == 9
    assert line.run("model", "check", str(tmp_path / "gone.onnx")).code == 6


def test_without_the_extra_it_says_what_to_install(
    line: CommandLine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnx" else object())
    said = line.run("model", "check", str(model))
    assert said.code == 12
    assert "needs onnx," in said.err
    assert "pip install 'lepton-edge[coordinator]'" in said.err
