"""Static quantization: nets that quantize badly come right, and what cannot be done is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from lepton_edge.compress import bottlenecks, layers
from lepton_edge.compress.errors import AlreadyCompressed, CompressionRefused, TooLittleData
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.sensitivity import First
from lepton_edge.compress.technique import Sample, Technique
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.hard_nets import cosine, kernels, reader, residual, run, unequal, with_weights
from tests.lepton_edge.compress.small_nets import Pictures, error, materials, net, weights_of
from tests.partitioner.onnx_io import handmade

STATIC = technique("static_int8")
OPTIONS: dict[str, Value] = {key: values[0] for key, values in STATIC.choices.items()}
PLAIN: dict[str, Value] = {**OPTIONS, "ranges": "minmax", "equalize": False, "correct_bias": False}


def test_it_is_a_technique() -> None:
    assert isinstance(STATIC, Technique)
    assert STATIC.needs_data


@pytest.mark.parametrize("target", [Target(), Target(activation="int8"), Target(saturates=True)])
def test_answers_stay_near_on_every_target(target: Target, tmp_path: Path) -> None:
    model = net()
    before = model.SerializeToString()
    made = STATIC.apply(model, replace(materials(model, tmp_path), target=target), OPTIONS)
    assert error(made, model) < 3e-3
    assert model.SerializeToString() == before
    zeros = {one.dtype.name for name, one in weights_of(made).items() if name == "x/zero_point"}
    assert zeros == {target.activation}
    widest = max(np.abs(weights_of(made)[f"{name}/quantized"].astype(int)).max() for name in ("w2", "w3"))
    assert widest == (63 if target.saturates else 127)


def test_a_net_with_unequal_channels_is_saved_by_equalisation(tmp_path: Path) -> None:
    model = unequal()
    kit = materials(model, tmp_path)
    ruined = error(STATIC.apply(model, kit, PLAIN), model)
    assert ruined > 0.02
    assert error(STATIC.apply(model, kit, {**PLAIN, "equalize": True}), model) < ruined / 4


@pytest.mark.parametrize("ranges", STATIC.choices["ranges"])
def test_batch_norms_are_folded_before(ranges: str, tmp_path: Path) -> None:
    model = handmade.small_conv_net()
    shape = [one.dim_value or 1 for one in model.graph.input[0].type.tensor_type.shape.dim]

    class Noise(Pictures):
        def __init__(self) -> None:
            self._held = np.random.default_rng(0).standard_normal((6, *shape)).astype(np.float32)[:, 0:1]
            self._held = self._held.reshape(6, *shape[1:])

    made = STATIC.apply(
        model, replace(materials(model, tmp_path), calibration=Noise()), {**OPTIONS, "ranges": ranges}
    )
    assert "BatchNormalization" not in kernels(made, tmp_path)
    assert kernels(made, tmp_path)["QLinearConv"] >= 1


def test_layers_that_are_named_stay_float(tmp_path: Path) -> None:
    made = STATIC.apply(residual(), materials(residual(), tmp_path), {**OPTIONS, "keep_float": "one|two"})
    found = kernels(made, tmp_path)
    assert found["QLinearConv"] == 1
    assert found["Conv"] + found["FusedConv"] == 2


def test_a_model_that_is_quantized_already_is_refused(tmp_path: Path) -> None:
    made = STATIC.apply(net(), materials(net(), tmp_path), PLAIN)
    assert "already" in STATIC.refuse(made, Target())
    with pytest.raises(AlreadyCompressed, match="already"):
        STATIC.apply(made, materials(made, tmp_path), PLAIN)


@pytest.mark.parametrize("equalize", [True, False])
def test_no_data_is_said(equalize: bool, tmp_path: Path) -> None:
    kit = replace(materials(net(), tmp_path), calibration=First(Pictures(), 0))
    with pytest.raises(TooLittleData):
        STATIC.apply(net(), kit, {**OPTIONS, "equalize": equalize})


def test_nan_in_a_weight_is_refused_with_its_name(tmp_path: Path) -> None:
    model = with_weights(net(), w1=weights_of(net())["w1"] * np.nan)
    with pytest.raises(CompressionRefused, match="'w1'"):
        STATIC.apply(model, materials(model, tmp_path), OPTIONS)


def test_an_old_operator_set_is_raised(tmp_path: Path) -> None:
    model: ModelProto = net()
    model.opset_import[0].version = 11
    made = STATIC.apply(model, materials(model, tmp_path), OPTIONS)
    assert made.opset_import[0].version >= 13
    assert error(made, net()) < 3e-3


def test_the_same_twice_is_the_same_model(tmp_path: Path) -> None:
    one, other = (STATIC.apply(net(), materials(net(), tmp_path), OPTIONS) for _ in range(2))
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


class Ids:
    def __iter__(self) -> Iterator[Sample]:
        random = np.random.default_rng(0)
        return (Sample({"ids": random.integers(0, 2048, (1, 12))}, f"row {one}") for one in range(8))

    def __len__(self) -> int:
        return 8


@pytest.mark.parametrize(("stored", "smaller"), [(True, 3.4), (False, 1.1)])
def test_embedding_tables_are_stored_in_int8(stored: bool, smaller: float, tmp_path: Path) -> None:
    model = reader()
    kit = replace(materials(model, tmp_path), calibration=Ids())
    made = STATIC.apply(model, kit, {**OPTIONS, "tables": stored})
    assert model.ByteSize() / made.ByteSize() > smaller
    assert (model.ByteSize() / made.ByteSize() > 2) is stored
    ids = np.arange(20)[None]
    assert cosine(run(made, ids=ids)["y"], run(model, ids=ids)["y"]) > 0.99


def test_a_bottleneck_is_no_quantized_model_and_its_coder_stays_as_it_was(tmp_path: Path) -> None:
    original = net()
    given = materials(original, tmp_path)
    (neck, *_) = bottlenecks.necks(original)
    coder = bottlenecks.principal(original, neck, given.calibration, neck.shape[0], 1)
    coded = bottlenecks.inserted(original, neck, coder)
    assert layers.why_not(coded) == ""
    assert not layers.has_integers(coded)
    assert "static_int8 comes before it" in technique("qat").refuse(coded, Target())
    made = STATIC.apply(coded, given, OPTIONS)
    assert error(made, coded) < 3e-3
    before, after = weights_of(coded), weights_of(made)
    mine = [name for name in before if name.startswith(f"{bottlenecks.PREFIX}.")]
    assert mine
    assert all(np.array_equal(before[name], after[name]) for name in mine)
    makers = {name: node for node in made.graph.node for name in node.output}
    assert (
        makers[bottlenecks.CODE].input[0] == f"{bottlenecks.PREFIX}/narrow"
    )  # rounded once, by its own scale
    assert sum(node.op_type == "QuantizeLinear" for node in made.graph.node) > 2
    assert STATIC.refuse(made, Target()) == layers.ALREADY
