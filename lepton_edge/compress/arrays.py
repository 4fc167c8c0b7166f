"""Arrays in .npy and .npz files that may come from anybody: looked at before memory is reserved for them.

Law: what a header claims must be in the file, and one piece of it (an array, or a row of many) is bounded; no pickle,
ever. It knows no model and no sample. Whatever is wrong is one of READ_ERRORS, which the caller turns into a sentence.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from lepton_edge.core.results import Array

MAX_ARRAY = 1 << 30
"""Bytes that are held at once of one array: a whole sample, or a row of many."""

MAX_ROWS = 10_000_000
"""Samples in one file."""

_MAX_HEADER = 1 << 16
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (
        3,
        0,
    ): np.lib.format.read_array_header_2_0,  # differs in the text's encoding, which only field names need
}

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError, ValueError, EOFError, KeyError, OverflowError, TokenError, MemoryError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError, RuntimeError,  # of an encrypted archive; NotImplementedError of an unknown compression
)  # fmt: skip
"""What zipfile and numpy raise for files that are damaged or hostile."""


@dataclass(frozen=True)
class Member:
    """One array of an archive: its name, dtype and whole shape; whether by columns; where its values begin."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool
    begin: int

    @property
    def row(self) -> int:
        """Bytes of one item of the first axis."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return prod(self.shape) * self.dtype.itemsize


def members(archive: zipfile.ZipFile) -> list[Member]:
    """Return the arrays of `archive`; raise one of READ_ERRORS where a header lies."""
    found = [one for one in archive.infolist() if one.filename.endswith(".npy")]
    return [_member(archive, one) for one in found]


def bounded(member: Member) -> Member:
    """Return `member`, which is to be held whole; raise ValueError where it is too large for that."""
    if member.size > MAX_ARRAY:
        raise ValueError(
            f"the array {member.name!r} has {member.size} bytes; at most {MAX_ARRAY} are held at once"
        )
    return member


def by_rows(member: Member) -> Member:
    """Return `member`, which is to be read row by row; raise ValueError where that cannot be."""
    if member.by_columns and len(member.shape) > 1:
        raise ValueError(f"the array {member.name!r} is in Fortran order, which cannot be read row by row")
    if not member.shape:
        raise ValueError(f"the array {member.name!r} is a single number")
    if member.row > MAX_ARRAY or member.shape[0] > MAX_ROWS:
        told = f"has {member.shape[0]} rows of {member.row} bytes"
        raise ValueError(f"the array {member.name!r} {told}; at most {MAX_ROWS} of {MAX_ARRAY} are read")
    return member


def read_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the arrays called `names` (None: all) of the archive at `path`; raise one of READ_ERRORS."""
    with zipfile.ZipFile(path) as archive:
        wanted = [one for one in members(archive) if names is None or one.name in names]
        return {one.name: _read(archive, one) for one in wanted}


def read_npy(path: Path) -> Array:
    """Return the array in the .npy file at `path`; raise one of READ_ERRORS."""
    with path.open("rb") as file:
        bounded(_checked(path.stem, file.read(_MAX_HEADER), path.stat().st_size))
    found: Array = np.load(path, allow_pickle=False)
    return found


def _member(archive: zipfile.ZipFile, told: zipfile.ZipInfo) -> Member:
    with archive.open(told) as file:
        return _checked(told.filename.removesuffix(".npy"), file.read(_MAX_HEADER), told.file_size)


def _checked(name: str, head: bytes, available: int) -> Member:
    """Return what `head`, the first bytes of an array of `available` bytes, says of it."""
    stream = io.BytesIO(head)
    found = Member(name, *_header(stream), begin=stream.tell())
    if found.dtype.hasobject:
        raise ValueError(f"the array {name!r} holds Python objects")
    if any(size < 0 for size in found.shape) or found.begin + found.size > available:
        raise ValueError(
            f"the array {name!r} claims {list(found.shape)[:8]} of {found.dtype}, which the file does not hold"
        )
    return found


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"the version {version[0]}.{version[1]} of its format is unknown")
    shape, fortran, dtype = _HEADERS[version](file)
    return tuple(shape), dtype, bool(fortran)


def _read(archive: zipfile.ZipFile, member: Member) -> Array:
    with archive.open(f"{bounded(member).name}.npy") as file:
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
    return found
