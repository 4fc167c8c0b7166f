"""The codecs' graph parts: what they compute, what they refuse, and that the committed files are these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from partitioner.onnx_io.codec_graphs import DIRECTIONS, PARTS, codec_graph

COMMITTED = Path(__file__).parents[3] / "device_agents" / "engine" / "graphs"
SHAPES = [(), (1,), (7,), (2, 3), (1, 8, 5, 5), (1, 2, 3, 2, 2)]


def run(part: str, direction: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(codec_graph(part, direction), options, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds), strict=True))


def sample(shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.random.default_rng(0).normal(size=shape) * 10, np.float32)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_committed_files_are_what_is_generated(part: str, direction: str) -> None:
    assert (COMMITTED / f"{part}_{direction}.onnx").read_bytes() == codec_graph(part, direction)


@pytest.mark.parametrize("shape", SHAPES)
def test_cast_f16_is_numpys_float16_there_and_back(shape: tuple[int, ...]) -> None:
    x = sample(shape)
    encoded = run("cast_f16", "encode", {"x": x})
    np.testing.assert_array_equal(encoded["y"], x.astype(np.float16))
    assert np.isfinite(encoded["check"])
    decoded = run("cast_f16", "decode", {"y": encoded["y"]})
    np.testing.assert_array_equal(decoded["x"], x.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("shape", SHAPES)
def test_affine_u8_errs_by_at_most_one_step(shape: tuple[int, ...]) -> None:
    x = sample(shape)
    encoded = run("affine_u8", "encode", {"x": x})
    assert np.isfinite(encoded.pop("check"))
    decoded = run("affine_u8", "decode", encoded)["x"]
    assert decoded.shape == x.shape
    assert np.abs(decoded - x).max() <= encoded["scale"]


def test_affine_u8_holds_a_constant_zero_tensor() -> None:
    encoded = run("affine_u8", "encode", {"x": np.zeros((3, 4), np.float32)})
    assert np.isfinite(encoded.pop("check"))
    np.testing.assert_array_equal(run("affine_u8", "decode", encoded)["x"], np.zeros((3, 4), np.float32))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 5, 999])
def test_check_is_not_finite_where_one_element_is_not(part: str, bad: float, position: int) -> None:
    x = sample((1000,))
    x[position] = bad
    assert not np.isfinite(run(part, "encode", {"x": x})["check"])


def test_check_of_f16_tells_overflow_at_65504() -> None:
    x = sample((1000,))
    x[3] = 65504.0
    assert np.isfinite(run("cast_f16", "encode", {"x": x})["check"])
    x[3], x[4] = 70000.0, -70000.0
    assert not np.isfinite(run("cast_f16", "encode", {"x": x})["check"])


def test_check_of_affine_u8_tells_a_range_that_overflows() -> None:
    x = np.array([3e38, -3e38, 0.0], np.float32)
    assert not np.isfinite(run("affine_u8", "encode", {"x": x})["check"])


def test_an_unknown_part_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        codec_graph("cast_f8", "encode")
