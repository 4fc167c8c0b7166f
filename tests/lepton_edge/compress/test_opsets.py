"""Down by number where nothing but types differs; never where the same words mean something else."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.opsets import convert
from partitioner.onnx_io import load, runtime
from tests.lepton_edge.compress.small_nets import answers, net


def one_node(operator: str, opset: int, **attributes: object) -> ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 4]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], "one", **attributes)], "g", ends[:1], ends[1:]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("to", [13, 15, 20])
def test_a_model_goes_up_and_down_and_answers_alike(to: int) -> None:
    model = net()
    made = convert(model, to)
    checker.check_model(made)
    assert (load.opset(model), load.opset(made)) == (17, to)
    assert np.array_equal(answers(made), answers(model))


def test_an_operator_that_was_not_there_is_named() -> None:
    with pytest.raises(CompressionRefused, match="HardSwish 'one' cannot be had in opset 13"):
        convert(one_node("HardSwish", 17), 13)


def test_a_default_that_changed_its_meaning_is_not_taken_for_the_same() -> None:
    """Softmax had axis 1 and flattened; since 13 it has axis -1."""
    model = one_node("Softmax", 17)
    try:
        made = convert(model, 11)
    except CompressionRefused:
        return
    x = {"x": np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)}
    found = [
        runtime.run(runtime.open_session(one, runtime.options(None, runtime.OFF)), x)["y"]
        for one in (model, made)
    ]
    assert np.allclose(found[0], found[1])
