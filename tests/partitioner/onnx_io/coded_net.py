"""A small net of pictures and a coder for its first layer, made by hand: sixteen channels that are two, really.

Channel k of `r1` is channel k % 2 times a gain, so an encoder that sends two channels in uint8 loses what 8 bits lose.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

CHANNELS, SIDE, SENT = 16, 32, 2
SCALE = 4.0 / 255
SHAPE = (1, 3, SIDE, SIDE)
CODE_BYTES = SENT * (SIDE // 2) ** 2
ACCURACY = "[accuracy]\nmax_relative_error = 0.05\nmin_top1_kept = 0.5\n"


def net(rows: int | str = 1) -> ModelProto:
    """Return x [rows,3,32,32] -> conv, relu (r1) -> three convs -> pool -> logits [rows,10]."""
    random = np.random.default_rng(5)
    base = np.abs(random.normal(0, 0.1, (SENT, 3, 3, 3)))
    first = np.stack([base[index % SENT] * gain for index, gain in enumerate(_gains())])
    weights = {"w1": first, "w5": random.normal(0, 0.3, (10, CHANNELS))}
    weights |= {f"w{one}": random.normal(0, 0.1, (CHANNELS, CHANNELS, 3, 3)) for one in (2, 3, 4)}
    nodes = [helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2])]
    for one in (1, 2, 3, 4):
        nodes.append(helper.make_node("Relu", [f"c{one}"], [f"r{one}"]))
        if one < 4:
            nodes.append(
                helper.make_node("Conv", [f"r{one}", f"w{one + 1}"], [f"c{one + 1}"], pads=[1, 1, 1, 1])
            )
    nodes += [
        helper.make_node("GlobalAveragePool", ["r4"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w5"], ["logits"], transB=1),
    ]
    return _model(
        nodes,
        ("x", TensorProto.FLOAT, [rows, *SHAPE[1:]]),
        ("logits", TensorProto.FLOAT, [rows, 10]),
        weights,
    )


def encoder() -> ModelProto:
    """Return r1 -> its first two channels, uint8."""
    chosen = np.zeros((SENT, CHANNELS, 1, 1))
    for index in range(SENT):
        chosen[index, index] = 1.0 / _gains()[index]
    nodes = [
        helper.make_node("Conv", ["r1", "chosen"], ["two"]),
        helper.make_node("QuantizeLinear", ["two", "scale", "zero"], ["code"]),
    ]
    return _model(
        nodes,
        ("r1", TensorProto.FLOAT, _of(CHANNELS)),
        ("code", TensorProto.UINT8, _of(SENT)),
        {"chosen": chosen},
    )


def decoder() -> ModelProto:
    """Return two channels in uint8 -> r1 again."""
    spread = np.zeros((CHANNELS, SENT, 1, 1))
    for index, gain in enumerate(_gains()):
        spread[index, index % SENT] = gain
    nodes = [
        helper.make_node("DequantizeLinear", ["code", "scale", "zero"], ["two"]),
        helper.make_node("Conv", ["two", "spread"], ["again"]),
    ]
    return _model(
        nodes,
        ("code", TensorProto.UINT8, _of(SENT)),
        ("again", TensorProto.FLOAT, _of(CHANNELS)),
        {"spread": spread},
    )


def files(parent: bytes, tensor: str = "r1", name: str = "two") -> dict[str, bytes]:
    """Return the files of the coder's folder, made for the model file with the bytes `parent`."""
    said = {"format": 1, "name": name, "tensor": tensor, "parent": hashlib.sha256(parent).hexdigest()}
    return {
        "bottleneck.json": json.dumps(said).encode(),
        "encoder.onnx": encoder().SerializeToString(),
        "decoder.onnx": decoder().SerializeToString(),
    }


def write(folder: Path, parent: Path) -> Path:
    """Write the coder's folder for the model at `parent`."""
    folder.mkdir(parents=True)
    for name, content in files(parent.read_bytes()).items():
        (folder / name).write_bytes(content)
    return folder


def samples(count: int, seed: int = 0) -> list[np.ndarray]:
    """Return inputs of the net."""
    random = np.random.default_rng(seed)
    return [random.uniform(0, 1, SHAPE).astype(np.float32) for _ in range(count)]


def _gains() -> list[float]:
    return [1.0 + 0.1 * index for index in range(CHANNELS)]


def _of(channels: int) -> list[int | str]:
    return ["n", channels, SIDE // 2, SIDE // 2]


def _model(nodes, given, made, weights) -> ModelProto:
    held = [numpy_helper.from_array(np.asarray(one, np.float32), name) for name, one in weights.items()]
    held += [
        numpy_helper.from_array(np.array(SCALE, np.float32), "scale"),
        numpy_helper.from_array(np.array(0, np.uint8), "zero"),
    ]
    used = {name for node in nodes for name in node.input}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "net", [info(*given)], [info(*made)], initializer=[one for one in held if one.name in used]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
