"""A device believes no coordinator: a graph with custom operators or compiled code is refused before it is opened."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from device_agents.engine import domains
from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import open_session
from partitioner.errors import InvalidModel, UnsupportedOperator


def value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])


def model_with(*nodes, functions=()):
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions)


def inside(node, times):
    for _ in range(times):
        body = helper.make_graph([node], "body", [], [value("y")])
        node = helper.make_node("If", ["c"], ["y"], then_branch=body)
    return node


CUSTOM = helper.make_node("Secret", ["x"], ["y"], domain="com.example")
RELU = helper.make_function(
    "com.example",
    "Secret",
    ["a"],
    ["b"],
    [helper.make_node("Relu", ["a"], ["b"])],
    [helper.make_opsetid("", 17)],
)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_custom_operator_is_refused_wherever_it_is(depth):
    with pytest.raises(UnsupportedOperator, match="com.example/Secret is a custom operator"):
        open_session(model_with(inside(CUSTOM, depth)).SerializeToString(), start_runtime(1))


def test_a_function_of_the_graph_runs_and_what_it_calls_is_checked():
    model = model_with(CUSTOM, functions=[RELU])
    open_session(model.SerializeToString(), start_runtime(1))
    model.functions[0].node[0].domain = "com.other"
    with pytest.raises(UnsupportedOperator, match="com.other/Relu"):
        domains.check_domains(model.SerializeToString())


def test_compiled_code_is_refused():
    context = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="../x.so")
    with pytest.raises(UnsupportedOperator, match="EPContext carries"):
        open_session(model_with(context).SerializeToString(), start_runtime(1))


def test_graphs_that_nest_without_end_are_refused():
    node = helper.make_node("Neg", ["x"], ["y"])
    domains.check_domains(model_with(inside(node, 10)).SerializeToString())
    with pytest.raises(InvalidModel, match="nest more than"):
        domains.check_domains(model_with(inside(node, domains.DEEPEST + 1)).SerializeToString())


def test_what_is_no_graph_is_refused():
    with pytest.raises(InvalidModel):
        domains.check_domains(b"\xff\xd8\xff\xe0 no graph")


def test_the_last_domain_counts_as_for_the_engine():
    """Of a field that is there twice, protobuf takes the last: so does the check."""
    node = helper.make_node("Relu", ["x"], ["y"]).SerializeToString() + b"\x3a\x0bcom.example"
    body = b"\x0a" + bytes([len(node)]) + node
    graph = b"\x3a" + bytes([len(body)]) + body
    assert onnx.ModelProto.FromString(graph).graph.node[0].domain == "com.example"
    with pytest.raises(UnsupportedOperator):
        domains.check_domains(graph)
