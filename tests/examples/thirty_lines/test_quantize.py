"""int8 is a quarter of the size and still knows the easy pictures; how often it errs is counted."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from examples.demo.prepare import Ingredients
from examples.thirty_lines.quantize import Agreement, agreement, quantize


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


def test_agreement_is_counted(int8: Path, ingredients: Ingredients) -> None:
    easy = [path for path in ingredients.pictures if path.stem in {"coffee", "camera"}]

    assert agreement(ingredients.model, int8, easy) == Agreement(same=2, pictures=2)
    assert agreement(ingredients.model, ingredients.model, ingredients.pictures) == Agreement(5, 5)


def test_no_samples_no_quantization(ingredients: Ingredients, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give at least one"):
        quantize(ingredients.model, [], tmp_path / "out.onnx")
