"""Times beside the original, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lepton_edge.compress import measure as ms
from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.measure import LocalMeasure, timing
from partitioner.units import Seconds
from tests.lepton_edge.compress import small


def heavy(side: int) -> onnx.ModelProto:
    """Return a model that multiplies a matrix of `side` with itself, a few times."""
    nodes = [
        helper.make_node("MatMul", ["x" if turn == 0 else f"h{turn}", "x"], [f"h{turn + 1}"])
        for turn in range(8)
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("x", "h8")]
    graph = helper.make_graph(nodes, "heavy", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_median_and_half_the_distance_of_the_quartiles() -> None:
    found = timing([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (found.median, found.runs, found.device) == (3.0, 5, "this machine")
    assert timing([2.0]).spread == 0.0


def test_both_are_timed_in_turns_in_another_process(tmp_path: Path) -> None:
    light = heavy(256)
    del light.graph.node[2:]
    light.graph.output[0].name = "h2"
    onnx.save(light, tmp_path / "light.onnx")
    onnx.save(heavy(256), tmp_path / "heavy.onnx")
    feeds = [{"x": np.ones((256, 256), np.float32)}] * 2
    (found,) = LocalMeasure(feeds, seconds=0.3)(tmp_path / "light.onnx", tmp_path / "heavy.onnx")
    assert found.candidate.runs == found.original.runs >= 5
    assert found.ratio < 0.6  # a quarter of the work


def test_a_model_that_cannot_be_opened_is_a_failure(tmp_path: Path) -> None:
    onnx.save(small.classifier(), tmp_path / "net.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    feeds = [{"x": np.zeros((1, 16), np.float32)}]
    with pytest.raises(CompressionFailed, match="could not be measured"):
        LocalMeasure(feeds)(tmp_path / "broken.onnx", tmp_path / "net.onnx")


def test_a_process_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ms, "PATIENCE", 0.01)
    with pytest.raises(CompressionFailed, match="took over"):
        LocalMeasure([{"x": np.zeros((1, 16), np.float32)}])(tmp_path / "a", tmp_path / "b")


def test_what_lies_in_the_working_directory_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random.py", "numpy.py", "psutil.py"):
        (tmp_path / name).write_text("raise SystemExit('run')\n")
    onnx.save(small.classifier(), tmp_path / "net.onnx")
    monkeypatch.chdir(tmp_path)
    feeds = [{"x": np.zeros((1, 16), np.float32)}]
    (found,) = LocalMeasure(feeds, seconds=Seconds(0.01))(Path("net.onnx"), Path("net.onnx"))
    assert found.candidate.runs >= 5
