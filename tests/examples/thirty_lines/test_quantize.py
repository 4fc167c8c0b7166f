"""int8 is a quarter of the size and still knows the easy pictures; how often it errs is counted."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from examples.demo.prepare import Ingredients
from examples.thirty_lines.quantize import Comparison, compare, quantize, report


@pytest.fixture(scope="session")
def int8(ingredients: Ingredients, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantize(ingredients.model, ingredients.samples[:9], out)
    return out


def test_weights_are_int8_per_channel(int8: Path) -> None:
    model = onnx.load(int8)

    kinds = {weight.name: weight for weight in model.graph.initializer}
    scales = [kinds[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert any(scale.dims and scale.dims[0] > 1 for scale in scales)
    assert int8.stat().st_size < 5_000_000


def test_the_easy_pictures_survive(int8: Path, ingredients: Ingredients) -> None:
    easy = [path for path in ingredients.pictures if path.stem in {"coffee", "camera"}]

    assert compare(ingredients.model, int8, easy) == [
        Comparison("coffee.jpg", 967, 967),
        Comparison("camera.jpg", 872, 872),
    ]


def test_what_differs_is_counted_and_named() -> None:
    compared = [Comparison("a.jpg", 0, 0), Comparison("b.jpg", 1, 2)]

    assert report(compared, ["cat", "rocket", "missile"]) == {
        "same": 1,
        "of": 2,
        "differing": {"b.jpg": {"fp32": "rocket", "int8": "missile"}},
    }


def test_no_samples_no_quantization(ingredients: Ingredients, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give at least one"):
        quantize(ingredients.model, [], tmp_path / "out.onnx")
