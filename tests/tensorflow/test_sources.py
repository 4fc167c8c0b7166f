"""Keras, SavedModel and TFLite models become ONNX at the one door, by tf2onnx itself, and can be compressed.

Skipped where the extra `tensorflow` is missing (CI has not got its gigabyte): pip install '.[tensorflow]', then
`pytest tests/tensorflow`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

WHY = "needs the extra tensorflow: {} is missing"
for _name in ("tensorflow", "tf2onnx"):
    pytest.importorskip(_name, reason=WHY.format(_name), exc_type=ImportError)

import tensorflow  # noqa: E402

from lepton_edge import compress  # noqa: E402
from lepton_edge.compress import evaluate  # noqa: E402
from lepton_edge.compress.errors import AlreadyCompressed  # noqa: E402
from lepton_edge.compress.recipe import Recipe, Step  # noqa: E402
from lepton_edge.compress.sources import open_model  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
PICTURES = np.random.default_rng(0).random((40, 1, 28, 28, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def net() -> Any:
    keras = tensorflow.keras
    keras.utils.set_random_seed(0)
    x = picture = keras.Input((28, 28, 1), name="picture")
    for width in (32, 64):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, keras.layers.Dense(10)(x))


@pytest.fixture(scope="module")
def files(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same net in every format."""
    folder = tmp_path_factory.mktemp("tensorflow")
    net.save(folder / "net.keras")
    net.save(folder / "net.h5")
    net.export(folder / "saved")
    lite = tensorflow.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    (folder / "net.tflite").write_bytes(lite.convert())
    lite.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    lite.representative_dataset = lambda: ([one] for one in PICTURES[:20])
    (folder / "integers.tflite").write_bytes(lite.convert())
    return folder


@pytest.mark.parametrize(
    ("name", "output"),
    [("net.keras", "output"), ("net.h5", "output"), ("net.tflite", "output"), ("saved", "output_0")],
)
def test_it_answers_as_before_under_plain_names(net: Any, files: Path, name: str, output: str) -> None:
    found = open_model(files / name).model
    assert [one.name for one in found.graph.input] == ["picture"]
    answers = evaluate.Runner(found).run({"picture": PICTURES[0]})
    assert list(answers) == [output]
    np.testing.assert_allclose(answers[output], net(PICTURES[0]).numpy(), rtol=1e-4, atol=1e-5)


def test_a_quantized_tflite_is_told_to_be_one(files: Path) -> None:
    with pytest.raises(AlreadyCompressed, match="quantized already"):
        open_model(files / "integers.tflite")


@pytest.mark.parametrize("name", ["net.keras", "net.tflite"])
def test_it_is_compressed(files: Path, name: str, tmp_path: Path) -> None:
    recipe = Recipe((Step("clean", {}), Step("static_int8", {})))
    samples = [{"picture": one} for one in PICTURES]
    report = compress(
        files / name,
        samples,
        recipe=recipe,
        target="size",
        metric="cosine",
        max_drop=0.05,
        out=tmp_path / "out",
    )
    assert report.best is not None
    assert report.best.score.mean > 0.95
    assert report.best.size < report.original.size
