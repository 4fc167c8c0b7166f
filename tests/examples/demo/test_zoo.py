"""Reseeded topologies run, and a wrong value anywhere in them could be seen in their outputs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from examples.demo.errors import UnknownTopologyError
from examples.demo.zoo import TOPOLOGIES, reseeded

# The three with giant dense layers take seconds to draw and to load; all nine run when ALL_TOPOLOGIES is set.
QUICK = ("densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet")
CHECKED = TOPOLOGIES if os.environ.get("ALL_TOPOLOGIES") else QUICK


def test_there_are_nine() -> None:
    assert len(set(TOPOLOGIES)) == 9
    assert set(QUICK) < set(TOPOLOGIES)


def run_all(
    model: onnx.ModelProto, pixels: list[np.ndarray[Any, Any]]
) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Run without optimisation, every activation an output."""
    named = {value.name for value in model.graph.output}
    inner = {name for node in model.graph.node for name in node.output[:1]} - named
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(inner))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    (fed,) = session.get_inputs()
    names = [value.name for value in session.get_outputs()]
    return [dict(zip(names, session.run(None, {fed.name: picture}), strict=True)) for picture in pixels]


@pytest.mark.parametrize("name", CHECKED)
def test_activations_are_finite_varied_and_follow_the_input(name: str) -> None:
    model = reseeded(name)
    answer = model.graph.output[0].name
    classifier = next(node for node in reversed(model.graph.node) if node.op_type in {"Gemm", "Conv"})
    generator = np.random.default_rng(5)

    one, two = run_all(model, [generator.standard_normal((1, 3, 224, 224), np.float32) for _ in range(2)])

    live = [node.output[0] for node in model.graph.node if node.op_type in {"Relu", "Sum", "Concat", "Conv"}]
    for activation in live:
        assert np.isfinite(one[activation]).all()
        assert 0.05 < one[activation].std() < 20, activation
        assert not np.allclose(one[activation], two[activation], rtol=1e-3), activation
    logits = one[classifier.output[0]]
    assert logits.std() > 0.1
    assert np.unique(logits).size > 900
    assert one[answer].size == 1000
    assert abs(one[answer] - two[answer]).max() > 0.01 * abs(one[answer]).max()


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(model: onnx.ModelProto) -> dict[str, np.ndarray[Any, Any]]:
        return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    first, again, other = (weights(reseeded("squeezenet", seed)) for seed in (0, 0, 1))

    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv10_w_0"], other["conv10_w_0"])


def test_only_weights_change() -> None:
    model = reseeded("inception_v2")

    kinds = {node.op_type for node in model.graph.node}
    assert "ConstantOfShape" not in kinds
    assert {"Unsqueeze", "Mul", "Add", "BatchNormalization"} <= kinds
    assert [value.name for value in model.graph.input] == ["data_0"]
    assert model.opset_import[0].version == 9
    onnx.checker.check_model(model)


def test_an_unknown_topology_lists_the_known_ones() -> None:
    with pytest.raises(UnknownTopologyError, match="choose one of bvlc_alexnet, densenet121"):
        reseeded("resnet51")
