"""Dynamic quantization: products in integers, a fifth to a quarter of the bytes, answers that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.hard_nets import cosine, kernels, of, operators, reader, run, with_weights
from tests.lepton_edge.compress.small_nets import materials, net, weights_of

DYNAMIC = technique("dynamic_int8")
OPTIONS: dict[str, Value] = {key: values[0] for key, values in DYNAMIC.choices.items()}
IDS = np.random.default_rng(0).integers(0, 2048, (1, 20))


def test_it_is_a_technique_that_needs_no_data() -> None:
    assert isinstance(DYNAMIC, Technique)
    assert not DYNAMIC.needs_data


@pytest.mark.parametrize("saturates", [False, True])
def test_answers_stay_and_bytes_go(saturates: bool, tmp_path: Path) -> None:
    model = reader()
    before = model.SerializeToString()
    kit = replace(materials(model, tmp_path), target=Target(saturates=saturates))
    made = DYNAMIC.apply(model, kit, OPTIONS)
    assert cosine(run(made, ids=IDS)["y"], run(model, ids=IDS)["y"]) > 0.999
    assert made.ByteSize() < model.ByteSize() / 3.4
    assert model.SerializeToString() == before
    assert np.abs(weights_of(made)["w1/int8"].astype(int)).max() == (63 if saturates else 127)


def test_products_run_in_integers(tmp_path: Path) -> None:
    found = kernels(DYNAMIC.apply(reader(), materials(reader(), tmp_path), OPTIONS), tmp_path)
    assert found["MatMulIntegerToFloat"] + found["DynamicQuantizeMatMul"] == 3
    assert not {"MatMul", "Gemm", "FusedMatMul"} & found.keys()


def test_an_input_that_two_products_read_is_converted_once(tmp_path: Path) -> None:
    held = {name: np.random.default_rng(0).standard_normal((16, 16)) for name in ("q", "k")}
    nodes = [helper.make_node("MatMul", ["x", name], [f"y{name}"], name) for name in ("q", "k")]
    model = of(nodes, held, {"x": [2, 16]}, {"yq": [2, 16], "yk": [2, 16]})
    made = DYNAMIC.apply(model, materials(model, tmp_path), OPTIONS)
    assert operators(made)["DynamicQuantizeLinear"] == 1


def test_layers_that_are_named_stay_float(tmp_path: Path) -> None:
    made = DYNAMIC.apply(reader(), materials(reader(), tmp_path), {**OPTIONS, "keep_float": "down|lookup"})
    held = weights_of(made)
    assert held["w2"].dtype == held["table"].dtype == np.float32
    assert "w1" not in held


def recurrent() -> ModelProto:
    random = np.random.default_rng(0)
    held = {"w": random.standard_normal((1, 64, 8)) / 4, "r": random.standard_normal((1, 64, 16)) / 4}
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=16)]
    return of(nodes, held, {"x": [5, 1, 8]}, {"y": [5, 1, 1, 16]})


def test_an_lstm_is_rewritten(tmp_path: Path) -> None:
    model = recurrent()
    made = DYNAMIC.apply(model, materials(model, tmp_path), OPTIONS)
    x = np.random.default_rng(1).standard_normal((5, 1, 8)).astype(np.float32)
    assert operators(made)["DynamicQuantizeLSTM"] == 1
    assert cosine(run(made, x=x)["y"], run(model, x=x)["y"]) > 0.999


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["y"], "tanh")]
    assert "no matrix product" in DYNAMIC.refuse(of(nodes, {}, {"x": [1]}, {"y": [1]}), Target())
    made = DYNAMIC.apply(reader(), materials(reader(), tmp_path), OPTIONS)
    assert "already" in DYNAMIC.refuse(made, Target())
    broken = with_weights(net(), w3=weights_of(net())["w3"] * np.inf)
    with pytest.raises(CompressionRefused, match="'w3'"):
        DYNAMIC.apply(broken, materials(broken, tmp_path), OPTIONS)


def test_nodes_may_be_called_as_their_weights_and_inputs_are(tmp_path: Path) -> None:
    model = reader()
    names = {"lookup": "table", "up": "w1", "down": "r", "last": "w3"}
    for node in model.graph.node:
        node.name = names.get(node.name, node.name)
    made = DYNAMIC.apply(model, materials(model, tmp_path), OPTIONS)
    assert cosine(run(made, ids=IDS)["y"], run(model, ids=IDS)["y"]) > 0.99
