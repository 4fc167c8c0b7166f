"""Optimisation is used only where answers stay and no foreign operator appears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from partitioner.errors import InvalidModel
from partitioner.onnx_io import load, optimise, runtime
from partitioner.onnx_io.optimise import agree, difference
from tests.partitioner.onnx_io import handmade

FEEDS = {"x": np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)}


def test_batch_norm_disappears_and_answers_stay(tmp_path: Path) -> None:
    model = handmade.small_conv_net()
    load.normalise(model)
    simpler = optimise.optimise(model, tmp_path, FEEDS)
    assert "BatchNormalization" not in {node.op_type for node in simpler.graph.node}
    assert {one.domain for one in simpler.opset_import} == {""}
    wanted, found = (optimise.answers(one, tmp_path, FEEDS) for one in (model, simpler))
    assert agree(wanted, found, 1e-5)


def test_a_rewrite_that_changes_answers_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = handmade.small_conv_net(), handmade.small_conv_net()
    other.graph.initializer[0].CopyFrom(handmade.weight("k1", 8, 3, 3, 3, seed=1))
    monkeypatch.setattr(optimise, "_rewrite", lambda *_: other)
    assert optimise.optimise(model, tmp_path, FEEDS) is model


def test_a_rewrite_with_foreign_operators_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = handmade.small_conv_net()
    monkeypatch.setattr(runtime, "BASIC", runtime.FULL)  # fuses into com.microsoft
    assert optimise.optimise(model, tmp_path, FEEDS) is model


def test_a_rewrite_beyond_the_models_own_opset_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opset 13 has no LayerNormalization, though the engine runs one."""
    model = handmade.decomposed_norm(opset=13)
    load.normalise(model)
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)}
    fused = load.ModelProto.FromString(model.SerializeToString())
    first = [node.name for node in fused.graph.node].index("mu")
    fused.graph.node[first].CopyFrom(
        handmade.node("LayerNormalization", "h gamma beta", "normed", epsilon=1e-5)
    )
    del fused.graph.node[first + 1 : first + 9]
    monkeypatch.setattr(optimise, "_rewrite", lambda *_: fused)
    wanted, found = (optimise.answers(one, tmp_path, feeds) for one in (model, fused))
    assert agree(wanted, found, 1e-5)
    assert optimise.optimise(model, tmp_path, feeds) is model


def test_an_optimiser_that_fails_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InvalidModel("no")

    model = handmade.small_conv_net()
    monkeypatch.setattr(optimise, "_rewrite", refuse)
    assert optimise.optimise(model, tmp_path, FEEDS) is model


def test_differences() -> None:
    one = np.array([1.0, -2.0, np.nan, np.inf], np.float32)
    assert difference(one, one) == 0
    assert difference(one, one + np.float32(0.5)) == 0.25
    assert difference(one, np.array([1, -2, 0, np.inf], np.float32)) == np.inf
    assert difference(one, one.astype(np.float64)) == np.inf
    assert difference(one, one[:2]) == np.inf
    assert difference(np.zeros(2), np.zeros(2)) == 0
    assert difference(np.zeros(2), np.ones(2)) == np.inf
    assert difference(np.zeros(0), np.zeros(0)) == 0
    assert difference(np.array(["a"]), np.array(["b"])) == np.inf
    assert difference([one], [one]) == 0
    assert not agree({"y": one}, {"z": one}, 1.0)
