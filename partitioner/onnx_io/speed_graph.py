"""The graph that every device runs to tell its speed: what convolutional nets and transformers are made of.

Law: one fixed graph, never changed (a change would make old and new devices' seconds incomparable; then it
needs another name). Made here, committed as `device_agents/engine/graphs/speed.onnx`, because a board has no
`onnx`; a test makes it again and compares. Weights are fills, folded when the session is opened: the file
stays small. About 0.1 billion multiply-adds, of which a third each are in a 3x3 convolution, in 1x1
convolutions around a depthwise one, and in matrix products.
"""

from __future__ import annotations

import sys
from pathlib import Path

from onnx import NodeProto, TensorProto, ValueInfoProto, helper

OPSET = 13
IR_VERSION = 8
FILL = 0.01
SPEED_FILE = "speed.onnx"


def speed_graph() -> bytes:
    """Return the serialized ONNX model: `x` [1, 32, 56, 56] and `m` [64, 512] in, `y` and `n` out, float32."""
    nodes = [
        *_convolution("x", "a", (32, 32, 3, 3)),
        *_convolution("a", "b", (128, 32, 1, 1)),
        *_convolution("b", "c", (128, 1, 3, 3), group=128),
        *_convolution("c", "d", (32, 128, 1, 1)),
        helper.make_node("Add", ["a", "d"], ["sum"]),
        helper.make_node("GlobalAveragePool", ["sum"], ["y"]),
        *_product("m", "e", (512, 512)),
        helper.make_node("Softmax", ["e"], ["f"], axis=-1),
        *_product("f", "n", (512, 512)),
    ]
    inputs = [_floats("x", (1, 32, 56, 56)), _floats("m", (64, 512))]
    outputs = [_floats("y", (1, 32, 1, 1)), _floats("n", (64, 512))]
    graph = helper.make_graph(nodes, "speed", inputs, outputs)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="lepton-edge")
    file: bytes = model.SerializeToString(deterministic=True)
    return file


def _convolution(source: str, made: str, shape: tuple[int, ...], group: int = 1) -> list[NodeProto]:
    """Return a convolution with a fill as its weights, and the activation that engines fuse into it."""
    padding = [shape[2] // 2] * 4
    return [
        *_fill(f"{made}.w", shape),
        helper.make_node("Conv", [source, f"{made}.w"], [f"{made}.conv"], group=group, pads=padding),
        helper.make_node("Relu", [f"{made}.conv"], [made]),
    ]


def _product(source: str, made: str, shape: tuple[int, ...]) -> list[NodeProto]:
    return [*_fill(f"{made}.w", shape), helper.make_node("MatMul", [source, f"{made}.w"], [made])]


def _fill(name: str, shape: tuple[int, ...]) -> list[NodeProto]:
    size = helper.make_tensor(f"{name}.shape", TensorProto.INT64, [len(shape)], shape)
    value = helper.make_tensor(f"{name}.value", TensorProto.FLOAT, [1], [FILL])
    return [
        helper.make_node("Constant", [], [f"{name}.size"], value=size),
        helper.make_node("ConstantOfShape", [f"{name}.size"], [name], value=value),
    ]


def _floats(name: str, shape: tuple[int, ...]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "device_agents/engine/graphs")
    (folder / SPEED_FILE).write_bytes(speed_graph())
