"""Ends of converted models have plain names; nothing that is computed changes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lepton_edge.compress import ends, evaluate


def decorated(inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """Return a graph that adds 1 to its first input for each output."""
    one = onnx.numpy_helper.from_array(np.float32(1), "one")
    nodes = [helper.make_node("Add", [inputs[0], "one"], [name]) for name in outputs]
    ended = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in names]
        for names in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "tf", *ended, [one])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("inputs", "outputs", "plain"),
    [
        (["serving_default_picture:0"], ["StatefulPartitionedCall_1:0"], ["picture", "output"]),
        (["picture:0"], ["Identity:0", "Identity_1:0"], ["picture", "output_0", "output_1"]),
        (["picture"], ["logits:0"], ["picture", "logits"]),
        (["x:0", "x:1"], ["y"], ["x:0", "x:1", "y"]),  # both would be called x
        (["one:0"], ["y"], ["one:0", "y"]),  # a weight is called so
    ],
)
def test_names_are_plain_where_they_can_be(inputs: list[str], outputs: list[str], plain: list[str]) -> None:
    model = ends.plain(decorated(inputs, outputs))
    onnx.checker.check_model(model)
    assert [one.name for one in (*model.graph.input, *model.graph.output)] == plain
    feeds = {one.name: np.ones(2, np.float32) for one in model.graph.input}
    assert all((found == 2).all() for found in evaluate.Runner(model).run(feeds).values())


def test_a_body_reads_an_input_by_its_new_name() -> None:
    model = decorated(["serving_default_x:0"], ["y:0"])
    body = helper.make_graph(
        [helper.make_node("Neg", ["serving_default_x:0"], ["inside"])],
        "body", [], [helper.make_tensor_value_info("inside", TensorProto.FLOAT, [2])],
    )  # fmt: skip
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "always"))
    model.graph.node.append(helper.make_node("If", ["always"], ["z"], then_branch=body, else_branch=body))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [2]))
    found = evaluate.Runner(ends.plain(model)).run({"x": np.ones(2, np.float32)})
    assert sorted(found) == ["y", "z"]
    assert (found["z"] == -1).all()


class Pair(NamedTuple):
    mean: Any
    spread: Any


def test_answers_have_the_names_that_their_module_gives_them() -> None:
    one = np.zeros(1)
    assert ends.of_answer(one, []) == ["output"]
    assert ends.of_answer([one, one], []) == ["output_0", "output_1"]
    assert ends.of_answer(Pair(one, one), []) == ["mean", "spread"]
    assert ends.of_answer({"a": one}, []) == ["a"]
    for untold in ({"a": one}, {"b": [one]}, [one, None], None):
        assert ends.of_answer(untold, ["a"]) is None
