"""Files of arrays that lie, are damaged, or would fill the memory."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.compress import arrays
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.rows import Rows

ROWS = np.ones((40, 16), np.float32).tobytes()


def head(shape: tuple[int, ...], kind: str = "<f4", version: int = 1) -> bytes:
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


def packed(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (head((10**12, 16)) + ROWS, "claims"),
        (head((10**12, 0)) + ROWS, "at most 10000000"),
        (head((40, 10**30)) + ROWS, "claims"),
        (head((40, -16)) + ROWS, "claims"),
        (head((40, 16), version=9) + ROWS, "9.0 of its format is unknown"),
        (head((40, 16), "|O") + ROWS, "Python objects"),
        (head((40, 16))[:30], "cannot read"),
        (b"\x93NUMPY\x01\x00\x20\x00" + b"(" * 32, "cannot read"),
        (b"hello", "cannot read"),
    ],
)
def test_a_header_that_lies_is_refused_before_memory_is_reserved(
    tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(UnusableData, match=words):
        Rows(packed(tmp_path / "a.npz", x=content))


def test_labels_are_bounded_too(tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="'labels' claims"):
        Rows(packed(tmp_path / "a.npz", x=head((40, 16)) + ROWS, labels=head((10**12,), "<i8")))


def test_a_row_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAX_ARRAY", 63)
    with pytest.raises(UnusableData, match="40 rows of 64 bytes"):
        Rows(packed(tmp_path / "a.npz", x=head((40, 16)) + ROWS))


def test_a_whole_array_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MAX_ARRAY", len(ROWS) - 1)
    np.save(tmp_path / "a.npy", np.ones((40, 16), np.float32))
    for read, path in (
        (arrays.read_npz, packed(tmp_path / "a.npz", x=head((40, 16)) + ROWS)),
        (arrays.read_npy, tmp_path / "a.npy"),
    ):
        with pytest.raises(ValueError, match="at most 2559 are held at once"):
            read(path)


def flag(path: Path, encrypted: int, method: int) -> Path:
    """Set the flags and the compression of the only member of an archive, in both of its headers."""
    content = bytearray(path.read_bytes())
    place = content.find(b"PK\x01\x02")
    content[6] |= encrypted
    content[place + 8] |= encrypted
    content[8] = content[place + 10] = method
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("encrypted", "method"), [(1, 8), (0, 99), (0, 14), (0, 12)])
def test_what_zipfile_cannot_expand_is_refused(tmp_path: Path, encrypted: int, method: int) -> None:
    path = packed(tmp_path / "a.npz", x=head((40, 16)) + ROWS)
    with pytest.raises(UnusableData, match="cannot read"):
        Rows(flag(path, encrypted, method))


def test_a_damaged_stream_is_refused_by_the_archive(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)
    path = packed(tmp_path / "a.npz", x=head((400, 16)) + noise.tobytes())
    content = bytearray(path.read_bytes())
    content[9000:9200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(UnusableData, match="a.npz"):
        list(Rows(path).read(range(400)))


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    given = {"a": np.asfortranarray(np.arange(6).reshape(2, 3)), "b": np.float32(2), "c": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "a.npz", **given)
    found = arrays.read_npz(tmp_path / "a.npz")
    assert found.keys() == given.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(arrays.read_npy(tmp_path / "a.npy"), array)
    assert arrays.read_npz(tmp_path / "a.npz", ["b"]).keys() == {"b"}
