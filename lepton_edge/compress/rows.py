"""An .npz of many samples, row by row: the first axis of every array in it counts the samples.

Law: one pass reads one row of each array at a time, so that an archive may be larger than memory; `numpy.load` would
take a whole array. No pickle, ever. Two names in the archive are not inputs: `labels`, and `sources` (which picture a
row was made of, so that crops of one picture stay on one side of a split).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lepton_edge.compress import arrays
from lepton_edge.compress.arrays import READ_ERRORS, Member
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.technique import Sample
from lepton_edge.core.results import Array

LABELS, SOURCES = "labels", "sources"
_HINT = "write it with numpy.savez: one array for each input of the model, samples along the first axis"
_PIECE = 1 << 20


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
                members = [arrays.by_rows(one) for one in arrays.members(archive)]
            small = arrays.read_npz(path, (LABELS, SOURCES))
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

    def label_range(self) -> tuple[int, int] | None:
        """Return the least and the largest label; None where there are none, or they are no whole numbers."""
        return number_range(self._labels)

    def digest(self) -> str:
        """Return the sha256 of the file, as 64 hex digits."""
        return file_digest(self._path)


def number_range(labels: Array | None) -> tuple[int, int] | None:
    """Return the least and the largest of `labels`; None where there are none, or they are no whole numbers."""
    found = np.asarray(labels)
    return (int(found.min()), int(found.max())) if found.size and found.dtype.kind in "iu" else None


def file_digest(path: Path) -> str:
    """Return the sha256 of the file at `path`, as 64 hex digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _agreed(members: Sequence[Member], path: Path) -> int:
    counts = {one.name: one.shape[0] for one in members}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UnusableData(f"the arrays in {path} hold different numbers of samples: {told}", _HINT)
    return next(iter(counts.values()), 0)


def _rows(archive: zipfile.ZipFile, member: Member) -> Iterator[Array]:
    size = member.row
    with archive.open(f"{member.name}.npy") as file:
        file.read(member.begin)
        for index in range(member.shape[0]):
            content = file.read(size)
            if len(content) < size:
                raise EOFError(f"the array {member.name!r} ends in row {index}")
            yield np.frombuffer(content, member.dtype).reshape(member.shape[1:])
