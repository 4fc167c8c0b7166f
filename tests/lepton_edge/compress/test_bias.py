"""The mean error of rounding goes, and nothing but biases changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto

from lepton_edge.compress import bias, calibrate, qdq
from lepton_edge.compress.bias import Quantized
from lepton_edge.compress.layers import Graph, choose
from lepton_edge.compress.qdq import Scheme
from lepton_edge.compress.ranges import Range
from tests.lepton_edge.compress.hard_nets import with_weights
from tests.lepton_edge.compress.small_nets import Pictures, answers, error, net, weights_of

COARSE = Scheme(weight_bits=4)


def chosen(model: ModelProto) -> Quantized:
    choice = choose(Graph(model))
    return Quantized(choice, calibrate.observe(model, choice.tensors, Pictures()), COARSE)


def positive() -> ModelProto:
    """Return the small net with weights whose rounding errors do not cancel, as inputs after ReLU are positive."""
    return with_weights(net(), w2=np.abs(weights_of(net())["w2"]))


def shifted(model: ModelProto, original: ModelProto) -> float:
    """Return the mean error of the answers' channels, in parts of their spread."""
    wanted, found = answers(original), answers(model)
    return float(np.abs((found - wanted).mean(axis=0)).mean() / wanted.std())


def test_the_mean_error_goes() -> None:
    model = positive()
    how = chosen(model)
    plain = qdq.insert(model, how.choice, how.seen, how.scheme)
    corrected = bias.correct(model, how, Pictures())
    made = qdq.insert(corrected, how.choice, how.seen, how.scheme)
    assert shifted(made, model) < 0.5 * shifted(plain, model)
    assert error(made, model) < error(plain, model)


def test_what_clipped_inputs_lose_is_put_back() -> None:
    """Exact weights, and a range that cuts half of what a layer reads: the lost mean comes back."""
    model = positive()
    how = chosen(model)
    narrow = replace(how, seen={**how.seen, "br": Range(0.0, how.seen["br"].high / 4)}, scheme=Scheme())
    made = [
        qdq.insert(one, how.choice, narrow.seen, narrow.scheme)
        for one in (model, bias.correct(model, narrow, Pictures()))
    ]
    assert shifted(made[1], model) < 0.5 * shifted(made[0], model)


def test_a_layer_without_a_bias_gets_one_and_weights_stay() -> None:
    model = positive()
    before = model.SerializeToString()
    corrected = bias.correct(model, chosen(model), Pictures())
    held = weights_of(corrected)
    assert {name for name in held if name.endswith("corrected_bias")} == {
        f"{name}/corrected_bias" for name in ("first", "depth", "wide", "last")
    }
    for name in ("w0", "w1", "w2", "w3"):
        np.testing.assert_array_equal(held[name], weights_of(model)[name])
    assert model.SerializeToString() == before


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_mean_of_a_layer_is_its_answer_to_a_mean_input(groups: int) -> None:
    random = np.random.default_rng(groups)
    weight, means = random.standard_normal((8, 4 // groups, 3, 3)), random.standard_normal(4)
    wanted = [
        sum(
            weight[out, at].sum() * means[(out // (8 // groups)) * (4 // groups) + at]
            for at in range(4 // groups)
        )
        for out in range(8)
    ]
    np.testing.assert_allclose(bias._applied(weight, 0, means), wanted)
