"""Equalisation changes no answer, evens channels out, and gives what it changed another name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from lepton_edge.compress import calibrate, equalize
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Materials, Sample
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.hard_nets import cosine, of, residual, run, unequal, with_weights
from tests.lepton_edge.compress.small_nets import Pictures, error, net, weights_of


def equalized(model: ModelProto, share: float = equalize.SHARE) -> ModelProto:
    tensors = {one.tensor: 1 for one in equalize.pairs(Graph(model))}
    return equalize.equalize(model, calibrate.channels(model, tensors, Pictures()), share)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("make", [net, unequal])
def test_answers_stay(make: object, share: float) -> None:
    model = make()  # type: ignore[operator]
    before = model.SerializeToString()
    assert error(equalized(model, share), model) < 1e-9
    assert model.SerializeToString() == before


def test_pairs_are_layers_with_an_activation_between() -> None:
    found = [(one.first.name, one.second.name, one.tensor, one.free) for one in equalize.pairs(Graph(net()))]
    assert found == [("first", "depth", "ar", True), ("depth", "wide", "br", False)]


def test_a_tensor_that_two_read_is_not_touched() -> None:
    found = [one.tensor for one in equalize.pairs(Graph(residual()))]
    assert found == ["br"]


def test_channels_before_a_depthwise_layer_become_alike() -> None:
    found = calibrate.channels(equalized(unequal()), {"ar/equalized": 1}, Pictures())["ar/equalized"].largest
    before = calibrate.channels(unequal(), {"ar": 1}, Pictures())["ar"].largest
    assert np.log10(before.max() / before.min()) > 2.5
    assert (found / before <= equalize.LARGEST * 1.001).all()
    assert np.median(found) > 8 * np.median(before)


def test_what_was_changed_has_another_name() -> None:
    names = {name for node in equalized(unequal()).graph.node for name in node.output}
    assert {"ar/equalized", "br/equalized"} <= names
    assert not {"ar", "br"} & names
    assert {"cr", "p", "f", "y"} <= names


def clipped(low: float) -> ModelProto:
    held = weights_of(net())
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], "first", pads=[1] * 4),
        helper.make_node("Clip", ["a", "low", "high"], ["ar"], "clip"),
        helper.make_node("Conv", ["ar", "w1"], ["y"], "depth", pads=[1] * 4, group=16),
    ]
    held = {name: held[name] for name in ("w0", "b0", "w1")} | {"low": np.float32(low), "high": np.float32(6)}
    return of(nodes, held, {"x": ["n", 3, 12, 12]}, {"y": ["n", 16, 12, 12]})


def test_a_clip_is_passed_only_where_it_cuts_at_zero() -> None:
    assert [one.tensor for one in equalize.pairs(Graph(clipped(0.0)))] == ["ar"]
    assert equalize.pairs(Graph(clipped(-1.0))) == []


def test_a_clip_still_cuts_above_what_was_seen() -> None:
    model = clipped(0.0)
    made = equalized(model)
    assert error(made, model) < 1e-5  # pictures that calibration did not see: a few values are cut lower


def test_a_weight_that_two_layers_share_is_not_touched() -> None:
    model = net()
    for node in model.graph.node:
        if node.name == "wide":
            node.input[2] = "b0"  # no longer its own
    assert [one.tensor for one in equalize.pairs(Graph(model))] == []


def test_a_channel_that_is_always_zero_stays() -> None:
    held = weights_of(net())
    w0, b0 = held["w0"].copy(), held["b0"].copy()
    w0[4], b0[4] = 0.0, -1.0
    model = with_weights(net(), w0=w0, b0=b0)
    assert error(equalized(model), model) < 1e-9


def product_pair(inner: int = 32, words: int = 7) -> ModelProto:
    """Return two products without bias and a Relu between, as in T5: x float32 [1, words, 16] -> y."""
    random = np.random.default_rng(0)
    held = {"w1": random.standard_normal((16, inner)), "w2": random.standard_normal((inner, 16))}
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "up"),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("MatMul", ["b", "w2"], ["y"], "down"),
    ]
    return of(nodes, held, {"x": [1, words, 16]}, {"y": [1, words, 16]})


def sentences(words: int = 7) -> list[Sample]:
    """Return samples whose words are of different size, which must not be taken for channels."""
    random = np.random.default_rng(1)
    loud = np.linspace(0.1, 8, words, dtype=np.float32)[:, None]
    return [
        Sample({"x": random.standard_normal((1, words, 16)).astype(np.float32) * loud}, f"sentence {turn}")
        for turn in range(4)
    ]


def test_the_channels_of_a_product_lie_along_its_last_axis() -> None:
    model = product_pair()
    (pair,) = equalize.pairs(Graph(model))
    seen = calibrate.channels(model, {pair.tensor: pair.axis}, sentences())
    assert seen["b"].largest.shape == (32,)
    made = equalize.equalize(model, seen)
    after = calibrate.channels(made, {"b/equalized": -1}, sentences())["b/equalized"].largest
    assert after.max() / after.min() < seen["b"].largest.max() / seen["b"].largest.min()
    feeds = sentences()[0].feeds
    np.testing.assert_allclose(run(made, **feeds)["y"], run(model, **feeds)["y"], rtol=1e-3, atol=1e-3)


def test_a_net_of_products_without_bias_is_quantized(tmp_path: Path) -> None:
    model, static = product_pair(), technique("static_int8")
    kit = Materials(model, sentences(), Target(), tmp_path)
    made = static.apply(model, kit, {key: values[0] for key, values in static.choices.items()})
    feeds = sentences()[1].feeds
    assert cosine(run(made, **feeds)["y"], run(model, **feeds)["y"]) > 0.999


def test_a_convolution_and_a_product_are_no_pair() -> None:
    held = {"w1": np.ones((8, 3, 1, 1)), "w2": np.ones((8, 5))}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "first"),
        helper.make_node("MatMul", ["a", "w2"], ["y"], "product"),
    ]
    model = of(nodes, held, {"x": [1, 3, 8, 8]}, {"y": [1, 8, 8, 5]})
    assert equalize.pairs(Graph(model)) == []  # the product reads columns, the convolution makes channels
