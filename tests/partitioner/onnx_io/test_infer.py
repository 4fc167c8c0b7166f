"""Dtypes and shapes, as the engine tells them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from partitioner.errors import InvalidManifest
from partitioner.onnx_io import generate, load
from partitioner.onnx_io.infer import TensorType, bind, declared, dims, infer, value_info
from tests.partitioner.onnx_io import handmade


def types_of(
    model: onnx.ModelProto, folder: Path, shapes: dict[str, tuple[int, ...]]
) -> dict[str, TensorType]:
    load.normalise(model)
    symbols = bind(model.graph, shapes)
    feeds = generate.feeds(model.graph, declared(model.graph, symbols))
    return infer(model, folder, symbols, feeds)


def test_contrib_operators_are_known(tmp_path: Path) -> None:
    types = types_of(handmade.contrib(), tmp_path, {"x": (3, 8)})
    assert types["c"] == TensorType("float32", ("n", 32), (3, 32))
    assert types["d"].size == 3 * 16 * 4


def test_what_inference_cannot_tell_is_measured(tmp_path: Path) -> None:
    types = types_of(handmade.dynamic_mask(), tmp_path, handmade.SHAPES["mask"])
    assert types["r1"].bucket == (2, 5, 4, 4)
    assert types["h3"].bucket == (2, 5, 16)
    assert all(-1 not in one.bucket for one in types.values())


def test_a_scalar_is_a_scalar_and_a_sequence_cannot_cross(tmp_path: Path) -> None:
    types = types_of(handmade.if_capturing(), tmp_path, {})
    assert types["sum"] == TensorType("float32", (), ())
    assert types["positive"].dtype == "bool"
    assert types_of(handmade.sequences(), tmp_path, {})["seq"].dtype == ""


def test_symbols_are_bound_by_shapes_and_the_first_dimension_defaults_to_one() -> None:
    graph = handmade.dynamic_mask().graph
    assert bind(graph, {"ids": (4, 7)}) == {"b": 4, "s": 7}
    assert bind(handmade.mlp().graph, {}) == {"batch": 1}
    with pytest.raises(InvalidManifest, match="--shape ids"):
        bind(graph, {})
    with pytest.raises(InvalidManifest, match="agree"):
        bind(handmade.mlp().graph, {"x": (1, 9)})


def test_an_unnamed_dimension_gets_a_name() -> None:
    model = handmade.mlp()
    model.graph.input[0].type.tensor_type.shape.dim[0].ClearField("dim_param")
    load.normalise(model)
    assert dims(model.graph.input[0]) == ("x@0", 8)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "bool", "int8", "uint64"])
def test_a_declaration_keeps_names_and_leaves_the_rest_open(dtype: str) -> None:
    kind = TensorType(dtype, ("n", 3, ""))
    assert dims(value_info("t", kind)) == ("n", 3, "")
    assert kind.numpy_dtype.itemsize * 6 == TensorType(dtype, (), (2, 3)).size
    assert np.zeros(1, kind.numpy_dtype).size == 1
