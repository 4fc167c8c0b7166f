"""Arrays that a block makes: no copy, few buffers, and never one that somebody still holds."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import open_block
from partitioner.plan import Block, TensorSpec

ELEMENTS = 1 << 18  # 1 MB


@pytest.fixture(scope="module")
def block():
    """Return x -> -x over 1 MB."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, ELEMENTS]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "neg", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    specs = [(TensorSpec(name, "float32", (1, ELEMENTS)),) for name in "xy"]
    told = Block(0, "onnx", *specs)
    return open_block(told, onnx.ModelProto.SerializeToString(model), start_runtime(1), None)


def run(block, value):
    return block.run({"x": np.full((1, ELEMENTS), value, np.float32)})["y"]


def test_an_answer_is_the_engines_own_buffer_and_no_copy(block):
    assert not run(block, 1.0).flags.owndata


def test_buffers_are_used_again_when_their_answers_have_gone(block):
    places = {run(block, 1.0).ctypes.data for _ in range(50)}
    assert len(places) <= 4


def test_a_buffer_that_is_still_held_is_left_alone(block):
    held = [run(block, float(value)) for value in range(8)]
    views = [array[:, 7:9] for array in held]  # as of a batch's row, or of bytes on their way
    del held
    for _ in range(30):
        run(block, 99.0)
    assert [float(view[0, 1]) for view in views] == [-float(value) for value in range(8)]
