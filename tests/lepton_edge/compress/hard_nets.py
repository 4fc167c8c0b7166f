"""Nets that quantize badly, each for one reason, and what the tests ask of quantized models."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from partitioner.onnx_io import runtime
from tests.lepton_edge.compress.small_nets import net, weights_of


def with_weights(model: ModelProto, **changed: np.ndarray[Any, Any]) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    for one in made.graph.initializer:
        if one.name in changed:
            one.CopyFrom(numpy_helper.from_array(changed[one.name].astype(np.float32), one.name))
    return made


def unequal() -> ModelProto:
    """Return the small net with channels a thousand times apart before the depthwise layer, which evens them out."""
    model = net()
    held = weights_of(model)
    factor = np.logspace(0, -3, 16)
    return with_weights(
        model,
        w0=held["w0"] * factor[:, None, None, None],
        b0=held["b0"] * factor,
        w1=held["w1"] / factor[:, None, None, None],
    )


def ruined() -> ModelProto:
    """Return the small net with one enormous channel that nothing reads: its scale leaves no bit for the others."""
    model = net()
    held = weights_of(model)
    wide, bias, last = held["w2"].copy(), held["b2"].copy(), held["w3"].copy()
    wide[0], bias[0], last[:, 0] = 0.0, 3e4, 0.0
    return with_weights(model, w2=wide, b2=bias, w3=last)


def residual() -> ModelProto:
    """Return conv, then a branch of two convs added to it, relu, pool, Gemm, and a float Tanh aside."""
    random = np.random.default_rng(3)
    shapes = {"w0": (8, 3, 3, 3), "w1": (8, 8, 3, 3), "w2": (8, 8, 3, 3), "w3": (10, 8)}
    held = {name: random.standard_normal(one) / np.sqrt(np.prod(one[1:])) for name, one in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], "stem", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["ar"], "stem_relu"),
        helper.make_node("Conv", ["ar", "w1"], ["b"], "one", pads=[1] * 4),
        helper.make_node("Relu", ["b"], ["br"], "one_relu"),
        helper.make_node("Conv", ["br", "w2"], ["c"], "two", pads=[1] * 4),
        helper.make_node("Add", ["c", "ar"], ["d"], "sum"),
        helper.make_node("Relu", ["d"], ["dr"], "sum_relu"),
        helper.make_node("GlobalAveragePool", ["dr"], ["p"], "mean"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "last", transB=1),
        helper.make_node("Tanh", ["dr"], ["aside"], "aside"),
    ]
    return of(nodes, held, {"x": ["n", 3, 12, 12]}, {"y": ["n", 10], "aside": ["n", 8, 12, 12]})


def reader(rows: int = 2048, width: int = 64) -> ModelProto:
    """Return an embedding table, two products with a bias and a Gemm: ids int64 [1, t] -> y float32 [t, 8]."""
    random = np.random.default_rng(5)
    held = {
        "table": random.standard_normal((rows, width)) * np.logspace(0, 1, rows)[:, None],
        "w1": random.standard_normal((width, 256)) / 8,
        "b1": random.standard_normal(256) / 8,
        "w2": random.standard_normal((256, width)) / 16,
        "w3": random.standard_normal((8, width)) / 8,
        "b3": random.standard_normal(8),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], "lookup"),
        helper.make_node("MatMul", ["e", "w1"], ["m"], "up"),
        helper.make_node("Add", ["m", "b1"], ["mb"], "bias"),
        helper.make_node("Relu", ["mb"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "w2"], ["down"], "down"),
        helper.make_node("Squeeze", ["down", "axes"], ["s"], "squeeze"),
        helper.make_node("Gemm", ["s", "w3", "b3"], ["y"], "last", transB=1),
    ]
    made = of(nodes, held, {}, {"y": ["t", 8]})
    made.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "axes"))
    made.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "t"]))
    return made


def of(
    nodes: list[Any],
    held: dict[str, Any],
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    opset: int = 17,
) -> ModelProto:
    """Return a valid float32 model."""
    weights = [numpy_helper.from_array(np.asarray(one, np.float32), name) for name, one in held.items()]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in one.items()]
        for one in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "hard", *ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: ModelProto, **feeds: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    session = runtime.open_session(model, runtime.options(None, runtime.FULL))
    return runtime.run(session, feeds)


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def kernels(model: ModelProto, folder: Any) -> Counter[str]:
    """Return what the engine really runs: operators after all of its fusions."""
    import onnx

    chosen = runtime.options(None, runtime.FULL)
    chosen.optimized_model_filepath = str(folder / "fused.onnx")
    runtime.open_session(model, chosen)
    return operators(onnx.load(folder / "fused.onnx"))


def cosine(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    one, other = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
