"""A small convolutional net with weights of every kind, and samples with structure, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Materials, Sample
from partitioner.onnx_io import runtime


class Pictures:
    """Smooth random pictures, so that neighbouring inputs go together as they do in real ones."""

    def __init__(self, count: int = 24, seed: int = 0, side: int = 12) -> None:
        random = np.random.default_rng(seed)
        coarse = random.standard_normal((count, 3, side // 3, side // 3)).astype(np.float32)
        self._held = coarse.repeat(3, axis=2).repeat(3, axis=3)
        self._held += 0.05 * random.standard_normal(self._held.shape).astype(np.float32)

    def __iter__(self) -> Iterator[Sample]:
        for place, one in enumerate(self._held):
            yield Sample({"x": one[None]}, f"picture {place}")

    def __len__(self) -> int:
        return len(self._held)


def net(seed: int = 0) -> ModelProto:
    """Return conv, relu, depthwise, relu, 1x1 conv, mean, Gemm: float32 [N, 3, 12, 12] -> [N, 10]."""
    random = np.random.default_rng(seed)
    shapes = {"w0": (16, 3, 3, 3), "w1": (16, 1, 3, 3), "w2": (32, 16, 1, 1), "w3": (10, 32)}
    weights = {
        name: random.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for name, shape in shapes.items()
    }
    weights |= {f"b{i}": random.standard_normal(n) / 8 for i, n in ((0, 16), (2, 32), (3, 10))}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], "first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["ar"], "relu0"),
        helper.make_node("Conv", ["ar", "w1"], ["b"], "depth", pads=[1] * 4, group=16, strides=[2, 2]),
        helper.make_node("Relu", ["b"], ["br"], "relu1"),
        helper.make_node("Conv", ["br", "w2", "b2"], ["c"], "wide"),
        helper.make_node("Relu", ["c"], ["cr"], "relu2"),
        helper.make_node("GlobalAveragePool", ["cr"], ["p"], "mean"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "last", transB=1),
    ]
    held = [numpy_helper.from_array(one.astype(np.float32), name) for name, one in weights.items()]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 12]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10]),
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def materials(model: ModelProto, scratch: Path, count: int = 24) -> Materials:
    """Return materials with `count` pictures."""
    return Materials(model, Pictures(count), Target(), scratch)


def answers(model: ModelProto, seed: int = 7) -> np.ndarray:
    """Return the answers to other pictures, one row each."""
    session = runtime.open_session(model, runtime.options(None, runtime.FULL))
    return np.concatenate([runtime.run(session, one.feeds)["y"] for one in Pictures(16, seed)])


def error(model: ModelProto, original: ModelProto) -> float:
    """Return the relative squared error of the answers to pictures that no technique saw."""
    wanted = answers(original)
    return float(np.sum((answers(model) - wanted) ** 2) / np.sum(wanted**2))


def weights_of(model: ModelProto) -> dict[str, np.ndarray]:
    """Return all constants by name."""
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
