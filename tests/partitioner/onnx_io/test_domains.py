"""Custom operators and compiled code are refused where a model is pushed; a model's own functions are not."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, helper

from partitioner.errors import UnsupportedOperator
from partitioner.onnx_io import domains, load
from tests.partitioner.onnx_io import handmade


def model_with(*nodes: onnx.NodeProto) -> ModelProto:
    graph = helper.make_graph(nodes, "g", [handmade.value("x", [1, 4])], [handmade.value("y", [1, 4])])
    imports = [helper.make_opsetid(domain, 1) for domain in ("com.example", "com.microsoft")]
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), *imports], ir_version=8)


def inside_an_if(node: onnx.NodeProto) -> onnx.NodeProto:
    body = helper.make_graph([node], "body", [], [handmade.value("y", [1, 4])])
    return helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)


CUSTOM = handmade.node("Secret", "x", "y", domain="com.example")


@pytest.mark.parametrize("nodes", [[CUSTOM], [inside_an_if(CUSTOM)]], ids=["graph", "body"])
def test_a_custom_operator_is_named_and_refused(nodes: list[onnx.NodeProto]) -> None:
    with pytest.raises(UnsupportedOperator, match="com.example/Secret") as told:
        domains.check_domains(model_with(*nodes))
    assert "standard operators" in told.value.hint


def test_a_function_of_the_model_itself_is_no_custom_operator_but_what_it_calls_may_be() -> None:
    model = model_with(CUSTOM)
    body = [handmade.node("Relu", "a", "b")]
    model.functions.append(
        helper.make_function("com.example", "Secret", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    )
    domains.check_domains(model)
    model.functions[0].node[0].domain = "com.example"
    with pytest.raises(UnsupportedOperator, match="com.example/Relu"):
        domains.check_domains(model)


def test_compiled_code_is_refused_where_a_model_comes_in(tmp_path: Path) -> None:
    context = handmade.node("EPContext", "x", "y", domain="com.microsoft", ep_cache_context="/tmp/x.so")
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(context).SerializeToString())
    with pytest.raises(UnsupportedOperator, match="EPContext carries"):
        load.load(path, tmp_path)


def test_a_custom_operator_is_refused_where_a_model_comes_in(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(CUSTOM).SerializeToString())
    with pytest.raises(UnsupportedOperator, match="no library of such is loaded"):
        load.load(path, tmp_path)
