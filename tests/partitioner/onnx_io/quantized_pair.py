"""A small net and its int8 variant, compiled side by side, for tests of variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from partitioner.manifest import Manifest
from partitioner.onnx_io import compile_model

WIDTH, LAYERS = 64, 4
SCALE, ZERO = np.float32(0.03), np.uint8(0)


def net(quantized: bool = False, seed: int = 0) -> onnx.ModelProto:
    """Four layers of a matrix and a Relu; x float32 [1, 64] in, y float32 [1, 64] out.

    Quantized, weights are int8 and every inner activation passes through uint8.
    """
    random = np.random.default_rng(seed).standard_normal
    constants = {"scale": SCALE, "zero": ZERO, "weight_zero": np.int8(0)}
    nodes, last = [], "x"
    for index in range(LAYERS):
        weight = (random((WIDTH, WIDTH)) / 8).astype(np.float32)
        end = "y" if index == LAYERS - 1 else f"b{index}"
        matrix = f"w{index}"
        if quantized:
            step = np.float32(np.abs(weight).max() / 127)
            constants |= {f"q{index}": np.rint(weight / step).astype(np.int8), f"step{index}": step}
            nodes.append(
                helper.make_node(
                    "DequantizeLinear", [f"q{index}", f"step{index}", "weight_zero"], [matrix], f"dw{index}"
                )
            )
        else:
            constants[matrix] = weight
        nodes.append(helper.make_node("MatMul", [last, matrix], [f"a{index}"], f"m{index}"))
        nodes.append(helper.make_node("Relu", [f"a{index}"], [end], f"r{index}"))
        last = end
        if quantized and end != "y":
            nodes.append(helper.make_node("QuantizeLinear", [end, "scale", "zero"], [f"{end}_q"], f"q/{end}"))
            nodes.append(
                helper.make_node("DequantizeLinear", [f"{end}_q", "scale", "zero"], [f"{end}_d"], f"d/{end}")
            )
            last = f"{end}_d"
    kept = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
        if quantized or name.startswith("w") and name != "weight_zero"
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], kept)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def compiled(state: Path) -> tuple[Path, Path]:
    """Compile both as the coordinator lays them out below `state`; return their folders, the model's own first."""
    folders = []
    for name, quantized in (("net", False), ("net-int8", True)):
        source = state / f"{name}.onnx"
        onnx.save(net(quantized), str(source))
        folder = state / "models" / name / "v1"
        rules = Manifest(variant_of="net" if quantized else "")
        compile_model(source, name, folder, manifest=rules, shapes={}, labels={})
        folders.append(folder)
    return folders[0], folders[1]
