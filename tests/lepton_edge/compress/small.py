"""A small classifier, data that it classifies, and techniques that do simple things to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials

CLASSES, WIDE = 4, 64


def classifier(seed: int = 0) -> ModelProto:
    """Return x [batch, 16] -> y [batch, 4], float32, two layers."""
    random = np.random.default_rng(seed)
    first = random.normal(size=(16, WIDE)).astype(np.float32)
    second = random.normal(size=(WIDE, CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], "second"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("x", 16), ("y", 4))
    ]
    weights = [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(second, "w2")]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(model: ModelProto) -> dict[str, np.ndarray[Any, Any]]:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def answer(model: ModelProto, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what the classifier answers, by numpy."""
    held = weights(model)
    return np.asarray(np.maximum(x @ held["w1"], 0) @ held["w2"])


def data(model: ModelProto, count: int = 40, seed: int = 1) -> list[tuple[dict[str, Any], Any]]:
    """Return samples with the labels that the model itself gives them."""
    x = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    labels = answer(model, x).argmax(axis=1)
    return [({"x": row[None]}, label) for row, label in zip(x, labels, strict=True)]


def with_weights(
    model: ModelProto, change: Callable[[str, np.ndarray[Any, Any]], np.ndarray[Any, Any]]
) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    for one in made.graph.initializer:
        one.CopyFrom(numpy_helper.from_array(change(one.name, numpy_helper.to_array(one)), one.name))
    return made


@dataclass
class Rounds:
    """Rounds weights to a grid, so that the store makes them smaller: `bits` says how much is lost."""

    name: str = "rounds"
    choices: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: {"bits": (8, 4, 1)})
    needs_data: bool = False
    extra: str = ""
    applied: list[int] = field(default_factory=list)

    def refuse(self, model: ModelProto, target: Target) -> str:
        return ""

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        bits = int(options["bits"])
        self.applied.append(bits)

        def rounded(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            step = np.abs(array).max() / 2 ** (bits - 1)
            return np.asarray((np.round(array / step) * step).astype(array.dtype))

        return with_weights(model, rounded)


@dataclass
class Does:
    """Does what it is told."""

    name: str
    act: Callable[[ModelProto, Materials], ModelProto]
    reason: str = ""
    choices: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    needs_data: bool = False
    extra: str = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        return self.reason

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        return self.act(model, materials)


def fails(message: str, layer: str = "first") -> Does:
    def act(model: ModelProto, materials: Materials) -> ModelProto:
        raise CompressionFailed(f"{layer}: {message}")

    return Does("fails", act)


def ruins() -> Does:
    """Turn every weight into noise of one sign."""
    return Does(
        "ruins", lambda model, materials: with_weights(model, lambda name, array: np.abs(array[::-1]) * 0 + 1)
    )


def turns_nan() -> Does:
    return Does(
        "turns_nan",
        lambda model, materials: with_weights(model, lambda name, array: array * np.float32("nan")),
    )
