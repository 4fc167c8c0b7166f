"""Large constants leave the bodies of control flow, small ones and returned ones stay."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from partitioner.onnx_io.hoist import constant, hoist
from partitioner.onnx_io.scope import all_graphs, reads
from tests.partitioner.onnx_io import handmade


def test_a_large_weight_of_a_branch_moves_up_under_a_new_name() -> None:
    model = handmade.if_capturing()
    hoist(model.graph)
    assert "z/w_else" in {one.name for one in model.graph.initializer}
    assert all(one.name != "w_else" for graph in all_graphs(model.graph) for one in graph.initializer)
    (node,) = (one for one in model.graph.node if one.op_type == "If")
    assert "z/w_else" in reads(node)


def test_small_and_returned_constants_stay() -> None:
    branch = handmade.body(
        [handmade.node("Add", "c small", "s")],
        [],
        [handmade.value("s", None), handmade.value("returned", None)],
        [handmade.weight("small", 4), handmade.weight("returned", 1000)],
    )
    node = handmade.node("If", "cond", "y z", then_branch=branch, else_branch=branch)
    graph = handmade.body([node], [], [])
    hoist(graph)
    assert not graph.initializer


def test_a_constant_node_is_lifted_and_shadowed_names_are_left_alone() -> None:
    large = handmade.node("Constant", "", "k", value=handmade.weight("k", 400))
    inner = handmade.body(
        [handmade.node("Neg", "k", "r")], [handmade.value("k", None)], [handmade.value("r", None)]
    )
    uses = handmade.node("Scan", "k", "out", body=inner, num_scan_inputs=1)
    other = handmade.body([handmade.node("Neg", "k", "r2")], [], [handmade.value("r2", None)])
    also = handmade.node("If", "cond", "i", then_branch=other, else_branch=other)
    branch = handmade.body([large, uses, also], [], [handmade.value("out", None)])
    graph = handmade.body([handmade.node("If", "cond", "y", then_branch=branch, else_branch=branch)], [], [])
    hoist(graph)
    assert [one.name for one in graph.initializer] == ["y/k", "y/k_1"]
    (then, _) = (attribute.g for attribute in graph.node[0].attribute)
    assert [node.op_type for node in then.node] == ["Scan", "If"]
    assert then.node[0].input[0] in ("y/k", "y/k_1")
    assert then.node[0].attribute[0].g.node[0].input[0] == "k"
    assert set(reads(then.node[1])) == {"cond", then.node[0].input[0]}


def test_every_kind_of_constant_becomes_a_tensor() -> None:
    kinds = {
        "value_float": 1.5,
        "value_floats": [1.0, 2.0],
        "value_int": 3,
        "value_ints": [4, 5],
        "value_string": "a",
    }
    for attribute, content in kinds.items():
        tensor = constant(handmade.node("Constant", "", "k", **{attribute: content}))
        assert tensor is not None
        assert tensor.name == "k"
        assert list(tensor.dims) == ([2] if isinstance(content, list) else [])
    made = constant(handmade.node("Constant", "", "k", value_ints=[4, 5]))
    assert made is not None
    assert made.data_type == TensorProto.INT64
    assert np.array(made.int64_data).tolist() == [4, 5]
