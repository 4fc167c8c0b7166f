"""What is written runs in integer kernels, keeps its names, and differs by no more than its steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lepton_edge.compress import calibrate, qdq
from lepton_edge.compress.layers import Graph, choose
from lepton_edge.compress.qdq import Scheme
from lepton_edge.compress.ranges import Range
from tests.lepton_edge.compress.hard_nets import kernels, of, operators, residual, run, with_weights
from tests.lepton_edge.compress.small_nets import Pictures, error, net, weights_of

USUAL = Scheme()


def quantized(
    model: onnx.ModelProto, scheme: Scheme = USUAL, excluded: tuple[str, ...] = ()
) -> onnx.ModelProto:
    choice = choose(Graph(model), excluded)
    made = qdq.insert(model, choice, calibrate.observe(model, choice.tensors, Pictures()), scheme)
    onnx.checker.check_model(made, full_check=True)
    return made


@pytest.mark.parametrize("activation", ["uint8", "int8"])
@pytest.mark.parametrize("bits", [8, 7])
def test_answers_stay_near_and_the_model_shrinks(activation: str, bits: int) -> None:
    model = net()
    before = model.SerializeToString()
    made = quantized(model, Scheme(activation, bits))
    assert error(made, model) < 2e-3
    assert model.SerializeToString() == before
    assert all(
        np.abs(one).max() < 1 << (bits - 1)
        for name, one in weights_of(made).items()
        if "w" in name and one.dtype == np.int8
    )


def test_everything_runs_in_integers(tmp_path: Path) -> None:
    found = kernels(quantized(net()), tmp_path)
    assert found["QLinearConv"] == 3
    assert found["QGemm"] == 1
    assert not {"Conv", "Gemm", "Relu"} & found.keys()
    assert found["QuantizeLinear"] == 1  # of the input
    assert found["DequantizeLinear"] == 0  # the last product answers in float


def test_a_residual_sum_runs_in_integers(tmp_path: Path) -> None:
    found = kernels(quantized(residual()), tmp_path)
    assert found["QLinearAdd"] == 1
    assert found["QLinearConv"] == 3
    assert found["DequantizeLinear"] == 1  # for the float operator aside


def test_layers_that_are_left_out_stay_as_they_were() -> None:
    made = quantized(net(), excluded=("wide",))
    kept = weights_of(made)
    np.testing.assert_array_equal(kept["w2"], weights_of(net())["w2"])
    assert "w1" not in kept
    assert error(made, net()) < error(quantized(net()), net())


def test_tensors_keep_their_names_on_the_float_side() -> None:
    made = quantized(residual())
    for name in ("ar", "br", "dr", "p"):
        made.graph.output.append(onnx.ValueInfoProto(name=name))
    shown = run(made, **next(iter(Pictures(1))).feeds)
    plain = residual()
    for name in ("ar", "br", "dr", "p"):
        plain.graph.output.append(onnx.ValueInfoProto(name=name))
    for name, wanted in run(plain, **next(iter(Pictures(1))).feeds).items():
        assert shown[name].dtype == wanted.dtype
        assert np.abs(shown[name] - wanted).max() <= 0.05 * np.abs(wanted).max()


def test_an_activation_stays_where_the_range_is_wider_than_it() -> None:
    model, choice = net(), choose(Graph(net()))
    seen = calibrate.observe(model, choice.tensors, Pictures())
    made = qdq.insert(model, choice, {**seen, "ar": Range(-1.0, 4.0)}, Scheme())
    assert operators(made)["Relu"] == 1


@pytest.mark.parametrize(("high", "stays"), [(2.0, 0), (4.0, 1)])
def test_a_clip_stays_where_the_integers_reach_above_it(high: float, stays: int) -> None:
    held = {"w": np.eye(3)[..., None, None], "low": np.float32(0), "high": np.float32(2)}
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        onnx.helper.make_node("Clip", ["a", "low", "high"], ["y"], "clip"),
    ]
    model = of(nodes, held, {"x": ["n", 3, 12, 12]}, {"y": ["n", 3, 12, 12]})
    seen = {"x": Range(-3.0, 3.0), "y": Range(0.0, high)}
    made = qdq.insert(model, choose(Graph(model)), seen, USUAL)
    assert operators(made)["Clip"] == stays
    x = np.full((1, 3, 12, 12), 3.0, np.float32)
    assert run(made, x=x)["y"].max() == pytest.approx(2.0, abs=0.01)


def test_a_dead_channel_does_not_blow_up_its_bias() -> None:
    """Weights of zero and a bias: with a scale of the weights' own the bias would not fit 32 bits."""
    held = weights_of(net())
    w0, b0 = held["w0"].copy(), held["b0"].copy()
    w0[2], b0[2] = 1e-12, 5.0
    model = with_weights(net(), w0=w0, b0=b0)
    assert error(quantized(model), model) < 2e-3


@pytest.mark.parametrize("clip", [False, True])
def test_a_weights_error_is_half_a_step_at_most_unless_clipped(clip: bool) -> None:
    weight = np.random.default_rng(0).standard_t(3, (6, 5, 3, 3)).astype(np.float32)
    values, steps = qdq.quantize_weight(weight, 0, Scheme(clip_weights=clip))
    errors = np.abs(values * steps[:, None, None, None] - weight)
    assert (errors <= steps[:, None, None, None] / 2 + 1e-6).all() or clip
    assert values.dtype == np.int8


def test_clipping_lessens_the_squared_error() -> None:
    weight = np.random.default_rng(0).standard_t(3, (6, 400)).astype(np.float32)

    def squared(clip: bool) -> float:
        values, steps = qdq.quantize_weight(weight, 0, Scheme(weight_bits=4, clip_weights=clip))
        return float(np.square(values * steps[:, None] - weight).sum())

    assert squared(True) < 0.9 * squared(False)


def test_two_layers_may_share_a_weight() -> None:
    model = residual()
    for node in model.graph.node:
        if node.name == "two":
            node.input[1] = "w1"
    made = quantized(model)
    feeds = next(iter(Pictures(1))).feeds
    wanted, found = run(model, **feeds)["y"], run(made, **feeds)["y"]
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()
