"""From a file to a compiled model: what is written, what is told, what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from partitioner.compiled import READ_IR, READ_OPSET, CompiledModel
from partitioner.errors import InvalidManifest, InvalidModel, UnsupportedOperator
from partitioner.manifest import Manifest, OutputRule
from partitioner.onnx_io import compile_model, cut, load, load_compiled
from partitioner.onnx_io.blob import MIN_EXTERNAL, PAGE, PAGE_FROM
from partitioner.plan import QueueRule
from tests.partitioner.onnx_io import handmade
from tests.partitioner.onnx_io.conftest import Compile, Compiled


def test_what_was_compiled_reads_back(mobilenetv2: Compiled) -> None:
    assert load_compiled(mobilenetv2.directory) == mobilenetv2.model


def test_only_the_promised_files_are_left(mobilenetv2: Compiled) -> None:
    found = {
        path.relative_to(mobilenetv2.directory).as_posix() for path in mobilenetv2.directory.rglob("*.*")
    }
    assert found == {"model.json", "composed.onnx", "weights.bin", "labels/imagenet_labels.txt"}


def test_the_graph_of_mobilenet_is_small_and_its_weights_lie_in_the_blob(mobilenetv2: Compiled) -> None:
    assert (mobilenetv2.directory / "composed.onnx").stat().st_size < 100_000
    blob = (mobilenetv2.directory / "weights.bin").read_bytes()
    assert len(blob) == mobilenetv2.model.blob_size
    assert hashlib.sha256(blob).hexdigest() == mobilenetv2.model.blob


def test_every_weight_is_where_its_reference_says(mobilenetv2: Compiled) -> None:
    blob = (mobilenetv2.directory / "weights.bin").read_bytes()
    for weight in mobilenetv2.model.weights:
        content = blob[weight.offset : weight.offset + weight.length]
        assert hashlib.sha256(content).hexdigest() == weight.sha256
        assert weight.length >= MIN_EXTERNAL
        assert weight.offset % (PAGE if weight.length >= PAGE_FROM else 64) == 0


def test_batch_norm_is_folded(mobilenetv2: Compiled) -> None:
    assert "ai.onnx/BatchNormalization" not in mobilenetv2.model.operators
    assert "ai.onnx/Conv" in mobilenetv2.model.operators


def test_the_doors_of_a_picture_model(mobilenetv2: Compiled) -> None:
    (door,), (result,) = mobilenetv2.model.inputs, mobilenetv2.model.outputs
    assert (door.tensor.name, door.tensor.shape) == ("input", ("N", 3, 224, 224))
    assert (door.picture, door.encoded) == ("input@picture", "input@encoded")
    assert (result.scores, result.indices, result.keep) == ("logits@scores", "logits@indices", False)
    label_file = (mobilenetv2.directory / "labels" / "imagenet_labels.txt").read_bytes()
    assert result.labels == hashlib.sha256(label_file).hexdigest()
    outputs = {tensor.name for tensor in mobilenetv2.model.graph.tensors if tensor.is_output}
    assert outputs == {"logits@scores", "logits@indices"}


def test_equal_input_gives_equal_files_and_another_gives_another_version(tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    onnx.save(handmade.small_conv_net(), str(source))

    def run(
        into: str, name: str = "m", manifest: Manifest | None = None
    ) -> tuple[CompiledModel, bytes, list[bytes]]:
        made = compile_model(source, name, tmp_path / into, manifest=manifest, shapes={}, labels={})
        blocks = cut(tmp_path / into, made, [frozenset({0})])
        return made, (tmp_path / into / "composed.onnx").read_bytes(), [one.file for one in blocks]

    assert run("a") == run("b")
    assert run("c", manifest=Manifest(outputs=(OutputRule("y", top_k=2),)))[0].version != run("a")[0].version
    lined = run("e", manifest=Manifest(queue=QueueRule("newest")))[0]
    assert lined.queue == load_compiled(tmp_path / "e").queue == QueueRule("newest")
    modest = run("f", manifest=Manifest(smaller="tiny"))[0]
    assert modest.smaller == load_compiled(tmp_path / "f").smaller == "tiny"
    assert modest.version != lined.version
    assert lined.version != run("a")[0].version == run("f", manifest=Manifest())[0].version
    onnx.save(handmade.mlp(), str(source))
    assert run("d")[0].version != load_compiled(tmp_path / "b").version


def test_compiling_again_replaces_what_was_there(compile_into: Compile) -> None:
    first = compile_into(handmade.small_conv_net())
    second = compile_into(handmade.mlp())
    assert load_compiled(second.directory) == second.model != first.model


def test_tied_weights_lie_in_the_blob_once(compile_into: Compile) -> None:
    made = compile_into(handmade.tied_weights(), shapes=handmade.SHAPES["tied"])
    table, copy = (next(w for w in made.model.weights if w.name == name) for name in ("table", "copy"))
    assert (table.offset, table.sha256) == (copy.offset, copy.sha256)
    assert made.model.blob_size < 64 * 16 * 4 + 16 * 16 * 4 + 64


def test_dynamic_dimensions_stay_open_and_sizes_follow_the_bucket(compile_into: Compile) -> None:
    made = compile_into(handmade.dynamic_mask(), shapes={"ids": (2, 5)})
    tensors = {tensor.name: tensor for tensor in made.model.graph.tensors}
    assert tensors["ids"].shape == ("b", "s")
    assert tensors["h3"].size == 2 * 5 * 16 * 4
    wider = compile_into(handmade.dynamic_mask(), shapes={"ids": (2, 50)})
    assert {tensor.name: tensor for tensor in wider.model.graph.tensors}["h3"].size == 2 * 50 * 16 * 4


def test_external_data_beside_the_file_is_taken_in(tmp_path: Path) -> None:
    source = tmp_path / "m.onnx"
    onnx.save(handmade.mlp(), str(source), save_as_external_data=True, location="m.data", size_threshold=0)
    made = compile_model(source, "m", tmp_path / "out", manifest=None, shapes={}, labels={})
    assert made.source_bytes == source.stat().st_size + (tmp_path / "m.data").stat().st_size
    assert made.blob_size > 32 * 32 * 4
    before = made.version
    content = bytearray((tmp_path / "m.data").read_bytes())
    content[5] ^= 1
    (tmp_path / "m.data").write_bytes(content)
    assert compile_model(source, "m", tmp_path / "out", manifest=None, shapes={}, labels={}).version != before


def external(location: str, length: int = 32 * 32 * 4) -> onnx.ModelProto:
    model = handmade.mlp()
    (tensor,) = (one for one in model.graph.initializer if one.name == "w2")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": str(length)}.items():
        tensor.external_data.add(key=key, value=value)
    return model


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "missing.bin", ""])
def test_external_data_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(4096))
    folder = tmp_path / "pushed"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(external(location).SerializeToString())
    with pytest.raises(InvalidModel):
        compile_model(folder / "m.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})


def test_truncated_external_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.data").write_bytes(bytes(100))
    (tmp_path / "m.onnx").write_bytes(external("m.data").SerializeToString())
    with pytest.raises(InvalidModel):
        compile_model(tmp_path / "m.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", bytes(1000), b"\xff" * 100])
def test_what_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InvalidModel):
        compile_model(tmp_path / "m.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})
    assert not (tmp_path / "out" / "model.json").exists()
    with pytest.raises(InvalidModel, match="push the model again"):
        load_compiled(tmp_path / "out")


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    content = handmade.mlp().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidModel):
        compile_model(tmp_path / "m.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="cannot be read"):
        compile_model(tmp_path / "none.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})


@pytest.mark.parametrize(
    ("operator", "domain", "named"),
    [
        ("Frobnicate", "", "Frobnicate"),
        ("Frobnicate", "com.microsoft", "com.microsoft"),
        ("Own", "my.ops", "my.ops"),
    ],
)
def test_an_unknown_operator_is_named(tmp_path: Path, operator: str, domain: str, named: str) -> None:
    model = handmade.mlp()
    model.graph.node[2].op_type = operator
    model.graph.node[2].domain = domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedOperator, match=named) as caught:
        compile_model(tmp_path / "m.onnx", "m", tmp_path / "out", manifest=None, shapes={}, labels={})
    assert caught.value.hint
    assert operator in str(caught.value)


def test_a_shape_that_does_not_fit_is_refused(compile_into: Compile) -> None:
    for shapes, says in [
        ({"nothing": (1,)}, "nothing"),
        ({"ids": (1, 2, 3)}, "dimensions"),
        ({"ids": (1, 5), "mask": (1, 6)}, "make them agree"),
        ({}, "--shape"),
    ]:
        with pytest.raises(InvalidManifest, match=says):
            compile_into(handmade.dynamic_mask(), shapes=shapes)


def test_a_missing_or_garbled_label_file_is_refused(compile_into: Compile) -> None:
    manifest = Manifest(outputs=(OutputRule("y", top_k=2, labels="names.txt"),))
    with pytest.raises(InvalidManifest, match="missing"):
        compile_into(handmade.small_conv_net(), manifest)
    with pytest.raises(InvalidManifest, match="UTF-8"):
        compile_into(handmade.small_conv_net(), manifest, labels={"names.txt": b"\xff\xfe"})


def test_an_input_that_is_a_sequence_is_refused(compile_into: Compile) -> None:
    graph = helper.make_graph(
        [helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0)], "g",
        [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )  # fmt: skip
    with pytest.raises(InvalidModel, match="dense tensor"):
        compile_into(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


def _relu(kind: int, output: onnx.ValueInfoProto, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("x", kind, [1, 4])
    graph = helper.make_graph([*nodes], "g", [given], [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_an_output_that_is_a_sequence_is_refused(compile_into: Compile) -> None:
    output = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1, 4])
    with pytest.raises(InvalidModel, match="output `y` is no dense tensor"):
        compile_into(
            _relu(TensorProto.FLOAT, output, helper.make_node("SequenceConstruct", ["x", "x"], ["y"]))
        )


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN])
def test_inputs_of_types_that_cannot_travel_are_refused(compile_into: Compile, kind: int) -> None:
    output = helper.make_tensor_value_info("y", kind, [1, 4])
    with pytest.raises(InvalidModel, match="dense tensor"):
        compile_into(_relu(kind, output, helper.make_node("Identity", ["x"], ["y"])))


def test_a_model_that_computes_nothing_is_refused(compile_into: Compile) -> None:
    value = helper.make_tensor("value", TensorProto.FLOAT, [1, 4], [1, 2, 3, 4])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    with pytest.raises(InvalidModel, match="computes nothing"):
        compile_into(_relu(TensorProto.FLOAT, output, helper.make_node("Constant", [], ["y"], value=value)))


def test_an_output_that_folds_to_a_constant_still_comes_out(compile_into: Compile) -> None:
    model = handmade.mlp()
    model.graph.initializer.append(handmade.constant("half", [1.0, 2.0], "float32"))
    model.graph.node.append(helper.make_node("Mul", ["half", "half"], ["fixed"]))
    model.graph.output.append(helper.make_tensor_value_info("fixed", TensorProto.FLOAT, [2]))
    made = compile_into(model)
    assert any(tensor.name == "fixed" and tensor.is_output for tensor in made.model.graph.tensors)


def test_the_noun_survives_an_unknown_field(mobilenetv2: Compiled, tmp_path: Path) -> None:
    text = (mobilenetv2.directory / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('{"name"', '{"from_the_future": 1, "name"', 1))
    assert load_compiled(tmp_path) == mobilenetv2.model


def test_a_model_that_is_too_new_for_an_old_engine_is_written_as_it_can_read_it(
    compile_into: Compile,
) -> None:
    model = handmade.mlp()
    model.opset_import[0].version, model.ir_version = READ_OPSET + 1, READ_IR + 2
    compiled = compile_into(model)
    assert compiled.model.opset == READ_OPSET
    composed = compiled.directory / "composed.onnx"
    assert onnx.load(composed, load_external_data=False).ir_version <= READ_IR


def test_what_cannot_be_lowered_is_kept_and_noted(
    compile_into: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(model: onnx.ModelProto, most: int) -> onnx.ModelProto:
        raise InvalidModel("no older way")

    monkeypatch.setattr(load, "lower_opset", refuses)
    model = handmade.mlp()
    model.opset_import[0].version = READ_OPSET + 1
    assert compile_into(model).model.opset == READ_OPSET + 1
