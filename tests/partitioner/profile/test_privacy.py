"""What leaves the board is inverted on the samples that were pushed; what cannot be said is said so."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from partitioner.onnx_io import compile_model
from partitioner.profile.privacy import privacy


def soft(seed):
    """A picture of large patches, uint8 [48, 48, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 48), Image.Resampling.BILINEAR))


@pytest.fixture
def pushed(of_pictures):
    """Return a model with twelve pictures as samples."""
    directory, compiled = of_pictures
    arrays = {f"{number}/x": soft(number) for number in range(12)}
    np.savez(directory / "samples.npz", **arrays)
    return directory, compiled


def test_early_cuts_show_more_than_late_ones_and_the_input_is_called_so(pushed):
    _, compiled = pushed
    early = [one.name for one in compiled.graph.tensors if one.shape[1:] == (16, 16, 16)][:1]
    late = [one.name for one in compiled.graph.tensors if one.shape[1:] in ((16,), (16, 1, 1))][:1]
    assert early
    assert late
    told = privacy(*pushed, {"early": early, "late": late, "cloud-raw": ["x@picture"], "cloud": ["x"]})
    rows = {row["page"]: row for row in told["cuts"]}
    assert told["samples"] == 12
    assert rows["early"]["ssim"] > rows["early"]["blind"] + 0.2
    assert rows["early"]["ssim"] > rows["late"]["ssim"] + 0.1
    assert [rows[page]["sends_input"] for page in ("early", "late", "cloud-raw", "cloud")] == [
        False,
        False,
        True,
        True,
    ]
    assert rows["cloud-raw"]["ssim"] is None


def test_few_samples_or_none_are_said(of_pictures):
    directory, compiled = of_pictures
    np.savez(directory / "samples.npz", **{f"{number}/x": soft(number) for number in range(3)})
    told = privacy(directory, compiled, {"cut": [compiled.graph.tensors[-1].name]})
    assert told["unmeasured"].startswith("3 samples were pushed; 4 are needed")
    (directory / "samples.npz").unlink()
    assert privacy(directory, compiled, {})["unmeasured"].startswith("0 samples")


def test_an_input_that_is_no_picture_is_said(tmp_path):
    info = helper.make_tensor_value_info
    node = helper.make_node("Relu", ["x"], ["y"], name="relu")
    graph = helper.make_graph(
        [node], "g", [info("x", TensorProto.FLOAT, [1, 40])], [info("y", TensorProto.FLOAT, [1, 40])]
    )
    onnx.save(
        helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m"
    )
    compiled = compile_model(tmp_path / "m", "m", tmp_path / "c", manifest=None, shapes={}, labels={})
    rows = {f"{number}/x": np.full((1, 40), number, np.float32) for number in range(5)}
    np.savez(tmp_path / "c" / "samples.npz", **rows)
    assert "no picture" in privacy(tmp_path / "c", compiled, {})["unmeasured"]
