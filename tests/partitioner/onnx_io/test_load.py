"""The plain form that the rest of the room trusts."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from partitioner.compiled import READ_IR, READ_OPSET
from partitioner.errors import InvalidModel
from partitioner.onnx_io import blob, load
from tests.partitioner.onnx_io import handmade


def test_weights_are_no_inputs_and_large_ones_lie_outside(tmp_path: Path) -> None:
    model = handmade.mlp()
    model.graph.input.append(handmade.value("w2", [32, 32]))
    onnx.save(model, str(tmp_path / "m.onnx"))
    loaded = load.load(tmp_path / "m.onnx", tmp_path)
    assert [one.name for one in loaded.model.graph.input] == ["x"]
    large = {one.name for one in loaded.model.graph.initializer if blob.is_external(one)}
    assert large == {"w1", "w2", "w3"}
    assert (tmp_path / load.SOURCE_FILE).stat().st_size >= 32 * 32 * 4
    assert loaded.files == (tmp_path / "m.onnx",)


def test_every_node_gets_a_name_of_its_own_and_keeps_the_one_it_has() -> None:
    model = handmade.mlp()
    for node, name in zip(model.graph.node, ["", "same", "same", "", "kept", ""], strict=True):
        node.name = name
    load.name_nodes(model.graph)
    assert [node.name for node in model.graph.node] == [
        "MatMul_0",
        "same",
        "same_1",
        "MatMul_3",
        "kept",
        "MatMul_5",
    ]


def test_constants_become_initializers() -> None:
    model = handmade.mlp()
    model.graph.node.insert(0, handmade.node("Constant", "", "c", value_float=2.0))
    load.normalise(model)
    assert "c" in {one.name for one in model.graph.initializer}
    assert all(node.op_type != "Constant" for node in model.graph.node)


def test_an_older_opset_is_raised_with_its_weights(tmp_path: Path) -> None:
    nodes = [handmade.node("MatMul", "x w", "a"), handmade.node("Squeeze", "a", "y", axes=[0])]
    weights = [handmade.weight("w", 32, 32)]
    model = handmade.model(
        nodes, [handmade.value("x", [1, 32])], [handmade.value("y", [32])], weights, opset=11
    )
    load.normalise(model)
    with blob.BlobWriter(tmp_path / "w") as writer:
        blob.spill(model.graph.initializer, tmp_path, writer, "w")
    raised = load.raise_opset(model, 18)
    assert load.opset(raised) == 18
    assert [one.name for one in raised.graph.input] == ["x"]
    (kept,) = (one for one in raised.graph.initializer if one.name == "w")
    assert blob.is_external(kept)
    assert load.raise_opset(raised, 18) is raised


def test_ends_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    through = handmade.mlp()
    through.graph.output.append(handmade.value("x", ["batch", 8]))
    shapeless = handmade.mlp()
    shapeless.graph.input[0].type.tensor_type.ClearField("shape")
    empty = helper.make_model(helper.make_graph([], "g", [], []), ir_version=10)
    for model, says in [(through, "nothing computes"), (shapeless, "shape"), (empty, "model|graph")]:
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InvalidModel, match=says):
            load.load(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "bad.onnx is empty"),
        (b"not a model", "bad.onnx is not an ONNX file"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "bad.onnx is not an ONNX file"),
        (handmade.mlp().SerializeToString()[:-30], "bad.onnx is not an ONNX file, or not a whole one"),
        (b"\x08\x08", "bad.onnx is no valid ONNX model"),
    ],
    ids=["empty", "text", "jpeg", "truncated", "only a version"],
)
def test_a_foreign_file_is_called_one_by_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModel) as caught:
        load.load(path, tmp_path)
    assert caught.value.message.startswith(says)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(InvalidModel, match="^the upload is "):
        load.load(path, tmp_path, "the upload")


def test_a_file_format_that_is_too_new_for_a_board_is_lowered_unless_its_types_are_new_too() -> None:
    model = handmade.mlp()
    model.ir_version = READ_IR + 2
    load.normalise(model)
    assert model.ir_version == READ_IR
    model.ir_version = READ_IR + 2
    model.graph.node.insert(0, handmade.node("Cast", "x", "tiny", to=TensorProto.INT2))
    load.normalise(model)
    assert model.ir_version == READ_IR + 2


def test_an_opset_that_is_too_new_is_lowered_with_its_weights(tmp_path: Path) -> None:
    model = handmade.mlp()
    model.opset_import[0].version = READ_OPSET + 1
    load.normalise(model)
    with blob.BlobWriter(tmp_path / "w") as writer:
        blob.spill(model.graph.initializer, tmp_path, writer, "w")
    lowered = load.lower_opset(model, READ_OPSET)
    assert load.opset(lowered) == READ_OPSET
    assert lowered.ir_version <= READ_IR
    assert {one.name for one in lowered.graph.initializer if blob.is_external(one)} == {"w1", "w2", "w3"}
    assert load.lower_opset(lowered, READ_OPSET) is lowered


def test_an_operator_that_no_older_opset_has_is_named() -> None:
    model = handmade.mlp()
    model.graph.node[0].op_type = "Swish"
    model.opset_import[0].version = READ_OPSET + 1
    with pytest.raises(InvalidModel, match="Swish"):
        load.lower_opset(model, READ_OPSET)


def test_a_graph_that_protobuf_cannot_hold_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(handmade.mlp().SerializeToString())
    monkeypatch.setattr(load, "MAX_GRAPH_BYTES", path.stat().st_size - 1)
    with pytest.raises(InvalidModel, match="has over") as told:
        load.load(path, tmp_path)
    assert "external data" in told.value.hint
