"""The share that is asked for becomes zero, the answers stay near, and what cannot be done is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lepton_edge.compress import store
from lepton_edge.compress.errors import CompressionFailed, TooLittleData
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.small_nets import Pictures, error, materials, net, weights_of

PRUNE = technique("prune")
OPTIONS = {"sparsity": 0.5, "layers": "lamp", "repair": True}


def zeros(model: object) -> float:
    held = {name: one for name, one in weights_of(model).items() if name.startswith("w")}  # type: ignore[arg-type]
    return sum(np.count_nonzero(one == 0) for one in held.values()) / sum(one.size for one in held.values())


def test_it_is_a_technique_whose_first_choices_are_its_defaults() -> None:
    assert isinstance(PRUNE, Technique)
    assert {name: values[0] for name, values in PRUNE.choices.items()} == OPTIONS


@pytest.mark.parametrize("layers", ["lamp", "measured", "uniform"])
@pytest.mark.parametrize("repair", [True, False])
def test_the_share_that_is_asked_for_becomes_zero(layers: str, repair: bool, tmp_path: Path) -> None:
    model = net()
    before = model.SerializeToString()
    pruned = PRUNE.apply(
        model, materials(model, tmp_path), {"sparsity": 0.6, "layers": layers, "repair": repair}
    )
    assert zeros(pruned) == pytest.approx(0.6, abs=0.01)
    assert model.SerializeToString() == before
    assert store.stored_size(pruned) < 0.75 * store.stored_size(model)


def test_repair_brings_the_answers_back(tmp_path: Path) -> None:
    model = net()
    made = {
        repair: PRUNE.apply(model, materials(model, tmp_path), {**OPTIONS, "repair": repair})
        for repair in (True, False)
    }
    assert error(made[True], model) < error(made[False], model) / 2


def test_measured_layers_spare_the_one_that_matters(tmp_path: Path) -> None:
    model = net()
    for (
        one
    ) in model.graph.initializer:  # what the second layer loses is lost; the last hears little of the third
        if one.name == "w2":
            values = numpy_helper.to_array(one).copy()
            values[:16] = 0.01 * values[:16]
            one.CopyFrom(numpy_helper.from_array(values, "w2"))
    pruned = {
        layers: PRUNE.apply(
            model, materials(model, tmp_path), {"sparsity": 0.6, "layers": layers, "repair": False}
        )
        for layers in ("measured", "uniform")
    }
    assert error(pruned["measured"], model) < error(pruned["uniform"], model)


def test_what_cannot_be_pruned_is_said_in_a_sentence() -> None:
    assert PRUNE.refuse(net(), Target()) == ""
    bare = net()
    del bare.graph.initializer[:]
    assert "no layer" in PRUNE.refuse(bare, Target())
    broken = net()
    broken.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.full((16, 3, 3, 3), np.nan, np.float32), "w0")
    )
    assert "'first'" in PRUNE.refuse(broken, Target())
    quantized = net()
    quantized.graph.initializer.append(numpy_helper.from_array(np.ones((9, 9), np.int8), "q"))
    quantized.graph.node.append(helper.make_node("DequantizeLinear", ["q", "s"], ["d"]))
    assert "quantized" in PRUNE.refuse(quantized, Target())


def test_nan_weights_and_impossible_shares_fail_by_name(tmp_path: Path) -> None:
    broken = net()
    broken.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.full((16, 3, 3, 3), np.nan, np.float32), "w0")
    )
    with pytest.raises(CompressionFailed, match="w0"):
        PRUNE.apply(broken, materials(broken, tmp_path), OPTIONS)
    with pytest.raises(CompressionFailed, match="1.0"):
        PRUNE.apply(net(), materials(net(), tmp_path), {**OPTIONS, "sparsity": 1.0})


def test_without_samples_it_says_so_or_does_without(tmp_path: Path) -> None:
    nothing = dataclasses.replace(materials(net(), tmp_path), calibration=Pictures(0))
    with pytest.raises(TooLittleData):
        PRUNE.apply(net(), nothing, OPTIONS)
    assert zeros(PRUNE.apply(net(), nothing, {**OPTIONS, "repair": False})) == pytest.approx(0.5, abs=0.01)


def test_half_precision_weights_keep_their_dtype(tmp_path: Path) -> None:
    model = net()
    for one in model.graph.initializer:
        if one.name == "w3":
            one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float16), "w3"))
    made = PRUNE.apply(model, materials(model, tmp_path), {**OPTIONS, "repair": False})
    assert {one.name: one.data_type for one in made.graph.initializer}["w3"] == TensorProto.FLOAT16


@pytest.mark.parametrize("name", ["prune", "share"])
def test_one_bias_for_all_outputs_is_left_alone(name: str, tmp_path: Path) -> None:
    model = net()
    for one in model.graph.initializer:
        if one.name == "b3":
            one.CopyFrom(numpy_helper.from_array(np.array([0.5], np.float32), "b3"))
    found = technique(name)
    options = {key: values[0] for key, values in found.choices.items()} | {"bits": 3}
    made = found.apply(model, materials(model, tmp_path), options)
    assert weights_of(made)["b3"].tolist() == [0.5]
    assert not np.array_equal(weights_of(made)["w3"], weights_of(model)["w3"])
    assert error(made, model) < 0.5
