"""The engine tells nobody what it runs: its maker's telemetry, on by default in the builds of PyPI, is off in ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import pathlib, sys
import {room}, onnxruntime, numpy
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {{"x": numpy.zeros(2, "float32")}})
print(sorted(str(path) for path in pathlib.Path.home().rglob("*")))
"""
ROOMS = (
    "device_agents.engine.engine",
    "device_agents.hardware",
    "partitioner.profile",
    "lepton_edge.compress.running",
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "one.onnx")
    return tmp_path / "one.onnx"


@pytest.mark.parametrize("room", ROOMS)
def test_the_engine_keeps_no_identity_and_no_queue_of_events(room: str, model: Path, tmp_path: Path) -> None:
    """Its telemetry begins by writing both into the home, before it sends anything."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "ORT_DISABLE_TELEMETRY" and "XDG" not in name
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(room=room), str(model)],
        env={**kept, "HOME": str(home)}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
