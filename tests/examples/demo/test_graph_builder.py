"""The builder names, checks and versions what it builds."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from examples.demo.graph_builder import IR_VERSION, OPSET, GraphBuilder


def test_a_model_states_its_versions_and_symbolic_shapes() -> None:
    graph = GraphBuilder("doubler")
    graph.node("Add", ["x", graph.weight("two", np.float32([2.0]))], "/Add", output="y")
    graph.weight("two", np.float32([3.0]))

    model = graph.model({"x": ("float32", ["N", 4])}, {"y": ("float32", ["N", 4])})

    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert [weight.name for weight in model.graph.initializer] == ["two"]


def test_a_wrong_graph_is_not_returned() -> None:
    graph = GraphBuilder("broken")
    graph.node("Add", ["x", "nowhere"], "/Add", output="y")

    with pytest.raises(onnx.checker.ValidationError):
        graph.model({"x": ("float32", [4])}, {"y": ("float32", [4])})


def test_contradicting_shapes_are_not_returned() -> None:
    graph = GraphBuilder("broken")
    graph.node("MatMul", ["x", graph.weight("w", np.zeros((5, 3), np.float32))], "/MatMul", output="y")

    with pytest.raises(onnx.shape_inference.InferenceError):
        graph.model({"x": ("float32", [2, 4])}, {"y": ("float32", [2, 3])})
