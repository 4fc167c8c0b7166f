"""Up and down by the converter, down by number where nothing but types differs."""

from __future__ import annotations

import pytest

from partitioner.errors import InvalidModel
from partitioner.onnx_io import load
from partitioner.onnx_io.opsets import convert
from tests.partitioner.onnx_io import handmade


@pytest.mark.parametrize("to", [13, 21])
def test_answers_stay(to: int) -> None:
    model = handmade.mlp()
    made = convert(model, to)
    assert load.opset(made) == to
    assert load.opset(model) == 18
    assert [node.op_type for node in made.graph.node] == [node.op_type for node in model.graph.node]


def test_an_operator_that_was_not_there_is_named() -> None:
    model = handmade.mlp()
    model.graph.node[0].op_type = "HardSwish"
    with pytest.raises(InvalidModel, match="cannot be had in opset 13"):
        convert(model, 13)
