"""A model with an operator of a library: refused unless allowed by name, and then run only where that was said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lepton_edge
from partitioner.errors import UnsupportedOperator
from tests.extensions import library
from tests.journeys.conftest import House

pytestmark = pytest.mark.journey
ALLOWED = f"ai.onnx.contrib={library()}"
X = np.eye(4, dtype=np.float32) * 2


@pytest.fixture
def inverting(tmp_path: Path) -> Path:
    """The file of a model: y = 2 / relu(x), by a matrix's inverse in the middle."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]) for name in "xy"]
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "relu"),
        helper.make_node("Inverse", ["a"], ["b"], "inverse", domain="ai.onnx.contrib"),
        helper.make_node("Add", ["b", "b"], ["y"], "twice"),
    ]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.contrib", 1)]
    graph = helper.make_graph(nodes, "inverting", ends[:1], ends[1:])
    path = tmp_path / "inverting.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=imports), str(path))
    return path


def test_it_runs_where_its_library_was_allowed_by_name(
    house: House, inverting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.start_coordinator()
    with lepton_edge.Client(house.coordinator) as client:
        refused(lambda: client.push("inverting", inverting), "coordinator start --allow-custom-ops")
    house.end("coordinator")
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_ALLOW_CUSTOM_OPS", ALLOWED)
    house.start_coordinator()
    house.start_agent("board", "board")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("inverting", inverting)
        refused(lambda: client.deploy("inverting"), "--allow-custom-ops ai.onnx.contrib=LIBRARY")
        house.start_agent("cloud", "cloud", "--allow-custom-ops", ALLOWED)
        client.deploy("inverting", devices=("board", "cloud"))
        result = client.infer("inverting", {"x": X})
    np.testing.assert_allclose(result["y"], np.eye(4), rtol=1e-6)
    assert "cloud" in {hop.device for hop in result.hops}, "the board was not allowed to"


def refused(ask: Callable[[], object], hint: str) -> None:
    with pytest.raises(UnsupportedOperator, match="ai.onnx.contrib/Inverse") as error:
        ask()
    assert hint in error.value.hint
