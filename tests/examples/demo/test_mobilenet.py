"""The hand-built MobileNetV2 is the real one: it knows what is on photographs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from examples.demo import mobilenet
from examples.thirty_lines.picture import preprocess


@pytest.fixture(scope="module")
def model(demo_folder: Path) -> onnx.ModelProto:
    return onnx.load(demo_folder / "mobilenetv2.onnx")


@pytest.fixture(scope="module")
def session(demo_folder: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(demo_folder / "mobilenetv2.onnx", options)


@pytest.mark.parametrize(("picture", "index"), [("coffee", 967), ("camera", 872), ("cat", 285)])
def test_photographs_are_recognised(session: Any, demo_folder: Path, picture: str, index: int) -> None:
    pixels = preprocess((demo_folder / "pictures" / f"{picture}.jpg").read_bytes())

    (logits,) = session.run(["logits"], {"input": pixels})

    assert logits.shape == (1, mobilenet.CLASSES)
    assert logits.argmax() == index


def test_the_batch_is_free(session: Any) -> None:
    pixels = np.random.default_rng(1).standard_normal((3, 3, 224, 224), np.float32)

    together = session.run(None, {"input": pixels})[0]

    alone = np.concatenate([session.run(None, {"input": picture[np.newaxis]})[0] for picture in pixels])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_the_graph_is_unfolded_and_readable(model: onnx.ModelProto) -> None:
    kinds = Counter(node.op_type for node in model.graph.node)

    assert kinds["Conv"] == kinds["BatchNormalization"] == 52
    assert kinds["Clip"] == 35
    assert kinds["Add"] == 10
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {"/features/3/conv/0/0/Conv", "/features/3/conv/2/Conv", "/features/3/Add"} <= set(names)


def test_usage_without_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert mobilenet.main([]) == 2
    assert "usage" in capsys.readouterr().err
