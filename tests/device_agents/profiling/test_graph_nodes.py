"""The reader of node names agrees with the onnx package and survives rubbish."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from device_agents.profiling.graph_nodes import graph_nodes
from partitioner.errors import InvalidModel
from tests.device_agents.engine.models import small_model


def test_it_reads_what_onnx_reads(tmp_path):
    file = small_model(tmp_path).whole_file
    expected = [
        (node.name, node.op_type, tuple(node.input), tuple(node.output))
        for node in onnx.load(file, load_external_data=False).graph.node
    ]
    found = [(node.name, node.operator, node.inputs, node.outputs) for node in graph_nodes(file.read_bytes())]
    assert found == expected


def test_bodies_and_attributes_are_not_nodes_of_the_outermost_graph():
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"], name="inside")], "body", [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    choice = helper.make_node("If", ["c"], ["y"], name="choice", then_branch=body, else_branch=body)
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
    model = helper.make_model(helper.make_graph([choice], "g", [], outputs))
    assert [node.name for node in graph_nodes(model.SerializeToString())] == ["choice"]


@pytest.mark.parametrize("junk", [b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x0f", b"\x3b", b"\x3a\x05\x0a"])
def test_rubbish_is_a_typed_error(junk):
    with pytest.raises(InvalidModel):
        graph_nodes(junk)
