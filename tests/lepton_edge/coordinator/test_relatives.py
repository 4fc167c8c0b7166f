"""Models say whose variants they are, and how they differ."""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.coordinator import reports

PLAIN = ("ai.onnx/Conv", "ai.onnx/Relu")
QUANTIZED = ("ai.onnx/Conv", "ai.onnx/DequantizeLinear", "ai.onnx/QuantizeLinear")


def test_a_model_and_its_variant_name_each_other(world: Any, make: Any) -> None:
    world.push(dataclasses.replace(make.model(weights=400), operators=PLAIN))
    int8 = make.model("net-int8", "v7", weights=100)
    world.push(dataclasses.replace(int8, operators=QUANTIZED, variant_of="net"))
    base, variant = (reports.model(world.state, name) for name in ("net", "net-int8"))
    assert base["variants"] == [{"model": "net-int8", "version": "v7", "weights_bytes": 100}]
    assert (base["differs"], variant["variants"]) == (None, [])
    assert variant["differs"] == {
        "from": "net",
        "weights_bytes": 100,
        "its_weights_bytes": 400,
        "operators": ["ai.onnx/DequantizeLinear", "ai.onnx/QuantizeLinear"],
        "without": ["ai.onnx/Relu"],
    }


def test_whose_model_is_gone_differs_from_nothing(world: Any, make: Any) -> None:
    world.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    told = reports.model(world.state, "net-int8")
    assert (told["variant_of"], told["differs"]) == ("net", None)
