"""What the witnesses ask: a small net with a narrow waist, in two versions, and every right answer.

Law: computes the whole model's answers by onnxruntime, before anything is started; knows no process. Every input has
an answer of its own in every version, farther from each other than `TOLERANCE`, so that an answer tells what it is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

NAME = "chaos"
VERSIONS = ("one", "two")
INPUTS = 24
TOLERANCE = 1e-3
SHAPES = {
    "w1": (8, 3, 3, 3), "w2": (16, 8, 3, 3), "w3": (16, 16, 3, 3), "w4": (384, 16, 3, 3), "w5": (384, 384, 3, 3),
    "w6": (10, 384),
}  # fmt: skip
BALLAST = 10_240
"""Neurons of the hidden layer of what is deployed where there is no room: 384 weights each, 15.7 MB in all."""
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """The files of both versions, the inputs float32 [1, 3, 32, 32], and by version the answers float32 [1, 10]."""

    models: dict[str, Path]
    inputs: list[Values]
    answers: dict[str, list[Values]]

    def save(self, path: Path) -> None:
        """Write inputs and answers as .npz, for witnesses."""
        arrays = {"inputs": np.stack(self.inputs)}
        arrays.update({version: np.stack(rows) for version, rows in self.answers.items()})
        np.savez(path, **arrays)  # type: ignore[arg-type]


def make(directory: Path) -> Subject:
    """Build both versions and compute what is right."""
    directory.mkdir(parents=True, exist_ok=True)
    models = {version: directory / f"{version}.onnx" for version in VERSIONS}
    for seed, path in enumerate(models.values()):
        onnx.save(_model(seed), str(path))
    draw = np.random.default_rng(7).standard_normal
    inputs = [draw((1, 3, 32, 32)).astype(np.float32) for _ in range(INPUTS)]
    answers = {version: _answers(path, inputs) for version, path in models.items()}
    _check_apart([one for rows in answers.values() for one in rows])
    return Subject(models, inputs, answers)


def _model(seed: int) -> onnx.ModelProto:
    """Return a net that is light before its waist (4 kB after the third convolution) and heavy behind it."""
    draw = np.random.default_rng(seed).standard_normal
    weights = [
        numpy_helper.from_array((draw(shape) * 1.6 / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name)
        for name, shape in SHAPES.items()
    ]
    nodes, before = [], "x"
    for index, stride in enumerate((1, 2, 2, 1, 1), 1):
        made = [f"c{index}", f"r{index}"]
        conv = helper.make_node("Conv", [before, f"w{index}"], made[:1], f"conv{index}", pads=[1, 1, 1, 1])
        conv.attribute.append(helper.make_attribute("strides", [stride, stride]))
        nodes.append(conv)
        nodes.append(helper.make_node("Relu", made[:1], made[1:], f"relu{index}"))
        before = made[1]
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w6"], ["y"], "classify", transB=1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, NAME, [x], [y], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def make_ballast(path: Path, seed: int) -> Path:
    """Write a model that no device has seen, light to compute and larger than what a store could give up for it."""
    draw = np.random.default_rng(1000 + seed).standard_normal
    shapes = {"w1": (384, 3 * 32 * 32 // 64), "w2": (BALLAST, 384), "w3": (10, BALLAST)}
    weights = [
        numpy_helper.from_array((draw(shape) / np.sqrt(shape[1])).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], "pool", kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w1"], ["g1"], "gemm1", transB=1),
        helper.make_node("Relu", ["g1"], ["r1"], "relu1"),
        helper.make_node("Gemm", ["r1", "w2"], ["g2"], "gemm2", transB=1),
        helper.make_node("Relu", ["g2"], ["r2"], "relu2"),
        helper.make_node("Gemm", ["r2", "w3"], ["y"], "gemm3", transB=1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, path.stem, [x], [y], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


def _answers(path: Path, inputs: list[Values]) -> list[Values]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": one})[0] for one in inputs]


def _check_apart(answers: list[Values]) -> None:
    """Assert that no answer could be taken for another."""
    for place, one in enumerate(answers):
        for other in answers[:place]:
            assert float(np.abs(one - other).max()) > 10 * TOLERANCE, (
                "two answers are too alike to tell apart"
            )


def version_of(answer: Values, answers: dict[str, list[Values]], index: int) -> str:
    """Return the version whose answer to input `index` this is; "" for none: it is wrong."""
    for version, rows in answers.items():
        if answer.shape == rows[index].shape and float(np.abs(answer - rows[index]).max()) <= TOLERANCE:
            return version
    return ""
