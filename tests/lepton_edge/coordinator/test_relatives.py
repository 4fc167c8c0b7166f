"""Models say whose variants they are, and how they differ."""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import reports

PLAIN = ("ai.onnx/Conv", "ai.onnx/Relu")
QUANTIZED = ("ai.onnx/Conv", "ai.onnx/DequantizeLinear", "ai.onnx/QuantizeLinear")


def test_a_model_and_its_variant_name_each_other(world: Any, make: Any) -> None:
    world.push(dataclasses.replace(make.model(weights=400), operators=PLAIN))
    int8 = make.model("net-int8", "v7", weights=100)
    world.push(dataclasses.replace(int8, operators=QUANTIZED, variant_of="net"))
    base, variant = (reports.model(world.state, name) for name in ("net", "net-int8"))
    assert base["variants"] == [
        {"model": "net-int8", "version": "v7", "weights_bytes": 100, "of_version": "v1"}
    ]
    assert (base["differs"], variant["variants"]) == (None, [])
    assert variant["differs"] == {
        "from": "net",
        "of_version": "v1",
        "outdated": False,
        "weights_bytes": 100,
        "its_weights_bytes": 400,
        "operators": ["ai.onnx/DequantizeLinear", "ai.onnx/QuantizeLinear"],
        "without": ["ai.onnx/Relu"],
    }


def test_whose_model_is_gone_differs_from_nothing(world: Any, make: Any) -> None:
    world.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    told = reports.model(world.state, "net-int8")
    assert (told["variant_of"], told["differs"]) == ("net", None)


def test_of_another_version_of_the_model_it_is_no_variant(pair: Any, make: Any) -> None:
    pair.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    pair.push(make.model(version="v2"))
    assert reports.model(pair.state, "net-int8")["differs"]["outdated"]
    pair.deploy()
    pair.run()
    order = pair.ordered[-1]
    assert (order.version, order.variants, order.outdated) == ("v2", (), ("net-int8",))
    assert {name for name, _, _ in pair.state.profiles} == {"net"}, "nor is it measured"
    pair.push(dataclasses.replace(make.model("net-int8", "v2"), variant_of="net"))
    pair.deploy()
    pair.run()
    assert [(one.model, one.version) for one in pair.ordered[-1].variants] == [("net-int8", "v2")]
    assert pair.ordered[-1].outdated == ()


def test_a_variant_that_was_pushed_first_is_of_the_version_that_comes_next(world: Any, make: Any) -> None:
    world.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    assert world.state.models["net-int8"].variant_version == ""
    world.push()
    assert world.state.models["net-int8"].variant_version == "v1"
    world.push(make.model(version="v2"))
    assert world.state.models["net-int8"].variant_version == "v1"
    assert [one.model.name for one in world.kept if isinstance(one, c.KeepModel)] == [
        "net-int8", "net", "net-int8", "net",
    ]  # fmt: skip
