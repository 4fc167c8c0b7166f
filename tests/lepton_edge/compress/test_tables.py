"""Tables take a quarter of the room, row by row, however they are read."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper

from lepton_edge.compress import tables
from tests.lepton_edge.compress.hard_nets import cosine, of, operators, reader, run
from tests.lepton_edge.compress.small_nets import weights_of

IDS = np.random.default_rng(0).integers(0, 2048, (1, 20))


def stored(model: ModelProto, kept: tuple[str, ...] = ()) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    tables.store_small(made, kept)
    return made


def test_looked_up_rows_have_a_scale_each() -> None:
    model = reader()
    made = stored(model)
    assert made.ByteSize() < 0.45 * model.ByteSize()  # the products stay float
    assert operators(made)["DequantizeLinear"] == 0
    assert "table" not in weights_of(made)
    small = IDS % 20  # rows ten times smaller than the last ones
    for ids in (IDS, small):
        assert cosine(run(made, ids=ids)["y"], run(model, ids=ids)["y"]) > 0.9995


def test_what_a_kept_node_reads_stays() -> None:
    made = stored(reader(), ("lookup",))
    np.testing.assert_array_equal(weights_of(made)["table"], weights_of(reader())["table"])


def test_a_small_table_and_a_layers_weight_stay() -> None:
    assert stored(reader(rows=512)).SerializeToString() == reader(rows=512).SerializeToString()


def sliced() -> ModelProto:
    held = {"table": np.random.default_rng(0).standard_normal((1024, 64))}
    nodes = [
        helper.make_node("Add", ["x", "table"], ["a"], "sum"),
        helper.make_node("Gather", ["table", "ids"], ["y"], "lookup"),
    ]
    made = of(nodes, held, {"x": [1024, 64]}, {"a": [1024, 64], "y": [3, 64]})
    made.graph.input.append(helper.make_tensor_value_info("ids", 7, [3]))
    return made


def test_a_table_that_is_read_whole_is_expanded() -> None:
    model = sliced()
    made = stored(model)
    feeds = {"x": np.ones((1024, 64), np.float32), "ids": np.array([0, 5, 1023])}
    assert operators(made)["DequantizeLinear"] == 1
    assert made.ByteSize() < 0.3 * model.ByteSize()
    for name, wanted in run(model, **feeds).items():
        assert cosine(run(made, **feeds)[name], wanted) > 0.9999


def test_a_mask_of_minus_infinity_stays() -> None:
    mask = np.where(np.tri(256), 0, -np.inf)
    nodes = [helper.make_node("Add", ["x", "mask"], ["y"], "masked")]
    model = of(nodes, {"mask": mask}, {"x": [1, 256, 256]}, {"y": [1, 256, 256]})
    assert stored(model).SerializeToString() == model.SerializeToString()
