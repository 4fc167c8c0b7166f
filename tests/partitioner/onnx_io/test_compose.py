"""Pre- and post-processing as nodes: against Pillow and numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from PIL import Image

from partitioner.errors import InvalidManifest
from partitioner.graph import chain
from partitioner.manifest import ArrayInput, Manifest, OutputRule, PictureInput, Resize
from partitioner.onnx_io import cut
from tests.partitioner.onnx_io import handmade
from tests.partitioner.onnx_io.conftest import Compile, Compiled
from tests.partitioner.onnx_io.running import run_blocks, session

FILTERS = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC}


def photograph(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(height * width)
    small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
    noise = random.integers(-20, 20, (height, width, 3))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def prepare(made: Compiled, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Run the two layers behind the decoder, then the rest."""
    fences = chain(made.model.graph)
    blocks = cut(made.directory, made.model, [fences[1], fences[2], fences[3]])
    return run_blocks(blocks[1:], made.directory, {"x@picture": picture})


def pillow(picture: np.ndarray, size: tuple[int, int], crop: tuple[int, int], how: str) -> np.ndarray:
    """Resize to (height, width), crop the center, as torchvision's transforms do on Pillow pictures."""
    resized = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), FILTERS[how]))
    top, left = (size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2
    return resized[top : top + crop[0], left : left + crop[1]]


def net(shape: list[int | str], dtype: int = TensorProto.FLOAT, opset: int = 18) -> onnx.ModelProto:
    """The mean of a picture, times two."""
    nodes = [
        handmade.node("Cast", "x", "real", to=TensorProto.FLOAT),
        handmade.node("Add", "real real", "twice"),
        handmade.node("ReduceMean", "twice", "y", keepdims=1),
        handmade.node("Relu", "y", "z"),
    ]
    inputs, outputs = [handmade.value("x", shape, dtype)], [handmade.value("z", [1, 1, 1, 1])]
    return handmade.model(nodes, inputs, outputs, opset=opset)


RULE = PictureInput("x", Resize(40), (32, 32))


@pytest.mark.parametrize("how", ["linear", "cubic"])
@pytest.mark.parametrize(("height", "width"), [(80, 80), (96, 144), (200, 120), (20, 30)])
def test_the_shorter_side_is_resized_and_the_center_cropped_as_pillow_does(
    compile_into: Compile, how: str, height: int, width: int
) -> None:
    rule = replace(RULE, resize=Resize(40, None, how))
    made = compile_into(net(["n", 3, 32, 32]), Manifest(inputs=(rule,)))
    picture = photograph(height, width)
    scale = 40 / min(height, width)
    expected = pillow(picture, (int(height * scale), int(width * scale)), (32, 32), how)
    found = prepare(made, picture)["x@resized"]
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8
    apart = np.abs(found.astype(int) - expected.astype(int))
    assert apart.mean() < 0.1
    assert apart.max() <= 4


def test_to_a_fixed_size_without_a_crop(compile_into: Compile) -> None:
    rule = PictureInput("x", Resize(size=(24, 32)))
    made = compile_into(net(["n", 3, 24, 32]), Manifest(inputs=(rule,)))
    picture = photograph(61, 87)
    expected = pillow(picture, (24, 32), (24, 32), "linear")
    apart = np.abs(prepare(made, picture)["x@resized"].astype(int) - expected.astype(int))
    assert apart.mean() < 0.1
    assert apart.max() <= 4


def test_without_a_resize_the_models_own_size_is_taken(compile_into: Compile) -> None:
    made = compile_into(net(["n", 3, 16, 24]), Manifest(inputs=(PictureInput("x"),)))
    assert prepare(made, photograph(50, 50))["x@resized"].shape == (16, 24, 3)


@pytest.mark.parametrize(("layout", "axes"), [("NCHW", (2, 0, 1)), ("NHWC", (0, 1, 2))])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_layout_channels_and_normalisation(
    compile_into: Compile, layout: str, axes: tuple[int, int, int], channels: str
) -> None:
    rule = PictureInput(
        "x", Resize(size=(32, 32)), None, layout, channels, 1 / 255, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    )
    shape: list[int | str] = ["n", 3, 32, 32] if layout == "NCHW" else ["n", 32, 32, 3]
    env = prepare(compile_into(net(shape), Manifest(inputs=(rule,))), photograph(64, 64))
    pixels = env["x@resized"][..., ::-1] if channels == "BGR" else env["x@resized"]
    expected = (pixels / 255 - np.array(rule.mean)) / np.array(rule.std)
    np.testing.assert_allclose(env["x"], expected.transpose(axes)[None], atol=1e-5)
    assert env["x"].dtype == np.float32


def test_other_dtypes_of_the_models_input(compile_into: Compile) -> None:
    picture = photograph(64, 64)
    rule = PictureInput("x", Resize(size=(32, 32)))
    env = prepare(compile_into(net([1, 3, 32, 32], TensorProto.UINT8), Manifest(inputs=(rule,))), picture)
    np.testing.assert_array_equal(env["x"][0], env["x@resized"].transpose(2, 0, 1))
    with pytest.raises(InvalidManifest, match="uint8"):
        compile_into(net([1, 3, 32, 32], TensorProto.UINT8), Manifest(inputs=(replace(rule, scale=0.5),)))
    half = replace(rule, scale=1 / 255)
    env = prepare(compile_into(net([1, 3, 32, 32], TensorProto.FLOAT16), Manifest(inputs=(half,))), picture)
    assert env["x"].dtype == np.float16


def test_a_model_of_an_older_opset_is_raised(compile_into: Compile) -> None:
    made = compile_into(net(["n", 3, 32, 32], opset=13), Manifest(inputs=(RULE,)))
    env = prepare(made, photograph(64, 64))
    np.testing.assert_allclose(env["z"].ravel(), 2 * env["x"].mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("rule", "shape", "says"),
    [
        (replace(RULE, name="nothing"), [1, 3, 32, 32], "no input"),
        (RULE, [1, 3, 30, 32], "manifest makes 32 x 32"),
        (RULE, [1, 1, 32, 32], "channels"),
        (replace(RULE, layout="NHWC"), [1, 3, 32, 32], "channels"),
        (RULE, [8, 3, 32, 32], "fixed batch"),
        (RULE, [3, 32, 32], "dimensions"),
        (replace(RULE, crop=None), [1, 3, 32, 32], "shorter side only"),
        (PictureInput("x"), [1, 3, "h", "w"], "dynamic"),
    ],
)
def test_a_picture_that_does_not_fit_is_refused(
    compile_into: Compile, rule: PictureInput, shape: list[int | str], says: str
) -> None:
    nodes = [handmade.node("Relu", "x", "z")]
    model = handmade.model(nodes, [handmade.value("x", shape)], [handmade.value("z", shape)])
    with pytest.raises(InvalidManifest, match=says):
        compile_into(model, Manifest(inputs=(rule,)))


@pytest.mark.parametrize(("softmax", "keep"), [(True, False), (False, True)])
def test_the_best_of_an_output(compile_into: Compile, softmax: bool, keep: bool) -> None:
    rule = OutputRule("y", softmax=softmax, top_k=3, keep=keep)
    made = compile_into(handmade.mlp(), Manifest(outputs=(rule,)))
    x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    blocks = cut(made.directory, made.model, chain(made.model.graph)[1:-1])
    env = run_blocks(blocks, made.directory, {"x": x})
    logits = session(made.source.read_bytes(), made.directory).run(None, {"x": x})[0]
    order = np.argsort(-logits, axis=1)[:, :3]
    np.testing.assert_array_equal(env["y@indices"], order)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if softmax else logits
    np.testing.assert_allclose(env["y@scores"], np.take_along_axis(scores, order, 1), rtol=1e-5)
    outputs = {tensor.name for tensor in made.model.graph.tensors if tensor.is_output}
    assert outputs == {"y@scores", "y@indices"} | ({"y"} if keep else set())


def test_more_than_there_is_to_rank_is_refused(compile_into: Compile) -> None:
    with pytest.raises(InvalidManifest, match="10 classes"):
        compile_into(handmade.mlp(), Manifest(outputs=(OutputRule("y", top_k=11),)))
    with pytest.raises(InvalidManifest, match="no output"):
        compile_into(handmade.mlp(), Manifest(outputs=(OutputRule("q", top_k=1),)))


def test_a_number_that_nobody_said_is_bounded_by_the_classes(compile_into: Compile) -> None:
    for top_k, found in ((5, 5), (11, 10)):
        rule = OutputRule("y", softmax=True, top_k=top_k, keep=False, defaulted=True)
        made = compile_into(handmade.mlp(), Manifest(outputs=(rule,)))
        shapes = {tensor.name: tensor.shape[-1] for tensor in made.model.graph.tensors if tensor.is_output}
        assert shapes == {"y@scores": found, "y@indices": found}


def test_an_array_input_gets_its_bucket(compile_into: Compile) -> None:
    rules = Manifest(inputs=(ArrayInput("ids", (1, 9)),))
    made = compile_into(handmade.dynamic_mask(), rules)
    assert made.model.inputs[0].tensor.size == 9 * 8
