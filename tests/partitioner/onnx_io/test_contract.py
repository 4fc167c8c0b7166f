"""Layers: what belongs together, what may be cut, what stays acyclic."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from partitioner.graph import down_sets, layer_inputs
from partitioner.manifest import Manifest, PictureInput
from tests.partitioner.onnx_io import handmade
from tests.partitioner.onnx_io.conftest import Compile, Compiled


def layers_of(made: Compiled) -> list[set[str]]:
    return [{str(name) for name in layer.nodes} for layer in made.model.graph.layers]


@pytest.mark.parametrize("name", handmade.HANDMADE)
def test_layers_are_in_topological_order_and_hold_every_node_once(compile_into: Compile, name: str) -> None:
    made = compile_into(handmade.HANDMADE[name](), shapes=handmade.SHAPES.get(name))
    graph = made.model.graph
    assert all(source < index for index, sources in enumerate(layer_inputs(graph)) for source in sources)
    assert [layer.index for layer in graph.layers] == list(range(len(graph.layers)))
    composed = onnx.load(str(made.directory / "composed.onnx"), load_external_data=False)
    listed = Counter(node for layer in graph.layers for node in layer.nodes)
    assert listed == Counter(node.name for node in composed.graph.node)


def test_conv_activation_and_residual_sum_are_one_layer_each(compile_into: Compile) -> None:
    layers = layers_of(compile_into(handmade.small_conv_net()))
    assert {"/stem/Conv", "/stem/Relu"} in layers
    assert {"/body/Conv", "/body/Sigmoid", "/body/Mul"} in layers
    assert {"/body/Conv_1", "/body/Add", "/body/Relu"} in layers
    assert len(layers) == 5


def test_spelt_out_norms_and_activations_are_one_layer(compile_into: Compile) -> None:
    layers = layers_of(compile_into(handmade.decomposed_norm(opset=13)))
    assert any(
        {"mu", "centred", "square", "var", "safe", "dev", "unit", "scaled", "normed"} <= one for one in layers
    )
    assert any({"f", "g1", "g2", "g3", "g4", "g5", "y"} <= one for one in layers)
    assert len(layers) == 3


def test_mobilenet_has_as_many_cuts_as_expected(mobilenetv2: Compiled) -> None:
    graph = mobilenetv2.model.graph
    convolutions = [layer for layer in graph.layers if any(name.endswith("Conv") for name in layer.nodes)]
    assert len(convolutions) == 52
    assert len(down_sets(graph, 1000) or []) == len(graph.layers) + 1
    assert [layer.from_input for layer in graph.layers[:4]] == [True, True, True, False]
    assert graph.layers[0].pseudo == "decode_picture"
    assert [layer.name for layer in graph.layers[:3]] == [
        "input/decode_picture",
        "input/resize",
        "input/normalise",
    ]
    pictures = [tensor.name for tensor in graph.tensors if tensor.picture]
    assert pictures == ["input@picture", "input@resized"]


def test_the_doors_of_callers_stay_cuttable(compile_into: Compile) -> None:
    """A model that begins with a pointwise node must not swallow its own input `x`."""
    nodes = [handmade.node("Neg", "x", "n"), handmade.node("GlobalAveragePool", "n", "y")]
    model = handmade.model(nodes, [handmade.value("x", [1, 3, 8, 8])], [handmade.value("y", [1, 3, 1, 1])])
    made = compile_into(model, Manifest(inputs=(PictureInput("x"),)))
    assert {"x@encoded", "x@picture", "x@resized", "x"} <= {
        tensor.name for tensor in made.model.graph.tensors
    }


def test_a_quantizing_model_does_not_swallow_its_picture_either(compile_into: Compile) -> None:
    nodes = [
        handmade.node("QuantizeLinear", "x s z", "q"),
        handmade.node("MaxPool", "q", "y", kernel_shape=[8, 8]),
    ]
    small = [handmade.constant("s", 0.1, "float32"), handmade.constant("z", 3, "uint8")]
    ends = [handmade.value("x", [1, 3, 8, 8])], [handmade.value("y", [1, 3, 1, 1], TensorProto.UINT8)]
    made = compile_into(handmade.model(nodes, *ends, small), Manifest(inputs=(PictureInput("x"),)))
    assert {"x@resized", "x"} <= {tensor.name for tensor in made.model.graph.tensors}


def test_a_shape_is_taken_where_its_tensor_is_made(compile_into: Compile) -> None:
    layers = layers_of(compile_into(handmade.dynamic_mask(), shapes=handmade.SHAPES["mask"]))
    assert any({"h1", "shape1", "rows1", "target1"} <= one for one in layers)


def test_branches_that_do_not_meet_again_stay_apart(compile_into: Compile) -> None:
    nodes = [
        handmade.node("MatMul", "x w", "a"),
        handmade.node("Relu", "a", "left"),
        handmade.node("Tanh", "a", "right"),
        handmade.node("MatMul", "left w", "y"),
        handmade.node("MatMul", "right w", "z"),
    ]
    ends = [handmade.value("x", [2, 16])], [handmade.value("y", [2, 16]), handmade.value("z", [2, 16])]
    layers = layers_of(compile_into(handmade.model(nodes, *ends, [handmade.weight("w", 16, 16)])))
    assert len(layers) == 5


def test_weights_are_counted_per_layer_once(compile_into: Compile) -> None:
    made = compile_into(handmade.tied_weights(), shapes=handmade.SHAPES["tied"])
    by_name = {layer.name: layer for layer in made.model.graph.layers}
    assert all(layer.weights == 4096 for layer in by_name.values() if "table" in layer.weight_names)
    mobile = sum(weight.length for weight in made.model.weights)
    assert mobile >= sum({w.sha256: w.length for w in made.model.weights}.values())


def test_a_path_that_leaves_a_layer_and_returns_belongs_to_it(compile_into: Compile) -> None:
    """The sequence `s` is one layer with its readers, and so is what lies between two of them."""
    nodes = [
        handmade.node("MatMul", "x w1", "a"),
        handmade.node("SequenceConstruct", "a a", "s"),
        handmade.node("SequenceAt", "s zero", "first"),
        handmade.node("MatMul", "first w2", "between"),
        handmade.node("SequenceInsert", "s between", "s2"),
        handmade.node("ConcatFromSequence", "s2", "y", axis=0),
    ]
    weights = [handmade.weight("w1", 8, 32), handmade.weight("w2", 32, 32), handmade.constant("zero", 0)]
    model = handmade.model(nodes, [handmade.value("x", [2, 8])], [handmade.value("y", [6, 32])], weights)
    assert {"s", "first", "between", "s2", "y"} in layers_of(compile_into(model))


def test_an_input_in_another_type_is_the_input_still(compile_into: Compile) -> None:
    scale, zero = numpy_helper.from_array(np.float32(0.1), "s"), numpy_helper.from_array(np.uint8(3), "z")
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x_q"], "quantize"),
        helper.make_node("DequantizeLinear", ["x_q", "s", "z"], ["x_d"], "back"),
        helper.make_node("MatMul", ["x_d", "w"], ["a"], "product"),
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["a_q"], "inner"),
        helper.make_node("DequantizeLinear", ["a_q", "s", "z"], ["y"], "end"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [scale, zero, weight])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    compiled = compile_into(model).model
    layers = compiled.graph.layers
    makers = {one.name: layers[one.producer] for one in compiled.graph.tensors if one.producer >= 0}
    assert makers["x_q"].from_input
    assert not makers["y"].from_input
    assert not any(layer.from_input for layer in layers if "product" in layer.nodes)
