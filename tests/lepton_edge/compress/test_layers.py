"""Only what gains becomes integer, and a float operator is never wrapped for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.layers import (
    Graph,
    bounds,
    broken_weight,
    choose,
    integer_end,
    require_named,
    why_not,
)
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress import hard_nets
from tests.lepton_edge.compress.hard_nets import of, residual, with_weights
from tests.lepton_edge.compress.small_nets import net, weights_of


def test_layers_activations_and_what_is_between_become_integer() -> None:
    chosen = choose(Graph(net()))
    assert chosen.layers == ("first", "depth", "wide", "last")
    assert chosen.tensors == ("x", "ar", "br", "cr", "p", "f")
    assert chosen.same == {"f": "p"}
    assert chosen.absorbed == {"relu0", "relu1", "relu2"}


def test_an_addition_of_integers_is_one_itself() -> None:
    chosen = choose(Graph(residual()))
    assert {"sum", "mean", "flat"} == chosen.carriers
    assert "dr" in chosen.tensors
    assert "d" not in chosen.tensors
    assert "sum_relu" in chosen.absorbed


def test_a_light_operator_that_feeds_no_integer_layer_stays_float() -> None:
    chosen = choose(Graph(net()), ["last"])
    assert chosen.carriers == frozenset()
    assert "p" not in chosen.tensors
    assert "cr" in chosen.tensors  # a convolution answers in integers only


def test_a_light_operator_with_one_float_input_stays_float() -> None:
    chosen = choose(Graph(residual()), ["two"])
    assert "sum" not in chosen.carriers
    assert chosen.tensors == ("x", "ar", "br", "f")


def test_a_product_may_answer_in_float() -> None:
    chosen = choose(Graph(net()), ["first", "depth", "wide"])
    assert chosen.tensors == ("f",)
    assert chosen.absorbed == frozenset()


def test_an_activation_that_is_not_alone_is_not_absorbed() -> None:
    model = net()
    model.graph.node.append(helper.make_node("Tanh", ["a"], ["aside"], "aside"))
    graph = Graph(model)
    first = graph.heavy[0]
    assert integer_end(graph, first) == "a"
    assert "relu0" not in choose(graph).absorbed


def test_bounds_of_a_clip_are_its_constants() -> None:
    held = {"w": np.ones((2, 2)), "low": np.float32(-1), "high": np.float32(6)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "product"),
        helper.make_node("Clip", ["a", "low", "high"], ["b"], "clip"),
        helper.make_node("Clip", ["b", "", "high"], ["y"], "open"),
    ]
    graph = Graph(of(nodes, held, {"x": [1, 2]}, {"y": [1, 2]}))
    assert bounds(graph, graph.makers["b"]) == (-1.0, 6.0)
    assert bounds(graph, graph.makers["y"]) == (-float("inf"), 6.0)


def test_reasons_are_said() -> None:
    assert why_not(net()) == ""
    nodes = [helper.make_node("Tanh", ["x"], ["y"], "tanh")]
    assert "no convolution or matrix product" in why_not(of(nodes, {}, {"x": [1]}, {"y": [1]}))
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    assert "already" in why_not(of(nodes, {}, {"x": [1]}, {"y": [1]}))


def test_a_weight_with_nan_is_named() -> None:
    broken = weights_of(net())["w1"].copy()
    broken[3, 0, 1, 1] = np.nan
    model = with_weights(net(), w1=broken)
    assert "'w1'" in why_not(model)
    assert broken_weight(Graph(hard_nets.ruined())) == ""


def masked(mask: np.ndarray | np.float32) -> ModelProto:
    """Return a product, masked by a constant of minus infinity, as attention is."""
    held = {"w": np.ones((4, 4)), "mask": mask, "where": np.zeros(4)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "product"),
        helper.make_node("Cast", ["where"], ["cond"], "cast", to=TensorProto.BOOL),
        helper.make_node("Where", ["cond", "mask", "a"], ["y"], "mask_fill"),
    ]
    return of(nodes, held, {"x": [1, 4]}, {"y": [1, 4]})


@pytest.mark.parametrize("name", ["static_int8", "dynamic_int8"])
def test_a_mask_of_minus_infinity_is_no_broken_weight(name: str) -> None:
    assert why_not(masked(np.float32(-np.inf))) == ""
    assert technique(name).refuse(masked(np.full(4, -np.inf)), Target()) == ""
    assert "'mask'" in why_not(masked(np.float32(np.nan)))
    infinite = with_weights(masked(np.float32(0)), w=np.full((4, 4), np.inf))
    assert "'w'" in why_not(infinite)


def test_a_name_that_no_node_has_is_told() -> None:
    require_named(Graph(net()), ["wide", "mean", ""])
    with pytest.raises(CompressionRefused, match="no layer 'wild'"):
        require_named(Graph(net()), ["wide", "wild"])
