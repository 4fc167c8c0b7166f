"""What is packed comes back bit by bit, in pieces of any size; what lies is refused, and nothing is reserved."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire.packed import Expander, expand, pack, packed_pieces, sections, slabs

MEGA = 1 << 20


def weights(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def pruned(count: int, share: float, seed: int = 0) -> np.ndarray:
    values = weights(count, seed)
    values[np.abs(values) < np.quantile(np.abs(values), share)] = 0
    return values


def shared(values: np.ndarray, entries: int) -> np.ndarray:
    book = np.linspace(-3, 3, entries, dtype=np.float32)
    index = np.abs(values[:, None] - book).argmin(1)
    return np.where(values == 0, np.float32(0), book[index])


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=3000),
    st.sampled_from([1, 2, 3, 4, 8]),
    st.integers(0, 40),
    st.lists(st.integers(1, 500), max_size=8),
)
def test_any_bytes_come_back_in_pieces_of_any_size(
    content: bytes, itemsize: int, row: int, cuts: list[int]
) -> None:
    packed = pack(content, itemsize, row)
    expander, got, at = Expander(len(content)), b"", 0
    for size in [*cuts, len(packed)]:
        got += b"".join(expander.feed(packed[at : at + size]))
        at += size
    expander.finish()
    assert got == content


@pytest.mark.parametrize(
    "values",
    [
        np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45] * 50, np.float32),
        np.array([0x7FC00001, 0x7FC00002, 0xFF800001] * 9, np.uint32).view(np.float32),  # NaNs that differ
        np.zeros(1000, np.float32), weights(999).astype(np.float16), weights(500).astype(np.float64),
        np.arange(-128, 128, dtype=np.int8), np.array([True, False] * 77), np.zeros(0, np.int64),
    ],
)  # fmt: skip
def test_odd_values_come_back_bit_by_bit(values: np.ndarray) -> None:
    content = values.tobytes()
    for row in (0, 1, 3, len(values)):
        assert expand(pack(content, values.itemsize, row), len(content)) == content


def test_a_tensor_of_several_slabs_comes_back_and_is_never_held_whole() -> None:
    content = pruned(5 * MEGA, 0.9).tobytes()
    pieces = list(packed_pieces(content, 4, 1024))
    assert len(pieces) == 1 + -(-len(content) // slabs.SLAB)
    assert expand(b"".join(pieces), len(content)) == content


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        (weights(MEGA // 4), 31.0),  # a little: exponents repeat
        (pruned(MEGA // 4, 0.9), 0.48 + 0.1 * 32),
        (shared(weights(MEGA // 4), 16), 4.0),
        (shared(pruned(MEGA // 4, 0.8), 32), 0.73 + 0.2 * 5),
        (np.ones(MEGA // 4, np.float32), 0.01),
    ],
)
def test_what_was_pruned_and_shared_takes_about_its_entropy(values: np.ndarray, bits: float) -> None:
    packed = pack(values.tobytes(), 4)
    assert len(packed) * 8 / len(values) <= bits * 1.03


def test_rows_that_were_quantized_once_are_stored_as_integers() -> None:
    scales = np.linspace(0.001, 0.01, 64, dtype=np.float32)
    numbers = np.random.default_rng(0).integers(-127, 128, (64, 900)).astype(np.int8)
    numbers[:, 0] = 127
    values = numbers.astype(np.float32) * scales[:, None]
    packed = pack(values.tobytes(), 4, 900)
    assert len(packed) < values.nbytes / 3.9
    assert expand(packed, values.nbytes) == values.tobytes()


def test_rows_that_were_shared_and_pruned_leave_their_zeros_out() -> None:
    values = pruned(64 * 900, 0.8).reshape(64, 900)
    values = np.sign(values) * np.float32(17) * np.linspace(0.001, 0.01, 64, dtype=np.float32)[:, None]
    packed = pack(values.tobytes(), 4, 900)
    assert len(packed) * 8 / values.size < (0.73 + 0.2) * 1.08
    assert expand(packed, values.nbytes) == values.tobytes()


def test_what_cannot_be_made_smaller_grows_by_its_heads_only() -> None:
    content = np.random.default_rng(0).bytes(100_000)
    assert len(pack(content)) <= len(content) + 48


# --- hostile ---------------------------------------------------------------------------------------------


def refused(packed: bytes, length: int) -> str:
    with pytest.raises(CorruptFrame) as raised:
        expand(packed, length)
    return raised.value.message


def slab(form: int, size: int, *parts: bytes, itemsize: int = 1) -> bytes:
    body = b"".join(sections.write(part) for part in parts)
    return slabs.HEAD.pack(form, itemsize, 0, size, len(body)) + body


def tensor(length: int, *them: bytes) -> bytes:
    return struct.pack("<4sQ", b"LPK1", length) + b"".join(them)


def test_a_length_that_is_not_expected_is_refused() -> None:
    assert "no packed tensor of 11 bytes" in refused(pack(b"0123456789"), 11)
    assert "no packed tensor" in refused(b"LPK9" + pack(b"0123456789")[4:], 10)


def test_one_that_ends_early_or_goes_on_is_refused() -> None:
    packed = pack(b"0123456789" * 9)
    for end in (0, 3, 12, 20, len(packed) - 1):
        assert "early" in refused(packed[:end], 90)
    assert "too many" in refused(packed + b"x", 90)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([0.0, 0.8]))
def test_a_damaged_byte_is_refused_or_expands_to_the_same_length(at: int, value: int, share: float) -> None:
    values = shared(pruned(600, share), 16)
    packed = bytearray(pack(values.tobytes(), 4, 6))
    packed[at % len(packed)] = value
    with contextlib.suppress(CorruptFrame):
        assert len(expand(bytes(packed), values.nbytes)) == values.nbytes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 500))
def test_rubbish_is_refused(rubbish: bytes, length: int) -> None:
    refused(struct.pack("<4sQ", b"LPK1", length) + rubbish if length else b"LPK1" + rubbish, length + 1)


@pytest.mark.parametrize(
    ("hostile", "says"),
    [
        (slab(9, 400, b"x" * 400), "no packed form 9"),
        (slab(0, 400, b"x" * 400, itemsize=3), "items of 3 bytes"),
        (slab(0, 401, b"x" * 401), "does not fit"),
        (slab(0, 399, b"x" * 399, itemsize=2), "does not fit"),
        (slab(0, 0, b""), "does not fit"),
        (slab(0, 400, b"x" * 399), "400 are needed"),
        (slab(0, 400, b"x" * 400, b"y"), "too many"),
        (slab(0, 400), "is empty"),
        (slab(1, 400, b"x" * 200, itemsize=2), "no head"),
        (slab(2, 400, b"", b"\0" * 400), "codebook has 0"),
        (slab(2, 400, b"ab", b"\2" + b"\1" * 399), "past its codebook"),
        (slab(5, 400, b"a", b"\1" * 50), "past its codebook"),
        (slab(0x80, 400, b"\xff" * 50, b"x" * 399), "400 are needed"),
        (slab(0x80, 400, b"\xff" * 51, b""), "mask has 51 bytes"),
        (slab(0x40, 400, b"abc", b"\0" * 100, itemsize=4), "do not divide"),
        (slab(0x40, 400, b"abcd" * 100, b"\0" * 400, itemsize=1), "no packed form"),
        (slab(0xC0, 400, b"abcd", b"\0" * 12, b"", itemsize=4), "mask has 12"),
        (slab(0x40, 400, b"abcd" * 3, b"\0" * 100, itemsize=4), "do not divide"),
    ],
)  # fmt: skip
def test_a_slab_that_lies_is_refused(hostile: bytes, says: str) -> None:
    assert says in refused(tensor(400, hostile), 400)


def test_a_slab_by_hand_is_read() -> None:
    planes = slab(1, 400, b"x" * 200, b"y" * 200, itemsize=2)
    assert expand(tensor(400, planes), 400) == b"xy" * 200
    sparse = slab(0x80, 400, b"\x01" * 50, b"z" * 50)
    assert expand(tensor(400, sparse), 400) == b"z\0\0\0\0\0\0\0" * 50


def test_a_bomb_reserves_nothing() -> None:
    bomb = zstandard.ZstdCompressor(19).compress(bytes(400 * MEGA))
    body = sections.HEAD.pack(len(bomb), MEGA) + bomb
    told = slabs.HEAD.pack(0, 1, 0, MEGA, len(body)) + body
    tracemalloc.start()
    assert "announces" in refused(tensor(MEGA, told), MEGA)
    assert tracemalloc.get_traced_memory()[1] < 2 * MEGA
    tracemalloc.stop()
