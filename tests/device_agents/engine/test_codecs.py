"""Every codec gives back what it took, within its promise; what it cannot hold travels raw."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from device_agents.engine.codecs import TensorCodec
from device_agents.engine.runtime import start_runtime
from lepton_edge.core.errors import CorruptFrame, InvalidInput


@pytest.fixture(scope="module")
def codec():
    return TensorCodec(start_runtime(1))


LOSSY = ["f16", "f16+sparse", "bf16", "u8", "u8+lz4", "u8+zstd"]
LOSSLESS = ["raw", "zstd", "sparse"]
FLOATS = [*LOSSLESS, *LOSSY]


def activations(*shape, seed=0):
    return np.maximum(np.random.default_rng(seed).normal(0, 2, shape), 0).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 32, 14, 14), (7,), (), (2, 1, 3)])
def test_f16_keeps_eleven_bits(codec, shape):
    array = activations(*shape)
    wire = codec.encode("t", array, "f16")
    assert (wire.codec, len(wire.payload)) == ("f16", 2 * array.size)
    np.testing.assert_allclose(codec.decode(wire), array, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 32, 14, 14), (7,), (), (2, 1, 3)])
def test_u8_keeps_half_a_step(codec, shape):
    array = activations(*shape) - 1
    wire = codec.encode("t", array, "u8+zstd")
    assert wire.codec == "u8+zstd"
    again = codec.decode(wire)
    assert again.shape == array.shape
    assert np.abs(again - array).max() <= 0.51 * wire.scale


@pytest.mark.parametrize("shape", [(1, 32, 14, 14), (7,), (), (2, 1, 3)])
def test_bf16_keeps_eight_bits_of_all_that_is_finite(codec, shape):
    array = activations(*shape) * np.float32(1e30)
    wire = codec.encode("t", array, "bf16")
    assert (wire.codec, memoryview(wire.payload).nbytes) == ("bf16", 2 * array.size)
    np.testing.assert_allclose(codec.decode(wire), array, rtol=2.0**-8)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38])
def test_what_bf16_cannot_hold_travels_raw(codec, value):
    array = activations(4, 5)
    array[2, 3] = value
    wire = codec.encode("t", array, "bf16")
    assert wire.codec == "raw"
    np.testing.assert_array_equal(codec.decode(wire), array)


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_is_called_lossless_is(codec, name):
    array = activations(3, 5, 7)
    array.reshape(-1)[:6] = [np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38]
    wire = codec.encode("t", array, name)
    assert wire.codec == name
    assert codec.decode(wire).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("name", "times"), [("sparse", 1.7), ("f16+sparse", 3.0), ("u8+lz4", 4.0), ("u8+zstd", 5.0)]
)
def test_activations_shrink(codec, name, times):
    array = activations(1, 32, 56, 56)
    assert array.nbytes / len(codec.encode("t", array, name).payload) > times


@pytest.mark.parametrize("name", ["zstd", "sparse", "f16+sparse", "u8+lz4"])
def test_broken_payloads_are_refused(codec, name):
    wire = codec.encode("t", activations(4, 5), name)
    whole = bytes(wire.payload)
    for payload in (b"", whole[:-1], whole[:2], whole + b"x", b"\xff" * len(whole), bytes(len(whole))):
        with pytest.raises(CorruptFrame):
            codec.decode(dataclasses.replace(wire, payload=payload))


def test_u8_with_zstd_is_several_times_smaller_on_activations(codec):
    array = activations(1, 32, 56, 56)
    assert array.nbytes / len(codec.encode("t", array, "u8+zstd").payload) > 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 70_000.0, -65_520.0])
def test_what_f16_cannot_hold_travels_raw(codec, value):
    array = activations(4, 5)
    array[2, 3] = value
    wire = codec.encode("t", array, "f16")
    assert wire.codec == "raw"
    np.testing.assert_array_equal(codec.decode(wire), array)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_u8_cannot_hold_travels_raw(codec, value):
    array = activations(4, 5)
    array[2, 3] = value
    wire = codec.encode("t", array, "u8+zstd")
    assert wire.codec == "raw"
    np.testing.assert_array_equal(codec.decode(wire), array)


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-38])
@pytest.mark.parametrize("name", FLOATS)
def test_a_constant_tensor_is_no_special_case(codec, name, value):
    array = np.full((3, 4), value, np.float32)
    np.testing.assert_allclose(codec.decode(codec.encode("t", array, name)), array, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["raw", *LOSSY, "sparse", "jpeg"])
@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 3), np.float32), np.arange(6, dtype=np.int64).reshape(2, 3), np.array([True, False]),
     np.arange(4, dtype=np.float16), np.zeros((2, 2, 4), np.uint8)],
    ids=["empty", "int64", "bool", "float16", "not a picture"],
)  # fmt: skip
def test_other_tensors_travel_raw_by_any_codec(codec, name, array):
    wire = codec.encode("t", array, name)
    assert wire.codec == "raw"
    again = codec.decode(wire)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


def test_a_picture_by_jpeg(codec):
    picture = np.tile(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], (1, 80, 3))
    wire = codec.encode("t", picture, "jpeg")
    assert len(wire.payload) < picture.nbytes / 5
    assert np.abs(codec.decode(wire).astype(int) - picture).max() <= 4


def test_a_view_that_is_not_contiguous_is_encoded_right(codec):
    array = activations(4, 6).T[::2]
    for name in FLOATS:
        np.testing.assert_allclose(codec.decode(codec.encode("t", array, name)), array, atol=0.05)


def test_broken_wire_tensors_are_refused(codec):
    wire = codec.encode("t", activations(4, 5), "u8+zstd")
    for broken in (
        dataclasses.replace(wire, codec="u3+magic"),
        dataclasses.replace(wire, payload=wire.payload[:-3]),
        dataclasses.replace(wire, payload=b"rubbish"),
        dataclasses.replace(wire, shape=(4, 6)),
        dataclasses.replace(wire, dtype="int64"),
    ):
        with pytest.raises((CorruptFrame, InvalidInput)):
            codec.decode(broken)
