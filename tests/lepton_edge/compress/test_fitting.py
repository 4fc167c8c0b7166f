"""What fits a model, and what is refused by its source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.fitting import Fitting
from lepton_edge.compress.technique import Sample


def model(element: int = TensorProto.FLOAT, shape: tuple[Any, ...] = (1, 3, 4)) -> ModelProto:
    ends = [helper.make_tensor_value_info(name, element, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    return helper.make_model(graph)


def fitted(array: Any, **kind: Any) -> np.ndarray[Any, Any]:
    return Fitting(model(**kind), {}).fit(Sample({"x": np.asarray(array)}, "photo 7")).feeds["x"]


def test_a_row_gets_its_batch() -> None:
    assert fitted(np.zeros((3, 4), np.float32)).shape == (1, 3, 4)


def test_a_wider_float_becomes_the_models() -> None:
    assert fitted(np.zeros((1, 3, 4))).dtype == np.float32


def test_integers_become_the_models() -> None:
    found = fitted(np.array([[1, 2]], np.int32), element=TensorProto.INT64, shape=("n", 2))
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 5), np.float32), "photo 7: input 'x' is 3 x 5, the model takes 1 x 3 x 4"),
        (np.zeros((2, 3, 4), np.float32), "2 x 3 x 4"),
        (np.zeros((1, 3, 4), np.uint8), "is uint8, the model takes float32"),
        (np.full((1, 3, 4), np.nan, np.float32), "photo 7: input 'x' holds NaN"),
        (np.full((1, 3, 4), np.inf, np.float32), "infinite"),
        (np.full((1, 3, 4), 1e300), "infinite"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_source(array: Any, words: str) -> None:
    with pytest.raises(UnusableData, match=words):
        fitted(array)


def test_an_integer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnusableData, match="cannot hold"):
        fitted(np.array([[1 << 40, 2]]), element=TensorProto.INT32, shape=("n", 2))


@pytest.mark.parametrize(
    ("feeds", "words"), [({}, "lacks 'x'"), ({"x": np.zeros(1), "z": np.zeros(1)}, "'z', which no input")]
)
def test_inputs_that_are_not_there_are_named(feeds: dict[str, Any], words: str) -> None:
    with pytest.raises(UnusableData, match=words):
        Fitting(model(), {}).fit(Sample(feeds, "photo 7"))
