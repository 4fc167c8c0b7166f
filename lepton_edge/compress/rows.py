"""An .npz of many samples, row by row: the first axis of every array in it counts the samples.

Law: one pass reads one row of each array at a time, so that an archive may be larger than memory; `numpy.load` would
take a whole array. No pickle, ever. Two names in the archive are not inputs: `labels`, and `sources` (which picture a
row was made of, so that crops of one picture stay on one side of a split).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.technique import Sample
from lepton_edge.core.results import Array

LABELS, SOURCES = "labels", "sources"
_HINT = "write it with numpy.savez: one array for each input of the model, samples along the first axis"
_PIECE = 1 << 20

READ_ERRORS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


@dataclass(frozen=True)
class _Member:
    """One array of the archive: its dtype, and the shape of all its rows together."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Rows:
    """The samples of one archive.

    Attributes:
        sources: of each sample.
    """

    def __init__(self, path: Path) -> None:
        """Look at the archive at `path`; raise UnusableData where it is none, or its arrays disagree."""
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = [_member(archive, name) for name in archive.namelist() if name.endswith(".npy")]
            small = {one.name: _whole(path, one.name) for one in members if one.name in (LABELS, SOURCES)}
        except READ_ERRORS as error:
            raise UnusableData(f"cannot read the samples in {path}: {error}", _HINT) from error
        self._inputs = [one for one in members if one.name not in small]
        self._labels = small.get(LABELS)
        count = _agreed([*self._inputs, *(one for one in members if one.name in small)], path)
        named = small.get(SOURCES)
        rows = [f"{path.name}[{index}]" for index in range(count)]
        self.sources = tuple(map(str, named) if named is not None else rows)

    @property
    def labelled(self) -> bool:
        """Whether the samples have labels."""
        return self._labels is not None

    def read(self, wanted: Sequence[int]) -> Iterator[Sample]:
        """Yield the samples at `wanted`, which ascends; raise UnusableData where the archive breaks off."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                yield from self._read(archive, wanted)
        except READ_ERRORS as error:
            raise UnusableData(f"{self._path} cannot be read to its end: {error}", _HINT) from error

    def _read(self, archive: zipfile.ZipFile, wanted: Sequence[int]) -> Iterator[Sample]:
        streams = {one.name: _rows(archive, one) for one in self._inputs}
        following = 0
        for index in wanted:
            for stream in streams.values():
                for _ in range(index - following):
                    next(stream)
            following = index + 1
            feeds = {name: next(stream) for name, stream in streams.items()}
            label = None if self._labels is None else np.asarray(self._labels[index])
            yield Sample(feeds, self.sources[index], label)

    def digest(self) -> str:
        """Return the sha256 of the file, as 64 hex digits."""
        return file_digest(self._path)


def file_digest(path: Path) -> str:
    """Return the sha256 of the file at `path`, as 64 hex digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return tuple(shape), bool(fortran), dtype


def _member(archive: zipfile.ZipFile, name: str) -> _Member:
    with archive.open(name) as file:
        shape, fortran, dtype = _header(file)
    short = name.removesuffix(".npy")
    if dtype.hasobject:
        raise ValueError(f"the array {short!r} holds Python objects")
    if fortran and len(shape) > 1:
        raise ValueError(f"the array {short!r} is in Fortran order, which cannot be read row by row")
    if not shape:
        raise ValueError(f"the array {short!r} is a single number")
    return _Member(short, shape, dtype)


def _whole(path: Path, name: str) -> Array:
    with np.load(path, allow_pickle=False) as archive:
        found: Array = archive[name]
        return found


def _agreed(members: Sequence[_Member], path: Path) -> int:
    counts = {one.name: one.shape[0] for one in members}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UnusableData(f"the arrays in {path} hold different numbers of samples: {told}", _HINT)
    return next(iter(counts.values()), 0)


def _rows(archive: zipfile.ZipFile, member: _Member) -> Iterator[Array]:
    size = prod(member.shape[1:]) * member.dtype.itemsize
    with archive.open(f"{member.name}.npy") as file:
        _header(file)
        for index in range(member.shape[0]):
            content = file.read(size)
            if len(content) < size:
                raise EOFError(f"the array {member.name!r} ends in row {index}")
            yield np.frombuffer(content, member.dtype).reshape(member.shape[1:])
