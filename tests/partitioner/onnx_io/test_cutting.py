"""Blocks: what they hold, what crosses, and that together they are the whole."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import onnx
import pytest
import skimage.data
from PIL import Image

from partitioner.errors import InvalidProblem
from partitioner.graph import chain, down_sets, live_tensors, needed_boundaries
from partitioner.onnx_io import Cutter, cut
from tests.partitioner.onnx_io import handmade
from tests.partitioner.onnx_io.conftest import Compile, Compiled
from tests.partitioner.onnx_io.running import run_blocks, session


def jpeg(name: str) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(getattr(skimage.data, name)()).convert("RGB").save(file, "JPEG", quality=90)
    return np.frombuffer(file.getvalue(), np.uint8)


@pytest.mark.parametrize(("picture", "label"), [("coffee", 967), ("camera", 872)])
def test_an_encoded_picture_goes_through_all_blocks_to_its_label(
    mobilenetv2: Compiled, picture: str, label: int
) -> None:
    fences = chain(mobilenetv2.model.graph)
    boundaries = [fences[at] for at in (1, 2, 3, 20, 40)]
    blocks = cut(mobilenetv2.directory, mobilenetv2.model, boundaries)
    env = run_blocks(blocks, mobilenetv2.directory, {"input@encoded": jpeg(picture)}, full=True)
    assert env["logits@indices"][0, 0] == label
    assert env["input@picture"].ndim == 3
    assert env["input@resized"].shape == (224, 224, 3)
    assert env["logits@scores"].dtype == np.float32


def test_blocks_are_small_and_say_what_they_are(mobilenetv2: Compiled) -> None:
    fences = chain(mobilenetv2.model.graph)
    blocks = cut(mobilenetv2.directory, mobilenetv2.model, [fences[1], fences[30]])
    assert [one.block.kind for one in blocks] == ["decode_picture", "onnx", "onnx"]
    assert [one.block.index for one in blocks] == [0, 1, 2]
    for one in blocks[1:]:
        assert 0 < len(one.file) < 60_000
        assert one.block.artifact == hashlib.sha256(one.file).hexdigest()
        assert one.block.weights
        assert one.block.name
    assert blocks[0].file == b""
    assert blocks[0].block.artifact == ""
    assert [spec.name for spec in blocks[0].block.outputs] == ["input@picture"]


def test_no_weight_is_needed_twice_and_none_is_lost(mobilenetv2: Compiled) -> None:
    fences = chain(mobilenetv2.model.graph)
    blocks = cut(mobilenetv2.directory, mobilenetv2.model, [fences[1], fences[12], fences[33]])
    names = [weight.name for one in blocks for weight in one.block.weights]
    assert sorted(names) == sorted(weight.name for weight in mobilenetv2.model.weights)


def test_a_block_reads_only_what_is_live_and_makes_all_that_is_needed(compile_into: Compile) -> None:
    for name, make in handmade.HANDMADE.items():
        made = compile_into(make(), shapes=handmade.SHAPES.get(name))
        cutter = Cutter(made.directory, made.model)
        whole = frozenset(range(len(made.model.graph.layers)))
        for down_set in (down_sets(made.model.graph, 10_000) or [])[1:-1]:
            live = {tensor.name for tensor in live_tensors(made.model.graph, down_set)}
            first, second = (cutter.block(0, frozenset(), down_set), cutter.block(1, down_set, whole))
            given = {tensor.name for tensor in made.model.graph.tensors if tensor.producer < 0}
            assert {spec.name for spec in first.block.inputs} <= given
            assert {spec.name for spec in second.block.inputs} == live
            assert live <= {spec.name for spec in first.block.outputs} | given


def test_equal_cuts_give_equal_bytes(mobilenetv2: Compiled) -> None:
    boundaries = [chain(mobilenetv2.model.graph)[at] for at in (1, 17)]
    first, second = (cut(mobilenetv2.directory, mobilenetv2.model, boundaries) for _ in range(2))
    assert first == second


def test_an_early_output_goes_home_from_the_block_that_made_it(compile_into: Compile) -> None:
    made = compile_into(handmade.many_ends())
    fences = chain(made.model.graph)
    blocks = cut(made.directory, made.model, fences[1:-1])
    makers = {spec.name: one.block.index for one in blocks for spec in one.block.outputs}
    assert {"early", "side", "y"} <= makers.keys()
    assert makers["early"] < makers["y"]
    live_at_the_end = {tensor.name for tensor in live_tensors(made.model.graph, fences[-2])}
    assert "early" not in live_at_the_end


def test_names_with_slashes_stay(compile_into: Compile) -> None:
    made = compile_into(handmade.mlp("/a/b/"))
    (crossing,) = live_tensors(made.model.graph, frozenset({0}))
    assert crossing.name == "/a/b/c"
    names = [layer.name for layer in made.model.graph.layers]
    assert [name.removesuffix("/MatMulAddFusion") for name in names] == ["/a/b/a", "/a/b/d", "y"]


def test_symbolic_dimensions_are_declared_by_blocks(compile_into: Compile) -> None:
    made = compile_into(handmade.mlp())
    first, second = cut(made.directory, made.model, [frozenset({0})])
    assert second.block.inputs[0].shape == ("batch", 32)
    opened = session(second.file, made.directory)
    assert opened.get_inputs()[0].shape == ["batch", 32]
    for batch in (1, 5):
        env = run_blocks((first, second), made.directory, {"x": np.ones((batch, 8), np.float32)})
        assert env["y"].shape == (batch, 10)


def test_a_mask_is_computed_where_it_is_needed_not_sent(compile_into: Compile) -> None:
    made = compile_into(handmade.dynamic_mask(), shapes=handmade.SHAPES["mask"])
    fences = chain(made.model.graph)
    blocks = cut(made.directory, made.model, fences[1:-1])
    crossing = {spec.name for one in blocks for spec in one.block.inputs}
    assert "mask" in crossing
    assert not crossing & {"m1", "m2", "m3", "bias"}
    users = [one for one in blocks if b"bias" in one.file]
    assert len(users) == 3


def test_only_integers_cross_between_quantized_layers(
    compile_into: Compile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = handmade.quantized_conv_net(tmp_path_factory.mktemp("q"))
    made = compile_into(onnx.load(str(file)))
    inner = [t for t in made.model.graph.tensors if t.producer >= 0 and not t.is_output]
    assert len(inner) > 3
    assert {tensor.dtype for tensor in inner} == {"uint8"}


def test_a_sequence_does_not_cross(compile_into: Compile) -> None:
    made = compile_into(handmade.sequences())
    assert "seq" not in {tensor.name for tensor in made.model.graph.tensors}
    (layer,) = (layer for layer in made.model.graph.layers if "seq" in layer.nodes)
    assert "c" in layer.nodes


def test_control_flow_is_atomic_and_its_captures_cross(compile_into: Compile) -> None:
    made = compile_into(handmade.if_capturing())
    (layer,) = (layer for layer in made.model.graph.layers if "z" in layer.nodes)
    before = frozenset(range(layer.index))
    assert {"early", "late", "positive"} <= {tensor.name for tensor in live_tensors(made.model.graph, before)}
    assert "z/w_else" in layer.weight_names  # lifted out of the branch


def test_what_the_model_declares_of_inner_tensors_is_kept(compile_into: Compile) -> None:
    """An engine fuses by declared shapes that it cannot infer (a skip connection and its LayerNorm)."""
    model = handmade.mlp()
    model.graph.value_info.extend([handmade.value("d", ["batch", 32]), handmade.value("c", ["batch", 32])])
    made = compile_into(model)
    first, second = cut(made.directory, made.model, [frozenset({0})])
    declared = [
        [one.name for one in onnx.load_from_string(part.file).graph.value_info] for part in (first, second)
    ]
    assert declared == [[], ["d"]]


def test_a_local_function_travels_with_its_callers(compile_into: Compile) -> None:
    made = compile_into(handmade.local_function())
    blocks = cut(made.directory, made.model, chain(made.model.graph)[1:-1])
    x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    whole = session(made.source.read_bytes(), made.directory).run(None, {"x": x})[0]
    np.testing.assert_array_equal(run_blocks(blocks, made.directory, {"x": x})["y"], whole)


def test_nan_and_infinity_cross_as_they_are(compile_into: Compile) -> None:
    made = compile_into(handmade.mlp())
    x = np.full((2, 8), np.nan, np.float32)
    blocks = cut(made.directory, made.model, chain(made.model.graph)[1:-1])
    assert np.isnan(run_blocks(blocks, made.directory, {"x": x})["y"]).all()


def test_boundaries_that_are_none_are_refused(mobilenetv2: Compiled) -> None:
    fences = chain(mobilenetv2.model.graph)
    for boundaries, says in [
        ([fences[3], fences[2]], "nested"),
        ([fences[3], fences[3]], "nested"),
        ([frozenset({5})], "down-set"),
        ([fences[3]], "pseudo-node"),
    ]:
        with pytest.raises(InvalidProblem, match=says):
            cut(mobilenetv2.directory, mobilenetv2.model, boundaries)


def test_the_needed_boundaries_suffice(mobilenetv2: Compiled) -> None:
    needed = needed_boundaries(mobilenetv2.model.graph)
    assert [one.block.kind for one in cut(mobilenetv2.directory, mobilenetv2.model, needed)] == [
        "decode_picture",
        "onnx",
    ]


def test_empty_and_full_sets_are_implied(compile_into: Compile) -> None:
    made = compile_into(handmade.mlp())
    fences = chain(made.model.graph)
    assert cut(made.directory, made.model, fences) == cut(made.directory, made.model, fences[1:-1])
