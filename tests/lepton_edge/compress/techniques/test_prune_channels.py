"""Channels leave real architectures: smaller, of the same inputs and outputs, and still running."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from examples.demo import mobilenet
from examples.demo.zoo import reseeded
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import technique
from partitioner.onnx_io import runtime
from tests.lepton_edge.compress.small import classifier

PRUNE = technique("prune_channels")


def _pruned(model: ModelProto, ratio: float = 0.25) -> ModelProto:
    return PRUNE.apply(model, Materials(model, (), Target(), Path()), {"ratio": ratio, "multiple": 8})


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_a_light_topology_gets_smaller_and_runs(name: str) -> None:
    model = reseeded(name)
    made = _pruned(model)
    assert made.ByteSize() < 0.75 * model.ByteSize()
    feeds = {model.graph.input[0].name: np.ones((1, 3, 224, 224), np.float32)}
    session = runtime.open_session(made, runtime.options(None, runtime.FULL))
    answer = next(iter(runtime.run(session, feeds).values()))
    assert answer.reshape(-1).shape == (1000,)
    assert np.isfinite(answer).all()


def test_depthwise_convolutions_follow() -> None:
    model = mobilenet.build()
    made = _pruned(model)
    assert made.ByteSize() < 0.75 * model.ByteSize()
    session = runtime.open_session(made, runtime.options(None, runtime.FULL))
    feeds = {"input": np.ones((2, 3, 224, 224), np.float32)}
    assert runtime.run(session, feeds)["logits"].shape == (2, 1000)


def test_hidden_units_between_products_leave() -> None:
    made = _pruned(classifier(), 0.5)
    assert [list(one.dims) for one in made.graph.initializer] == [[16, 32], [32, 4]]


def test_the_model_that_is_given_is_not_changed() -> None:
    model = classifier()
    before = model.SerializeToString()
    _pruned(model)
    assert model.SerializeToString() == before


def test_a_quantized_model_is_refused() -> None:
    model = classifier()
    model.graph.node.append(helper.make_node("DequantizeLinear", ["q", "s"], ["z"]))
    assert "before a model is quantized" in PRUNE.refuse(model, Target())


def test_a_graph_without_free_channels_is_refused() -> None:
    model = classifier()
    del model.graph.node[1:]
    model.graph.node[0].output[0] = "y"
    assert "no channel can leave" in PRUNE.refuse(model, Target())
