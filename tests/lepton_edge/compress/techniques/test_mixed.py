"""Mixed precision: what cannot lose bits stays float, as little as will do, and gives back what costs time."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto

from lepton_edge.compress import sensitivity
from lepton_edge.compress.errors import BudgetNotMet
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import technique
from lepton_edge.compress.techniques.mixed import Judges, greedy
from partitioner.units import Seconds
from tests.lepton_edge.compress.hard_nets import operators, ruined
from tests.lepton_edge.compress.small_nets import error, materials, net

MIXED, STATIC = technique("mixed_int8"), technique("static_int8")
OPTIONS: dict[str, Value] = {key: values[0] for key, values in MIXED.choices.items()}


def float_layers(model: ModelProto) -> set[str]:
    """Return the layers whose weights are not expanded from integers."""
    expanded = {
        name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    return {
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and node.input[1] not in expanded
    }


def test_the_worst_layers_stay_float_and_save_the_answers(tmp_path: Path) -> None:
    model = ruined()
    kit = materials(model, tmp_path)
    plain = {key: values[0] for key, values in STATIC.choices.items()}
    assert error(STATIC.apply(model, kit, plain), model) > 0.1
    made = MIXED.apply(model, kit, {**OPTIONS, "kept_share": 0.4})
    assert float_layers(made) == {"wide", "last"}
    assert error(made, model) < 3e-3


def test_at_least_one_layer_stays_float(tmp_path: Path) -> None:
    made = MIXED.apply(net(), materials(net(), tmp_path), {**OPTIONS, "kept_share": 0.05})
    assert len(float_layers(made)) == 1


def test_it_is_a_technique() -> None:
    assert isinstance(MIXED, Technique)
    assert MIXED.refuse(net(), Target()) == ""


def judges(model: ModelProto, max_loss: float, slow: str = "") -> Judges:
    """Return judges for whom a float layer costs a second, and the layer `slow` ten."""

    def measure(made: ModelProto) -> Seconds:
        kept = float_layers(made)
        return Seconds(len(kept) + 9.0 * (slow in kept))

    return Judges(lambda made: error(made, model), measure, max_loss)


def test_nothing_stays_float_where_nothing_is_lost(tmp_path: Path) -> None:
    found = greedy(net(), materials(net(), tmp_path), judges(net(), 0.01))
    assert found.chosen.kept == ()
    assert float_layers(found.model) == set()


def test_as_few_layers_as_will_do_stay_float(tmp_path: Path) -> None:
    model = ruined()
    found = greedy(model, materials(model, tmp_path), judges(model, 0.01))
    assert set(found.chosen.kept) == {"wide", "last"}
    assert found.chosen.loss <= 0.01
    assert error(found.model, model) == pytest.approx(found.chosen.loss)
    assert operators(found.model)["QuantizeLinear"] > 0


def test_a_layer_that_was_not_needed_is_given_back(tmp_path: Path) -> None:
    """A judge that minds `last` alone: `wide` comes first in the order and is quantized again."""
    model = ruined()

    def loss(made: ModelProto) -> float:
        return 0.0 if "last" in float_layers(made) else 1.0

    found = greedy(model, materials(model, tmp_path), Judges(loss, judges(model, 0.5).measure, 0.5))
    assert found.chosen.kept == ("last",)


def test_what_is_given_back_together_still_keeps_the_budget(tmp_path: Path) -> None:
    """Either of the first two layers may be quantized again, but not both."""
    model = net()
    order = [one.layer for one in sensitivity.per_layer(model, materials(model, tmp_path))]

    def loss(made: ModelProto) -> float:
        kept = float_layers(made)
        return 0.0 if order[2] in kept and len(kept) >= 2 else 1.0

    found = greedy(model, materials(model, tmp_path), Judges(loss, judges(model, 0.5).measure, 0.5))
    assert len(found.chosen.kept) == 2
    assert order[2] in found.chosen.kept
    assert loss(found.model) == found.chosen.loss == 0.0


def test_an_impossible_budget_says_the_best_and_the_worst_layer(tmp_path: Path) -> None:
    model = ruined()
    with pytest.raises(BudgetNotMet, match=r"loses 1 of 0.*layer (wide|last)"):
        greedy(model, materials(model, tmp_path), Judges(lambda made: 1.0, lambda made: Seconds(1.0), 0.0))


def test_tries_are_bounded(tmp_path: Path) -> None:
    asked: list[int] = []

    def loss(made: ModelProto) -> float:
        asked.append(1)
        return 1.0 if len(asked) < 3 else 0.0

    greedy(net(), materials(net(), tmp_path), Judges(loss, lambda made: Seconds(1.0), 0.5), tries=4)
    assert len(asked) <= 4
