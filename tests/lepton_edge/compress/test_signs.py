"""Quantized activations change their sign and nothing else: every answer stays bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.signs import with_activations
from partitioner.onnx_io import runtime

DTYPES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def quantized(dtype: str = "uint8", zero: int | None = 100, seen_by: str = "", ends: str = "") -> ModelProto:
    """Return x -> Q -> MaxPool -> Transpose -> DQ -> y, the bytes also seen by another operator where one is named."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", *(["z"] if zero is not None else [])], ["q"]),
        helper.make_node("MaxPool", ["q"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("Transpose", ["m"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["t", "s", *(["z"] if zero is not None else [])], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 7, 7, 3])]
    if seen_by:
        nodes.append(helper.make_node(seen_by, ["t"], ["other"], to=TensorProto.FLOAT))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 7, 7, 3]))
    if ends:
        outputs.append(helper.make_tensor_value_info(ends, DTYPES[dtype], None))
    held = [numpy_helper.from_array(np.asarray(0.02, np.float32), "s")]
    if zero is not None:
        held.append(numpy_helper.from_array(np.asarray(zero, dtype), "z"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(nodes, "g", [x], outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model: ModelProto) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32) * 4  # some saturate
    return runtime.run(runtime.open_session(model, runtime.options(None, runtime.OFF)), {"x": x})["y"]


@pytest.mark.parametrize(
    ("before", "zero", "after"),
    [
        ("uint8", 100, "int8"),
        ("uint8", 0, "int8"),
        ("uint8", None, "int8"),
        ("int8", -28, "uint8"),
        ("int8", 127, "uint8"),
    ],
)
def test_the_bytes_change_and_the_answers_do_not(before: str, zero: int | None, after: str) -> None:
    model = quantized(before, zero)
    kept = model.SerializeToString()
    made, changed, left = with_activations(model, after)
    assert (changed, left) == (3, 0)
    assert model.SerializeToString() == kept
    points = {one.name: one for one in made.graph.initializer}
    used = [points[node.input[2]].data_type for node in made.graph.node if "Linear" in node.op_type]
    assert used == [DTYPES[after]] * 2
    assert np.array_equal(answer(made), answer(model))
    assert answer(made).std() > 0


def test_it_goes_there_and_back() -> None:
    model = quantized()
    there = with_activations(model, "int8")[0]
    back, changed, _ = with_activations(there, "uint8")
    assert changed == 3
    assert np.array_equal(answer(back), answer(model))


def test_what_is_so_already_is_returned_as_it_is() -> None:
    model = quantized()
    assert with_activations(model, "uint8") == (model, 0, 0)


@pytest.mark.parametrize("model", [quantized(seen_by="Cast"), quantized(ends="t"), quantized(ends="q")])
def test_bytes_that_somebody_else_sees_stay(model: ModelProto) -> None:
    made, changed, left = with_activations(model, "int8")
    assert made is model
    assert (changed, left) == (0, 3)


def test_scales_for_each_channel_get_points_for_each_channel() -> None:
    model = quantized()
    for one in model.graph.initializer:
        value = np.full(3, 0.02, np.float32) if one.name == "s" else np.array([1, 2, 3], np.uint8)
        one.CopyFrom(numpy_helper.from_array(value, one.name))
    for node in model.graph.node:
        if "Linear" in node.op_type:
            node.attribute.append(helper.make_attribute("axis", 1 if node.op_type == "QuantizeLinear" else 3))
    made, changed, _ = with_activations(model, "int8")
    assert changed == 3
    assert np.array_equal(answer(made), answer(model))
