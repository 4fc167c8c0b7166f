"""The layer that cannot lose bits is found, before and after the deed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from lepton_edge.compress import sensitivity
from lepton_edge.compress.errors import TooLittleData
from lepton_edge.compress.recipe import Value
from lepton_edge.compress.sensitivity import ChannelNoise, First, Noise
from lepton_edge.compress.technique import Sample
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.hard_nets import of, ruined, with_weights
from tests.lepton_edge.compress.small_nets import Pictures, materials, net, weights_of
from tests.partitioner.onnx_io import handmade

STATIC = technique("static_int8")
PLAIN = {key: values[0] for key, values in STATIC.choices.items()} | {
    "ranges": "minmax",
    "correct_bias": False,
}


def test_every_layer_is_ranked_the_worst_first(tmp_path: Path) -> None:
    found = sensitivity.per_layer(net(), materials(net(), tmp_path))
    assert {one.layer for one in found} == {"first", "depth", "wide", "last"}
    assert [one.sqnr for one in found] == sorted(one.sqnr for one in found)
    assert all(20 < one.sqnr < 80 for one in found)


def test_the_layers_on_either_side_of_a_ruined_tensor_come_first(tmp_path: Path) -> None:
    model = ruined()
    found = sensitivity.per_layer(model, materials(model, tmp_path), PLAIN)
    assert {one.layer for one in found[:2]} == {"wide", "last"}
    assert found[1].sqnr < 10 < found[2].sqnr - 5


DEFAULT = {key: values[0] for key, values in STATIC.choices.items()}


@pytest.mark.parametrize("options", [PLAIN, DEFAULT])
def test_the_layer_with_the_loud_channel_is_blamed_in_the_finished_model(
    options: dict[str, Value], tmp_path: Path
) -> None:
    model = ruined()
    made = STATIC.apply(model, materials(model, tmp_path), options)
    found = sensitivity.blame(model, made, Pictures(4))
    assert found is not None
    assert (found.layer, found.operator) == ("wide", "Conv")
    assert found.sqnr < 10
    assert str(found).startswith("layer wide (Conv): ")


def test_equalised_channels_are_compared_without_their_factor() -> None:
    noise, plain = ChannelNoise(scaled=True), ChannelNoise(scaled=False)
    wanted = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    for one in (noise, plain):
        one.add(wanted, wanted * np.array([1.0, 3.0, 16.0]).reshape(1, 3, 1, 1))
    assert noise.sqnr > 100
    assert plain.sqnr < 3


def test_a_loud_channel_does_not_hide_the_others() -> None:
    wanted = np.ones((1, 4, 2, 2))
    wanted[:, 0] = 1e6
    found = np.zeros_like(wanted)
    found[:, 0] = 1e6
    by_channel, whole = ChannelNoise(scaled=False), Noise()
    by_channel.add(wanted, found)
    whole.add(wanted, found)
    assert whole.sqnr > 100
    assert by_channel.sqnr == pytest.approx(-10 * np.log10(0.75))


@pytest.mark.parametrize("layer", ["first", "depth", "wide", "last"])
def test_blame_finds_a_weight_that_was_replaced(layer: str) -> None:
    model = net()
    name = next(node.input[1] for node in model.graph.node if node.name == layer)
    broken = with_weights(model, **{name: -weights_of(model)[name][::-1]})
    found = sensitivity.blame(model, broken, Pictures(4))
    assert found is not None
    assert found.layer == layer


def test_nan_is_blamed_and_not_raised() -> None:
    model = net()
    broken = with_weights(model, w2=weights_of(model)["w2"] * np.nan)
    found = sensitivity.blame(model, broken, Pictures(2))
    assert found is not None
    assert (found.layer, found.sqnr) == ("wide", -sensitivity.PERFECT)


def other() -> ModelProto:
    return of(
        [helper.make_node("Flatten", ["x"], ["other"], "flat")],
        {},
        {"x": ["n", 3, 12, 12]},
        {"other": ["n", 432]},
    )


def test_models_without_a_common_tensor_blame_nobody() -> None:
    assert sensitivity.blame(net(), other(), Pictures(2)) is None


def test_blame_needs_a_sample() -> None:
    with pytest.raises(TooLittleData):
        sensitivity.blame(net(), net(), First(Pictures(), 0))


def test_noise_is_counted_in_decibels() -> None:
    noise = Noise()
    noise.add(np.full(10, 10.0), np.full(10, 11.0))
    assert noise.sqnr == pytest.approx(20.0)
    noise.add(np.zeros(2), np.zeros(3))
    assert noise.sqnr == -sensitivity.PERFECT


def test_the_first_of_many_are_few() -> None:
    few = First(Pictures(20), 5)
    assert len(few) == len(list(few)) == 5
    assert len(First(Pictures(3), 5)) == 3


def test_nobody_is_blamed_where_nothing_is_lost() -> None:
    assert sensitivity.blame(net(), net(), Pictures(2)) is None


def test_what_is_no_array_is_passed_over() -> None:
    model = handmade.sequences()
    (name,) = (one.name for one in model.graph.input)
    shape = [one.dim_value or 2 for one in model.graph.input[0].type.tensor_type.shape.dim]
    sample = Sample({name: np.ones(shape, np.float32)}, "row 0")
    assert sensitivity.blame(model, model, First([sample], 1)) is None


def test_samples_of_different_lengths_are_compared() -> None:
    random = np.random.default_rng(0)
    noise, good = ChannelNoise(scaled=False), ChannelNoise(scaled=False)
    for length in (5, 7, 5, 9):
        wanted = random.standard_normal((1, length))
        noise.add(wanted, wanted + 0.3 * random.standard_normal((1, length)))
        good.add(wanted, wanted)
    assert 3 < noise.sqnr < 20
    assert good.sqnr > 60
