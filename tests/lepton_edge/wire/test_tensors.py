"""Arrays come back bit for bit, pictures nearly so, and hostile payloads cost one typed error."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame, InvalidInput
from lepton_edge.core.frames import WireTensor
from lepton_edge.wire import tensors
from partitioner.codecs import ALL_DTYPES

RAMP = (
    np.stack(np.meshgrid(np.arange(64), np.arange(48))[:1] * 3, axis=-1).astype(np.uint8) * 3
)  # [48, 64, 3]


@pytest.mark.parametrize("dtype", sorted(ALL_DTYPES - {"bfloat16"}))
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_every_dtype_and_shape_comes_back_bit_for_bit(dtype: str, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    array = np.frombuffer(bytes(range(1, 250)) * 2, np.uint8)[: count * np.dtype(dtype).itemsize]
    array = (array % 2 if dtype == "bool" else array).view(dtype).reshape(shape)
    back = tensors.unpack(tensors.pack("x", array))  # type: ignore[arg-type]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_nan_and_infinity_travel_raw_bit_for_bit() -> None:
    array = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    assert tensors.unpack(tensors.pack("x", array)).tobytes() == array.tobytes()  # type: ignore[arg-type]


def test_raw_is_a_view_both_ways_and_not_to_be_written_to() -> None:
    array = np.arange(1000, dtype=np.float32)
    packed = tensors.pack("x", array)  # type: ignore[arg-type]
    assert np.shares_memory(np.frombuffer(packed.payload, np.uint8), array)
    received = WireTensor("x", "float32", (1000,), "raw", memoryview(bytes(packed.payload)))  # type: ignore[arg-type]
    assert not tensors.unpack(received).flags.writeable


def test_views_and_foreign_byte_orders_are_put_in_order() -> None:
    array = np.arange(24, dtype=">i4").reshape(4, 6)[::2, ::-1]
    assert (tensors.unpack(tensors.pack("x", array)) == array).all()  # type: ignore[arg-type]


def test_bfloat16_is_seen_as_uint16() -> None:
    array = np.array([0x3F80, 0x4000], np.uint16)
    packed = tensors.pack("x", array, dtype="bfloat16")  # type: ignore[arg-type]
    assert packed.dtype == "bfloat16"
    assert (tensors.unpack(packed) == array).all()


def test_a_dtype_that_nobody_knows_is_the_callers_fault() -> None:
    for array in (np.array(["text"]), np.array([1j]), np.array([object()])):
        with pytest.raises(InvalidInput):
            tensors.pack("x", array)  # type: ignore[arg-type]


def test_a_raw_payload_of_another_size_is_refused() -> None:
    with pytest.raises(CorruptFrame):
        tensors.unpack(WireTensor("x", "float32", (3,), "raw", bytes(8)))  # type: ignore[arg-type]
    with pytest.raises(CorruptFrame):
        tensors.unpack(WireTensor("x", "float32", (2,), "f16", bytes(4)))  # type: ignore[arg-type]


# --- zstd -------------------------------------------------------------------------------------------


def test_zstd_comes_back_as_it_went() -> None:
    array = np.repeat(np.arange(9, dtype=np.uint8), 99)
    payload = tensors.compress(array, "zstd")
    assert len(payload) < array.nbytes / 4
    assert bytes(tensors.decompress(payload, "zstd", array.nbytes)) == array.tobytes()


def test_a_bomb_is_not_expanded() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    with pytest.raises(CorruptFrame, match="announces"):
        tensors.decompress(bomb, "zstd", 100)


def test_a_frame_that_hides_its_size_is_refused() -> None:
    hidden = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(CorruptFrame):
        tensors.decompress(hidden, "zstd", 100)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_zstd_are_refused(junk: bytes) -> None:
    with pytest.raises(CorruptFrame):
        tensors.decompress(junk, "zstd", 1 << 20)


# --- pictures ---------------------------------------------------------------------------------------


def test_jpeg_comes_back_nearly_as_it_went() -> None:
    packed = tensors.pack("x", RAMP, "jpeg")  # type: ignore[arg-type]
    assert len(packed.payload) < RAMP.nbytes / 3
    assert np.abs(tensors.unpack(packed).astype(int) - RAMP).mean() < 3


def test_only_pictures_travel_as_jpeg() -> None:
    for array in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InvalidInput):
            tensors.pack("x", array, "jpeg")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        tensors.pack("x", np.zeros((4, 4, 3), np.float32), "jpeg")  # type: ignore[arg-type]


def test_a_jpeg_of_another_size_than_declared_is_refused() -> None:
    payload = tensors.encode_jpeg(RAMP)
    with pytest.raises(InvalidInput):  # more pixels than were declared are not even decoded
        tensors.unpack(WireTensor("x", "uint8", (10, 10, 3), "jpeg", payload))  # type: ignore[arg-type]
    with pytest.raises(CorruptFrame):
        tensors.unpack(WireTensor("x", "uint8", (64, 48, 3), "jpeg", payload))  # type: ignore[arg-type]
