"""Each layer ends up with the few values that were asked for, zeros stay zeros, and the store finds the codebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import store
from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import share, technique
from tests.lepton_edge.compress.small_nets import error, materials, net, weights_of

SHARE = technique("share")


def wide(seed: int = 0, prune: float = 0.0) -> ModelProto:
    """Return the net with its 1x1 convolution replaced by one of 16 -> 512 and a last layer to match."""
    random = np.random.default_rng(seed)
    model = net(seed)
    shapes = {"w2": (512, 16, 1, 1), "b2": (512,), "w3": (10, 512)}
    for one in model.graph.initializer:
        if one.name in shapes:
            values = (random.standard_normal(shapes[one.name]) / 4).astype(np.float32)
            values *= (
                np.exp(random.standard_normal(len(values)))
                .astype(np.float32)
                .reshape(-1, *[1] * (values.ndim - 1))
            )
            if one.name == "w2":
                values[np.abs(values) < np.quantile(np.abs(values), prune)] = 0
            one.CopyFrom(numpy_helper.from_array(values, one.name))
    return model


def test_it_is_a_technique_whose_first_choices_are_its_defaults() -> None:
    assert isinstance(SHARE, Technique)
    assert {name: values[0] for name, values in SHARE.choices.items()} == {"bits": 5, "repair": True}


@pytest.mark.parametrize(("bits", "repair"), [(3, True), (4, False), (5, True)])
def test_a_layer_has_few_levels_and_takes_few_bits(bits: int, repair: bool, tmp_path: Path) -> None:
    model = wide()
    before = model.SerializeToString()
    shared = SHARE.apply(model, materials(model, tmp_path), {"bits": bits, "repair": repair})
    assert model.SerializeToString() == before
    store.write(shared, tmp_path / "m.lepton")
    packed = {one.name: one for one in store.contents(tmp_path / "m.lepton").tensors}
    assert packed["w2"].stored * 8 < (512 * 16) * bits + 512 * 32 + 800
    assert packed["w3"].stored * 8 < (10 * 512) * bits + 10 * 32 + 800
    assert store.read(tmp_path / "m.lepton") == shared


def test_repair_brings_the_answers_nearer(tmp_path: Path) -> None:
    model = wide()
    made = {
        repair: SHARE.apply(model, materials(model, tmp_path), {"bits": 3, "repair": repair})
        for repair in (True, False)
    }
    assert error(made[True], model) < error(made[False], model) / 2


def test_zeros_stay_and_nothing_else_becomes_zero(tmp_path: Path) -> None:
    model = wide(prune=0.7)
    shared = SHARE.apply(model, materials(model, tmp_path), {"bits": 4, "repair": True})
    before, after = weights_of(model)["w2"], weights_of(shared)["w2"]
    assert np.array_equal(before == 0, after == 0)


def test_small_layers_are_left_alone(tmp_path: Path) -> None:
    model = wide()
    shared = SHARE.apply(model, materials(model, tmp_path), {"bits": 6, "repair": False})
    assert np.array_equal(weights_of(model)["w1"], weights_of(shared)["w1"])  # 144 weights


def quantized(zero: int, dtype: type) -> ModelProto:
    random = np.random.default_rng(0)
    weights = np.clip(np.rint(random.standard_normal((64, 64)) * 30), -120, 120) + zero
    weights[random.random((64, 64)) < 0.5] = zero
    held = [
        numpy_helper.from_array(weights.astype(dtype), "q"),
        numpy_helper.from_array(np.full(64, 0.01, np.float32), "s"),
        numpy_helper.from_array(np.full(64, zero, dtype), "z"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("zero", "dtype"), [(0, np.int8), (128, np.uint8)])
def test_a_quantized_layer_gets_few_levels_of_its_own_dtype(zero: int, dtype: type, tmp_path: Path) -> None:
    model = quantized(zero, dtype)
    shared = SHARE.apply(model, materials(model, tmp_path), {"bits": 4, "repair": True})
    before, after = weights_of(model)["q"], weights_of(shared)["q"]
    assert after.dtype == dtype
    assert len(np.unique(after)) <= 16
    assert np.array_equal(before == zero, after == zero)
    assert np.abs(before.astype(int) - after).mean() < 2.5
    assert store.stored_size(shared) < 0.75 * store.stored_size(model)


def test_what_cannot_be_shared_is_said() -> None:
    assert SHARE.refuse(net(), Target()) == ""
    bare = net()
    del bare.graph.initializer[:]
    assert "no layer" in SHARE.refuse(bare, Target())


@pytest.mark.parametrize("bits", [0, 9])
def test_bits_that_are_none_fail(bits: int, tmp_path: Path) -> None:
    with pytest.raises(CompressionFailed):
        SHARE.apply(net(), materials(net(), tmp_path), {"bits": bits, "repair": False})


def test_weights_near_nought_of_a_layer_that_was_not_pruned_may_become_it() -> None:
    values = np.tile(np.array([-61, -59, -1, 1, 59, 61], np.int8), (32, 8))
    shared = share._shared(values, 0, 4)
    assert set(shared.flat) == {-60, 0, 60}
    pruned = np.concatenate([values, np.zeros((32, 48), np.int8)])
    shared = share._shared(pruned, 0, 4)
    np.testing.assert_array_equal(shared == 0, pruned == 0)
