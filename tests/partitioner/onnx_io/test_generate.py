"""Inputs made up: deterministic, and inside of what the graph can take."""

from __future__ import annotations

import numpy as np

from partitioner.onnx_io.generate import SMALL_COUNT, feeds, index_bounds
from partitioner.onnx_io.infer import TensorType
from tests.partitioner.onnx_io import handmade


def test_token_ids_stay_inside_the_table() -> None:
    graph = handmade.dynamic_mask().graph
    assert index_bounds(graph) == {"ids": 100}
    kinds = {name: TensorType("int64", ("b", "s"), (20, 50)) for name in ("ids", "mask")}
    made = feeds(graph, kinds)
    assert made["ids"].min() >= 0
    assert 90 < made["ids"].max() < 100
    assert set(np.unique(made["mask"])) == {0, 1}
    assert (made["mask"][:, 0] == 1).all()


def test_a_table_reached_through_a_cast_still_bounds() -> None:
    nodes = [
        handmade.node("Cast", "ids", "i", to=handmade.INT64),
        handmade.node("Gather", "t i", "y", axis=0),
    ]
    inputs = [handmade.value("ids", [3], handmade.INT64)]
    model = handmade.model(nodes, inputs, [handmade.value("y", [3, 4])], [handmade.weight("t", 7, 4)])
    assert index_bounds(model.graph) == {"ids": 7}


def test_every_dtype_is_made_in_its_shape_and_a_seed_repeats() -> None:
    kinds = {
        "a": TensorType("float32", (2, 3), (2, 3)), "b": TensorType("bool", (4,), (4,)),
        "c": TensorType("uint8", (50,), (50,)), "d": TensorType("int64", (), ()),
        "e": TensorType("bfloat16", (2,), (2,)), "f": TensorType("bool", (), ()),
    }  # fmt: skip
    graph = handmade.body([], [handmade.value(name, None) for name in kinds], [])
    first, again, other = feeds(graph, kinds), feeds(graph, kinds), feeds(graph, kinds, seed=1)
    for name, kind in kinds.items():
        assert first[name].dtype == kind.numpy_dtype
        assert first[name].shape == kind.bucket
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["a"], other["a"])
    assert first["d"] == SMALL_COUNT
    assert first["f"]
    assert first["c"].max() > 100
