"""Where a graph is narrow, and what a coder of principal components keeps there; none of it needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import bottlenecks
from lepton_edge.compress.technique import Sample
from partitioner.onnx_io import compile_model, runtime
from partitioner.units import ModelName

RANDOM = np.random.default_rng(0)
RANK = 3  # of what crosses: its 8 channels are mixed of 3


def _residual() -> ModelProto:
    """x [n, 3, 8, 8] -> a (8 channels of rank 3) -> b = relu(a) + a's own convolution -> y: one sum, one mean."""
    weights = {
        "w1": RANDOM.normal(size=(8, RANK)) @ RANDOM.normal(size=(RANK, 3)),
        "w2": RANDOM.normal(size=(8, 8)),
        "w3": RANDOM.normal(size=(8, 4)),
    }
    shaped = {name: value[..., None, None] if name != "w3" else value for name, value in weights.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "/a"),
        helper.make_node("Conv", ["a", "w2"], ["b"], "/b"),
        helper.make_node("Relu", ["b"], ["c"], "/c"),
        helper.make_node("Add", ["a", "c"], ["d"], "/d"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "/e"),
        helper.make_node("Flatten", ["e"], ["f"], "/f"),
        helper.make_node("MatMul", ["f", "w3"], ["y"], "/y"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in shaped.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _samples(count: int = 8, seed: int = 1) -> list[Sample]:
    random = np.random.default_rng(seed)
    return [
        Sample({"x": random.normal(size=(1, 3, 8, 8)).astype(np.float32)}, f"[{index}]")
        for index in range(count)
    ]


def _answer(model: ModelProto, sample: Sample) -> np.ndarray:
    return runtime.run(runtime.open_session(model, runtime.options(None, runtime.OFF)), sample.feeds)["y"]


def test_a_graph_is_narrow_before_and_after_a_residual_block_and_not_inside() -> None:
    assert [neck.tensor for neck in bottlenecks.necks(_residual())] == ["a", "d", "e"]


def test_work_is_counted() -> None:
    before = [neck.before for neck in bottlenecks.necks(_residual())]
    total = 24 * 64 + 64 * 64 + 32
    assert before == [24 * 64 / total, (24 + 64) * 64 / total, (24 + 64) * 64 / total]


def test_nothing_is_put_between_a_product_and_what_is_computed_with_it() -> None:
    model = _residual()
    add = next(node for node in model.graph.node if node.op_type == "Add")
    add.input[0] = "c"  # no branch any more: b is read by the activation alone
    assert "b" not in [neck.tensor for neck in bottlenecks.necks(model)]


def test_a_second_output_is_alive_to_the_end() -> None:
    model = _residual()
    model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 8, 8, 8]))
    assert [neck.tensor for neck in bottlenecks.necks(model)] == ["a"]


def test_as_many_components_as_there_are_lose_only_the_rounding() -> None:
    model = _residual()
    neck = bottlenecks.necks(model)[0]
    coder = bottlenecks.principal(model, neck, _samples(), RANK, 1)
    made = bottlenecks.inserted(model, neck, coder)
    for sample in _samples(seed=2):
        wanted, got = _answer(model, sample), _answer(made, sample)
        assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()


def test_fewer_components_lose_more() -> None:
    model = _residual()
    neck = bottlenecks.necks(model)[0]
    errors = []
    for channels in (3, 2, 1):
        made = bottlenecks.inserted(model, neck, bottlenecks.principal(model, neck, _samples(), channels, 1))
        errors.append(
            np.mean([np.abs(_answer(made, one) - _answer(model, one)).mean() for one in _samples(seed=2)])
        )
    assert errors[0] < errors[1] < errors[2]


def test_patches_are_coded_as_one() -> None:
    model = _residual()
    neck = bottlenecks.necks(model)[0]
    made = bottlenecks.inserted(model, neck, bottlenecks.principal(model, neck, _samples(), 12, 2))
    session = runtime.open_session(bottlenecks.encoder(made), runtime.options(None, runtime.OFF))
    code = next(iter(runtime.run(session, {"a": np.zeros((1, 8, 8, 8), np.float32)}).values()))
    assert (code.dtype, code.shape) == (np.uint8, (1, 12, 4, 4))
    wanted, got = _answer(model, _samples()[0]), _answer(made, _samples()[0])
    assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()  # 3 of 8 channels, 4 pixels: 12 numbers


def test_the_model_that_is_given_is_not_changed() -> None:
    model = _residual()
    before = model.SerializeToString()
    neck = bottlenecks.necks(model)[0]
    bottlenecks.inserted(model, neck, bottlenecks.principal(model, neck, _samples(), 2, 1))
    assert model.SerializeToString() == before


def test_the_planner_finds_the_code_as_a_frontier_of_few_bytes(tmp_path: Path) -> None:
    model = _residual()
    neck = bottlenecks.necks(model)[1]
    made = bottlenecks.inserted(model, neck, bottlenecks.principal(model, neck, _samples(), 8, 4))
    onnx.save(made, tmp_path / "m.onnx")
    compiled = compile_model(
        tmp_path / "m.onnx",
        ModelName("m"),
        tmp_path / "made",
        manifest=None,
        shapes={"x": (1, 3, 8, 8)},
        labels={},
    )
    code = next(one for one in compiled.graph.tensors if one.name == bottlenecks.CODE)
    assert (code.dtype, code.size) == ("uint8", 8 * 2 * 2)
    assert compiled.graph.layers[code.producer].index < compiled.graph.layers[code.consumers[0]].index


def test_what_the_model_answers_is_no_bottleneck() -> None:
    model = _residual()
    del model.graph.node[4:]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("d", TensorProto.FLOAT, ["n", 8, 8, 8]))
    assert [neck.tensor for neck in bottlenecks.necks(model)] == ["a"]


def test_a_code_of_positive_numbers_alone_is_held() -> None:
    model = _residual()
    neck = bottlenecks.necks(model)[0]
    basis, mean = np.eye(8, dtype=np.float32)[..., None, None], np.full(8, -30, np.float32)
    made = bottlenecks.inserted(model, neck, bottlenecks.Coder(basis, mean, 15.0, 45.0))
    wanted, got = _answer(model, _samples()[0]), _answer(made, _samples()[0])
    assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()
