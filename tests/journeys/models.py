"""Models that journeys take along: small enough that nobody waits for them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def small_model(seed: int = 0) -> onnx.ModelProto:
    """Return a small convolutional net: input x float32 [1,3,32,32], output y float32 [1,10]."""
    make = np.random.default_rng(seed).standard_normal
    shapes = {"w1": (8, 3, 3, 3), "w2": (16, 8, 3, 3), "w3": (10, 16)}
    weights = [numpy_helper.from_array((make(s) / 4).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "first/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "first/Relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "second/Conv", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"], "second/Relu"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "pool"),
        helper.make_node("Flatten", ["e"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "classify", transB=1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "small", [x], [y], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
