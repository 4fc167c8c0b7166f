"""A pruned, shared model reaches its devices in few bytes, and answers as it does in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import lepton_edge

pytestmark = pytest.mark.journey

SIDE = 256


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    """Return a model of two products, nine tenths of whose weights are zero and the others one of sixteen."""
    random = np.random.default_rng(0)
    held = []
    for name in ("w0", "w1"):
        values = random.integers(-8, 8, (SIDE, SIDE)) * (random.random((SIDE, SIDE)) < 0.1) / 16
        held.append(numpy_helper.from_array(values.astype(np.float32), name))
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "w1"], ["y"], "second"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIDE]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "pruned", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "pruned.onnx"))
    return tmp_path / "pruned.onnx"


def test_weights_travel_packed_and_the_answers_are_the_models(house: Any, pruned: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("pruned", pruned)
        client.deploy("pruned")
        x = np.random.default_rng(1).standard_normal((1, SIDE)).astype(np.float32)
        answer = client.infer("pruned", {"x": x})["y"]
    wanted = onnxruntime.InferenceSession(str(pruned)).run(None, {"x": x})[0]
    np.testing.assert_allclose(answer, wanted, rtol=1e-4, atol=1e-5)
    sent = [one.stat().st_size for one in house.directory.rglob("packed/*")]
    assert len(sent) == 2
    assert all(0 < size < SIDE * SIDE * 4 / 20 for size in sent)
