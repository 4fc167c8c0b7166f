"""Channels are followed through sums, concatenations, depthwise convolutions and flattening, and cut everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.channels.cut import without
from lepton_edge.compress.channels.follow import follow
from lepton_edge.compress.channels.ties import Ties
from partitioner.onnx_io import runtime

RANDOM = np.random.default_rng(0)


def _weights(**shapes: Sequence[int]) -> dict[str, np.ndarray]:
    return {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _model(
    nodes: list[NodeProto], weights: dict[str, np.ndarray], shape: Sequence[int], rank: int = 2
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _node(op: str, inputs: str, output: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, inputs.split(), [output], f"/{output}", **attributes)


def _residual() -> ModelProto:
    """A stem and a block whose sum ties their channels; a depthwise convolution after it; a classifier."""
    weights = _weights(w0=(8, 3, 3, 3), w1=(6, 8, 1, 1), w2=(8, 6, 1, 1), w3=(8, 1, 3, 3), w4=(5, 8), b1=(6,))
    nodes = [
        _node("Conv", "x w0", "a", pads=[1] * 4),
        _node("Conv", "a w1 b1", "b"),
        _node("Relu", "b", "c"),
        _node("Conv", "c w2", "d"),
        _node("Add", "a d", "e"),
        _node("Conv", "e w3", "f", group=8, pads=[1] * 4),
        _node("GlobalAveragePool", "f", "g"),
        _node("Flatten", "g", "h"),
        _node("Gemm", "h w4", "y", transB=1),
    ]
    return _model(nodes, weights, [1, 3, 8, 8])


def _branches() -> ModelProto:
    """Two branches put together, flattened with their pixels, and read by a product."""
    weights = _weights(w0=(4, 3, 1, 1), w1=(6, 3, 1, 1), s=(1, 10, 1, 1), w2=(160, 7))
    nodes = [
        _node("Conv", "x w0", "a"),
        _node("Conv", "x w1", "b"),
        _node("Concat", "a b", "c", axis=1),
        _node("Mul", "c s", "d"),
        _node("Flatten", "d", "e"),
        _node("MatMul", "e w2", "y"),
    ]
    return _model(nodes, weights, [1, 3, 4, 4])


def _answer(model: ModelProto) -> np.ndarray:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return runtime.run(runtime.open_session(model, runtime.options(None, runtime.OFF)), {"x": x})["y"]


def _silenced(model: ModelProto, ties: Ties, gone: set[int]) -> ModelProto:
    """Return `model` with zeros wherever something lies along a channel that is gone."""
    made = ModelProto()
    made.CopyFrom(model)
    weights = {one.name: one for one in made.graph.initializer}
    for place, ids in ties.places.items():
        value = np.array(numpy_helper.to_array(weights[place.initializer]))
        lost = np.isin(ties.roots(ids), list(gone))
        value[(slice(None),) * place.axis + (lost,)] = 0
        weights[place.initializer].CopyFrom(numpy_helper.from_array(value, place.initializer))
    return made


@pytest.mark.parametrize("build", [_residual, _branches])
def test_without_silent_channels_the_answer_is_the_same(build) -> None:
    model = build()
    ties = follow(model)
    gone = {int(one) for group in ties.groups() for one in group[::2]}
    cut = without(model, ties, gone)
    assert cut.ByteSize() < model.ByteSize()
    np.testing.assert_allclose(_answer(cut), _answer(_silenced(model, ties, gone)), atol=1e-5)


def test_a_sum_ties_what_it_adds() -> None:
    groups = sorted(len(group) for group in follow(_residual()).groups())
    assert groups == [6, 8]  # inside the block; stem, sum and depthwise are one


def test_a_depthwise_convolution_keeps_one_group_a_channel() -> None:
    model = _residual()
    ties = follow(model)
    widest = max(ties.groups(), key=len)
    cut = without(model, ties, {int(one) for one in widest[:3]})
    depthwise = next(node for node in cut.graph.node if node.output[0] == "f")
    assert {one.name: helper.get_attribute_value(one) for one in depthwise.attribute}["group"] == 5


def test_what_leaves_the_graph_is_held() -> None:
    model = _residual()
    model.graph.output.append(helper.make_tensor_value_info("e", TensorProto.FLOAT, None))
    assert [len(group) for group in follow(model).groups()] == [6]


def test_an_operator_without_a_rule_holds_its_channels() -> None:
    model = _residual()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "LRN"  # mixes neighbouring channels
    relu.attribute.append(helper.make_attribute("size", 3))
    assert [len(group) for group in follow(model).groups()] == [8]


def test_a_weight_that_is_read_twice_ties_both_uses() -> None:
    weights = _weights(w0=(4, 3, 1, 1), w1=(4, 4, 1, 1), w2=(2, 4, 1, 1))
    nodes = [
        _node("Conv", "x w0", "a"),
        _node("Conv", "a w1", "b"),
        _node("Conv", "b w1", "c"),
        _node("Conv", "c w2", "y"),
    ]
    model = _model(nodes, weights, [1, 3, 2, 2], 4)
    ties = follow(model)
    (group,) = ties.groups()
    cut = without(model, ties, {int(group[0])})
    assert _answer(cut).shape == (1, 2, 2, 2)


def test_a_shape_that_counts_columns_holds_what_it_flattens() -> None:
    model = _branches()
    flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
    flatten.op_type = "Reshape"
    flatten.input.append("shape")
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 160], np.int64), "shape"))
    assert follow(model).groups() == []


def test_what_the_body_of_an_if_reads_from_outside_is_held() -> None:
    nodes = [_node("Conv", "x w1", "a"), _node("Conv", "a w2", "b"), _node("GlobalAveragePool", "b", "c")]
    branches = {}
    for branch in ("then_branch", "else_branch"):
        made = helper.make_tensor_value_info(f"{branch}_made", TensorProto.FLOAT, None)
        body = helper.make_node("ReduceSum", ["a"], [made.name], keepdims=1)
        branches[branch] = helper.make_graph([body], branch, [], [made])
    nodes += [helper.make_node("If", ["cond"], ["d"], "/if", **branches), _node("Add", "c d", "y")]
    weights = {**_weights(w1=(8, 3, 1, 1), w2=(4, 8, 1, 1)), "cond": np.array(True)}
    model = _model(nodes, weights, [1, 3, 4, 4], rank=4)
    assert [len(group) for group in follow(model).groups()] == []
