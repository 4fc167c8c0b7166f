"""What is gathered before a layer is what the engine computes it from, whatever its strides, pads, groups."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lepton_edge.compress.moments import Layer, collect, patches
from lepton_edge.compress.settle import layers
from lepton_edge.compress.weights import float_weights
from partitioner.onnx_io import runtime
from tests.lepton_edge.compress.small_nets import Pictures, net

CASES = [
    {},
    {"strides": [2, 1], "pads": [1, 0, 2, 1]},
    {"dilations": [2, 1], "pads": [1, 1, 1, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "VALID"},
    {"group": 2, "strides": [2, 2]},
    {"group": 4},
]


@pytest.mark.parametrize("attributes", CASES)
def test_patches_times_weights_are_the_convolution(attributes: dict[str, object]) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 4, 7, 6)).astype(np.float32)
    weights = random.standard_normal((8, 4 // int(str(attributes.get("group", 1))), 3, 2)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    wanted = runtime.run(runtime.open_session(model, runtime.options(None, runtime.OFF)), {"x": x})["y"]

    layer = Layer(node, "w", weights.shape)
    rows = patches(layer, x, random, 1000)
    found = np.einsum("gpk,gok->pgo", rows, layer.rows(weights)).reshape(rows.shape[1], -1)
    wanted = wanted.transpose(0, 2, 3, 1).reshape(-1, wanted.shape[1])
    assert np.allclose(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)], atol=1e-4)


def test_moments_are_those_of_the_inputs_with_a_one_for_the_bias() -> None:
    model = net()
    found = {one.weight: one for one in layers(model, float_weights(model))}
    moments = collect(model, list(found.values()), Pictures(5), seed=0)
    assert {name: one.shape for name, one in moments.items()} == {
        "w0": (1, 28, 28), "w1": (16, 9, 9), "w2": (1, 17, 17), "w3": (1, 33, 33),
    }  # fmt: skip
    assert all(one.groups == moments[name].shape[0] for name, one in found.items())
    assert moments["w0"][0, 27, 27] == moments["w3"][0, 32, 32] == 1.0
    for one in moments.values():
        assert np.linalg.eigvalsh(one).min() > -1e-6


@pytest.mark.parametrize("name", ["w0", "w1", "w3"])
def test_rows_and_weights_undo_each_other(name: str) -> None:
    model = net()
    layer = next(one for one in layers(model, float_weights(model)) if one.weight == name)
    weights = np.arange(np.prod(layer.shape)).reshape(layer.shape)
    assert np.array_equal(layer.weights(layer.rows(weights)), weights)
