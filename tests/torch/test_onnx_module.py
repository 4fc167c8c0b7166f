"""A graph in torch answers as the engine does, on every topology that we have, and comes back as ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from examples.demo import minilm, mobilenet
from examples.demo.zoo import TOPOLOGIES, reseeded
from lepton_edge.compress.errors import CompressionFailed, CompressionRefused
from partitioner.onnx_io import runtime

torch = pytest.importorskip("torch", reason="torch is not installed: run `make test-torch`")

from lepton_edge.compress.torch.module import OnnxModule, unsupported  # noqa: E402

pytestmark = pytest.mark.torch
ROUNDED = {"inception_v1": 1e-4, "vgg19": 1e-4}
"""Long sums: the engine itself is 2e-5 of the largest logit away from the same graph in float64."""
RANDOM = np.random.default_rng(0)


def _both(model: ModelProto, feeds: Mapping[str, NDArray]) -> list[tuple[NDArray, NDArray]]:
    session = runtime.open_session(model, runtime.options(None, runtime.OFF))
    expected = runtime.run(session, feeds)
    with torch.no_grad():
        got = OnnxModule(model).eval()({name: torch.from_numpy(array) for name, array in feeds.items()})
    return [(got[name].numpy(), array) for name, array in expected.items()]


def _agree(model: ModelProto, feeds: Mapping[str, NDArray], tolerance: float = 1e-5) -> None:
    for got, expected in _both(model, feeds):
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= tolerance * max(np.abs(expected).max(), 1.0)


def _node(op: str, count: int, opset: int = 18, **attributes: object) -> ModelProto:
    names = [f"x{index}" for index in range(count)]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], "/one", **attributes)],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def _floats(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_light_topology_answers_as_the_engine_does(name: str) -> None:
    model = _before_softmax(reseeded(name))
    _agree(model, {model.graph.input[0].name: _floats(1, 3, 224, 224)}, ROUNDED.get(name, 1e-5))


def test_mobilenetv2_answers_as_the_engine_does() -> None:
    _agree(mobilenet.build(), {"input": _floats(2, 3, 224, 224)})


def test_minilm_answers_as_the_engine_does() -> None:
    ids = RANDOM.integers(0, 30000, (2, 12))
    mask = np.ones((2, 12), np.int64)
    mask[1, 7:] = 0
    _agree(minilm.build(), {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})


def _before_softmax(model: ModelProto) -> ModelProto:
    """Return `model` with its logits as output: a softmax of large ones makes a difference of 1e-5 of them larger."""
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        model.graph.output[0].name = last.input[0]
        model.graph.node.remove(last)
    return model


UNARY = "Abs Ceil Erf Exp Floor HardSwish Neg Reciprocal Relu Round Sigmoid Sign Softplus Tanh Identity Elu LeakyRelu"


@pytest.mark.parametrize("op", UNARY.split())
def test_elementwise_operators(op: str) -> None:
    _agree(_node(op, 1), {"x0": _floats(2, 3, 4)})


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum", "PRelu"])
def test_operators_that_broadcast(op: str) -> None:
    _agree(_node(op, 2), {"x0": _floats(2, 3, 4), "x1": _floats(3, 1)})


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((3, 3), {"pads": [1, 0, 0, 1], "strides": [2, 2]}),
        ((2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
        ((3, 2), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
        ((3, 3), {"dilations": [2, 1], "pads": [2, 1, 2, 1]}),
    ],
)
def test_a_window_is_padded_as_onnx_says(kernel: tuple[int, int], attributes: dict[str, object]) -> None:
    _agree(_node("Conv", 2, **attributes), {"x0": _floats(1, 2, 7, 6), "x1": _floats(4, 2, *kernel)}, 1e-4)
    _agree(_node("MaxPool", 1, kernel_shape=kernel, **attributes), {"x0": _floats(1, 2, 7, 6)})


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_means_count_what_onnx_counts(ceil: int, pads: list[int]) -> None:
    given = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": pads, "ceil_mode": ceil}
    _agree(_node("AveragePool", 1, **given), {"x0": _floats(1, 2, 8, 7)})


def test_a_softmax_of_an_old_operator_set_goes_over_all_axes() -> None:
    _agree(_node("Softmax", 1, opset=9, axis=1), {"x0": _floats(2, 3, 4)})


def test_a_transposed_convolution() -> None:
    given = {"strides": [2, 2], "pads": [1, 0, 1, 0], "output_padding": [1, 0]}
    _agree(_node("ConvTranspose", 2, **given), {"x0": _floats(1, 3, 4, 5), "x1": _floats(3, 2, 3, 3)}, 1e-4)


def test_an_operator_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(CompressionRefused, match=r"Det \(/one\)"):
        OnnxModule(_node("Det", 1))


def test_an_attribute_that_is_not_known_is_refused() -> None:
    assert unsupported(_node("Pad", 2, mode="wrap")) == ["Pad with mode=wrap (/one)"]
    assert unsupported(_node("Resize", 3, mode="cubic"))


def test_a_node_that_does_not_run_is_named() -> None:
    with pytest.raises(CompressionFailed, match="/one"):
        OnnxModule(_node("MatMul", 2))({"x0": torch.zeros(2, 3), "x1": torch.zeros(2, 3)})


def test_an_untouched_graph_comes_back_as_it_was() -> None:
    model = mobilenet.build()
    back = OnnxModule(model).eval().write_back()
    before = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for tensor in back.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), before[tensor.name])


def test_statistics_learned_while_training_come_back() -> None:
    model = mobilenet.build()
    module = OnnxModule(model).train()
    module({"input": torch.from_numpy(_floats(2, 3, 64, 64))})
    name = next(node.input[3] for node in model.graph.node if node.op_type == "BatchNormalization")
    values = [
        {one.name: numpy_helper.to_array(one) for one in which.graph.initializer}[name]
        for which in (model, module.write_back())
    ]
    assert not np.allclose(*values)


def test_frozen_weights_are_not_trained() -> None:
    model = mobilenet.build()
    names = {one.name for one in model.graph.initializer}
    assert OnnxModule(model, names).trained == {}


@pytest.mark.parametrize("scales", [(2.0, 2.0), (1.5, 1.6), (0.7, 0.45)])
@pytest.mark.parametrize(("mode", "where"), [("linear", "half_pixel"), ("nearest", "asymmetric")])
def test_scales_place_the_pixels_of_a_resized_picture(
    mode: str, where: str, scales: tuple[float, float]
) -> None:
    chosen = {"nearest_mode": "floor"} if mode == "nearest" else {}
    node = helper.make_node(
        "Resize",
        ["x0", "", "scales"],
        ["y"],
        "/one",
        mode=mode,
        coordinate_transformation_mode=where,
        **chosen,
    )
    model = _node("Relu", 1)
    model.graph.node[0].CopyFrom(node)
    factors = np.array([1, 1, *scales], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(factors, "scales"))
    _agree(model, {"x0": _floats(2, 3, 9, 7)})


def test_a_last_batch_of_one_is_normalised_as_it_is() -> None:
    names = ("scale", "shift", "mean", "variance")
    model = _node("Relu", 1)
    model.graph.node[0].CopyFrom(helper.make_node("BatchNormalization", ["x0", *names], ["y"], "/one"))
    held = {name: np.ones(4, np.float32) for name in names}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in held.items())
    module, x = OnnxModule(model), torch.from_numpy(_floats(1, 4))
    expected = module.eval()({"x0": x})["y"]
    assert torch.equal(module.train()({"x0": x})["y"], expected)
    assert not torch.equal(module.train()({"x0": torch.cat([x, x + 1])})["y"][:1], expected)
