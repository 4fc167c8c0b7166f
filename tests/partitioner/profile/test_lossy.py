"""The numpy codecs here are the codecs of the devices: same graphs, same bytes, same values."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from device_agents.engine.codecs import TensorCodec
from device_agents.engine.runtime import start_runtime
from partitioner.codecs import CODECS
from partitioner.onnx_io.codec_graphs import codec_graph
from partitioner.profile.lossy import journey


def run(part, direction, feed):
    return onnxruntime.InferenceSession(codec_graph(part, direction)).run(None, feed)


def tensors():
    random = np.random.default_rng(3)
    yield random.normal(0, 3, (1, 16, 7, 7)).astype(np.float32)
    yield np.maximum(random.normal(0, 3, (64,)), 0).astype(np.float32)
    yield (random.normal(0, 1e-3, (5, 9)) - 2).astype(np.float32)
    yield np.zeros((3, 4), np.float32)
    yield np.full((3,), 5.0, np.float32)
    yield np.array(3.0, np.float32)


@pytest.mark.parametrize("array", list(tensors()))
def test_f16_is_what_a_device_computes(array):
    arrived, size = journey(CODECS["f16"], array)
    half = run("cast_f16", "encode", {"x": array})[0]
    np.testing.assert_array_equal(arrived, run("cast_f16", "decode", {"y": half})[0])
    assert size == array.size * 2


@pytest.mark.parametrize("array", list(tensors()))
def test_u8_is_what_a_device_computes(array):
    arrived, size = journey(CODECS["u8+zstd"], array)
    steps, scale, zero, _ = run("affine_u8", "encode", {"x": array})
    expected = run("affine_u8", "decode", {"q": steps, "scale": scale, "zero_point": zero})[0]
    assert np.abs(arrived - expected).max() <= 1.01 * scale  # a quotient may round the other way
    assert np.mean(arrived != expected) < 0.01
    assert size > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["f16", "f16+sparse", "bf16", "u8", "u8+lz4", "u8+zstd"])
def test_what_a_codec_cannot_hold_travels_raw(name, value):
    array = np.ones((4, 4), np.float32)
    array[1, 1] = value
    arrived, size = journey(CODECS[name], array)
    assert arrived is array
    assert size == array.nbytes


@pytest.mark.parametrize("name", [name for name in CODECS if name != "jpeg"])
@pytest.mark.parametrize("array", list(tensors()))
def test_a_device_sends_the_same_bytes_and_gets_the_same_values(name, array):
    devices = TensorCodec(start_runtime(1))
    arrived, size = journey(CODECS[name], array)
    sent = devices.encode("t", array, name)
    again = devices.decode(sent)
    assert sent.codec == name
    assert (
        abs(len(sent.payload) - size) <= 0.02 * size + 2
    )  # a rounding of u8 may move a byte of its compression
    assert np.abs(arrived - again).max() <= 1.01 * (sent.scale if "u8" in name.split("+") else 0.0)


def test_overflow_and_other_dtypes_travel_raw():
    assert journey(CODECS["f16"], np.array([70_000.0], np.float32))[1] == 4
    assert journey(CODECS["f16"], np.arange(3))[1] == 24
    assert journey(CODECS["u8+zstd"], np.zeros((0, 3), np.float32))[1] == 0


def test_jpeg_keeps_the_shape_and_is_smaller():
    picture = np.tile(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], (1, 80, 3))
    arrived, size = journey(CODECS["jpeg"], picture)
    assert arrived.shape == picture.shape
    assert 0 < size < picture.nbytes / 5
