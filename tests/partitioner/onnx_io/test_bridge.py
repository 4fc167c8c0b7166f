"""Float blocks between integer frontiers: what enters and leaves, and that the arithmetic is ONNX's own."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from partitioner.compiled import IntegerSide
from partitioner.errors import InvalidProblem
from partitioner.onnx_io import CutBlock, runtime
from partitioner.onnx_io.bridge import bridged
from partitioner.plan import Block, TensorSpec

A, B = (TensorSpec(name, "float32", ("N", 3), 12) for name in "ab")
A8, B8 = (TensorSpec(f"{name}_q", dtype, ("N", 3), 3) for name, dtype in (("a", "uint8"), ("b", "int8")))
BRIDGES = {
    "a": (IntegerSide("a_q", "a", 0.5, 128), A8),
    "b": (IntegerSide("b_q", "b", 0.25, -3), B8),
}


def doubling(opset: int = 17) -> CutBlock:
    """A block that makes b = a + a."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "ab"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "a"], ["b"], "twice")], "g", infos[:1], infos[1:]
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    file = model.SerializeToString()
    return CutBlock(Block(0, "onnx", (A,), (B,), hashlib.sha256(file).hexdigest()), file)


def answer(one: CutBlock, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    onnx.checker.check_model(onnx.ModelProto.FromString(one.file), full_check=True)
    session = runtime.open_session(one.file, runtime.options(None, runtime.FULL))
    names = [spec.name for spec in one.block.outputs]
    return dict(zip(names, session.run(names, given), strict=True))


def test_both_sides_are_integers_and_what_is_between_is_float() -> None:
    made = bridged(doubling(), BRIDGES)
    assert (made.block.inputs, made.block.outputs) == ((A8,), (B8,))
    assert made.block.artifact == hashlib.sha256(made.file).hexdigest()
    a = np.array([[128, 129, 140], [0, 255, 127]], np.uint8)
    wanted = np.clip(np.rint((a.astype(np.float32) - 128) * 0.5 * 2 / 0.25) - 3, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(answer(made, {"a_q": a})["b_q"], wanted)


def test_one_side_alone_is_bridged_alone() -> None:
    made = bridged(doubling(), {"a": BRIDGES["a"]})
    assert (made.block.inputs, made.block.outputs) == ((A8,), (B,))
    np.testing.assert_array_equal(
        answer(made, {"a_q": np.full((1, 3), 130, np.uint8)})["b"], np.full((1, 3), 2.0)
    )


def test_a_block_without_such_tensors_is_left_as_it_is() -> None:
    block = doubling()
    assert bridged(block, {}) is block
    pseudo = dataclasses.replace(block, file=b"")
    assert bridged(pseudo, BRIDGES) is pseudo


def test_an_opset_without_quantization_is_told() -> None:
    with pytest.raises(InvalidProblem, match="opset has no integers"):
        bridged(doubling(opset=9), BRIDGES)
