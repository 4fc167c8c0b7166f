"""Small compiled models to measure on: a classifier of pictures and one of arrays."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from partitioner.manifest import read_manifest
from partitioner.onnx_io import compile_model

PICTURE_MANIFEST = """
format = 1
[[input]]
name = "x"
kind = "picture"
resize = { size = [32, 32] }
layout = "NCHW"
scale = 0.00392156862745098
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
[[output]]
name = "logits"
softmax = true
top_k = 3
"""


def classifier():
    """x [N,3,32,32] -> conv, relu, conv, relu, add -> pool -> logits [N,10]."""
    random = np.random.default_rng(5)

    def weight(name, *shape):
        return numpy_helper.from_array(random.normal(0, 0.25, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="one/conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"], name="one/relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="two/conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="two/relu"),
        helper.make_node("Add", ["r1", "r2"], ["sum"], name="add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["logits"], name="classify", transB=1),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "classifier", [info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [info("logits", TensorProto.FLOAT, ["N", 10])],
        initializer=[weight("w1", 16, 3, 3, 3), weight("w2", 16, 16, 3, 3), weight("w3", 10, 16)],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((80, 60), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return np.frombuffer(stream.getvalue(), np.uint8)


def compiled_at(folder, manifest, samples):
    source = folder / "classifier.onnx"
    onnx.save(classifier(), source)
    rules = read_manifest(manifest) if manifest else None
    into = folder / "compiled"
    compiled = compile_model(
        source, "classifier", into, manifest=rules, shapes={"x": (1, 3, 32, 32)}, labels={}
    )
    if samples:
        np.savez(into / "samples.npz", **{f"{index}/x": one for index, one in enumerate(samples)})
    return into, compiled


@pytest.fixture
def of_pictures(tmp_path):
    return compiled_at(tmp_path, PICTURE_MANIFEST, [picture(seed) for seed in range(4)])


@pytest.fixture
def of_arrays(tmp_path):
    random = np.random.default_rng(0)
    samples = [random.normal(0, 1, (1, 3, 32, 32)).astype(np.float32) for _ in range(4)]
    return compiled_at(tmp_path, "", samples)


@pytest.fixture
def without_samples(tmp_path):
    return compiled_at(tmp_path, PICTURE_MANIFEST, [])
