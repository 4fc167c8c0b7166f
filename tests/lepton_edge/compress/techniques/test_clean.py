"""Clean-up folds what can be folded, answers as before, and is never worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import clean, technique
from tests.lepton_edge.compress.hard_nets import of, operators
from tests.lepton_edge.compress.small_nets import error, materials, net, weights_of

CLEAN = technique("clean")


def untidy() -> ModelProto:
    """Return conv, batch norm, a product with one, and a branch that nobody reads."""
    held = {name: weights_of(net())[name] for name in ("w0",)}
    held |= {name: np.linspace(0.5, 1.5, 16) for name in ("gain", "shift", "mean", "var")} | {
        "one": np.float32(1)
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], "first", pads=[1] * 4),
        helper.make_node("BatchNormalization", ["a", "gain", "shift", "mean", "var"], ["b"], "norm"),
        helper.make_node("Tanh", ["b"], ["dead"], "dead"),
        helper.make_node("Mul", ["b", "one"], ["c"], "times_one"),
        helper.make_node("Relu", ["c"], ["y"], "relu"),
    ]
    return of(nodes, held, {"x": ["n", 3, 12, 12]}, {"y": ["n", 16, 12, 12]})


@pytest.mark.parametrize("slim", [True, False])
def test_batch_norms_and_dead_branches_go_and_answers_stay(slim: bool, tmp_path: Path) -> None:
    model = untidy()
    before = model.SerializeToString()
    made = CLEAN.apply(model, materials(model, tmp_path), {"slim": slim})
    assert dict(operators(made)) == {"Conv": 1, "Relu": 1}
    assert error(made, model) < 1e-10
    assert made.ByteSize() <= model.ByteSize()
    assert model.SerializeToString() == before


def test_it_is_a_technique_that_refuses_nothing() -> None:
    assert isinstance(CLEAN, Technique)
    assert CLEAN.refuse(untidy(), Target()) == ""


def test_a_simplifier_that_answers_otherwise_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean, "_slimmed", lambda model: net(seed=1))
    model = net()
    made = CLEAN.apply(model, materials(model, tmp_path), {"slim": True})
    assert error(made, model) < 1e-10


def test_a_larger_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def larger(model: ModelProto) -> ModelProto:
        made = ModelProto()
        made.CopyFrom(model)
        made.doc_string = "x" * 20_000
        return made

    monkeypatch.setattr(clean, "_slimmed", larger)
    made = CLEAN.apply(net(), materials(net(), tmp_path), {"slim": True})
    assert made.ByteSize() < 1.05 * net().ByteSize()


def test_a_simplifier_that_gives_up_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxslim

    def gives_up(model: ModelProto) -> ModelProto:
        raise KeyError("shape")

    monkeypatch.setattr(onnxslim, "slim", gives_up)
    assert error(CLEAN.apply(net(), materials(net(), tmp_path), {"slim": True}), net()) < 1e-10
