"""Equalisation changes no answer, evens channels out, and gives what it changed another name."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, helper

from lepton_edge.compress import calibrate, equalize
from lepton_edge.compress.layers import Graph
from tests.lepton_edge.compress.hard_nets import of, residual, unequal, with_weights
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
