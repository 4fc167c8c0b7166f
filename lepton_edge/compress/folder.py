"""A folder of samples, one a file; the folders in it are the classes.

Law: finds and reads files, in the order of their names; what is in a file fits the model or is refused by its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lepton_edge.compress import arrays, pictures
from lepton_edge.compress.arrays import READ_ERRORS
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.fitting import Fitting
from lepton_edge.compress.rows import file_digest
from lepton_edge.compress.technique import Sample
from lepton_edge.core.results import Array

SOURCES = "sources.txt"
"""The list of which picture each file was made of, a line "FILE = PICTURE" each: crops of one stay on one side."""

MAX_LIST = 64 << 20
ARRAYS = frozenset({".npy", ".npz"})


class Folder:
    """The samples of one folder.

    Attributes:
        sources: of each, what SOURCES says that it was made of; else its path below the folder.
    """

    def __init__(self, path: Path, fitting: Fitting, labels: Sequence[str] = ()) -> None:
        """Find the files in `path`; raise UnusableData where they cannot feed the model or are named by no label."""
        self._path = path
        self._fitting = fitting
        known = pictures.SUFFIXES | ARRAYS
        files = (one for one in path.rglob("*") if one.suffix.lower() in known and one.is_file())
        self._files = sorted(one for one in files if not one.name.startswith("."))
        self._classes = _classes(path, self._files, labels)
        self._paths = tuple(one.relative_to(path).as_posix() for one in self._files)
        told = _sources(path / SOURCES, frozenset(self._paths))
        self.sources = tuple(told.get(one, one) for one in self._paths)
        self._only = self._check_inputs()

    @property
    def labelled(self) -> bool:
        """Whether the samples have labels: every one lies in a folder."""
        return bool(self._classes)

    def read(self, wanted: Sequence[int]) -> Iterator[Sample]:
        """Yield the samples at `wanted`; raise UnusableData for a file that cannot be read."""
        for index in wanted:
            file, name = self._files[index], self._paths[index]
            label = np.int64(self._classes[file.relative_to(self._path).parts[0]]) if self._classes else None
            feeds = self._feeds(file, name)
            yield Sample(feeds, self.sources[index], None if label is None else np.asarray(label))

    def digest(self) -> str:
        """Return a sha256 of all names and contents."""
        found = hashlib.sha256()
        for file, name, source in zip(self._files, self._paths, self.sources, strict=True):
            of = "" if source == name else f"\0{source}"
            found.update(f"{name}\0{file_digest(file)}{of}\n".encode(errors="surrogateescape"))
        return found.hexdigest()

    def label_range(self) -> tuple[int, int] | None:
        """Return the least and the largest class; None where there are none."""
        return (min(self._classes.values()), max(self._classes.values())) if self._classes else None

    def _check_inputs(self) -> str:
        """Return the name of the only input, where a file must be one."""
        inputs = list(self._fitting.rules)
        suffixes = {one.suffix.lower() for one in self._files} - {".npz"}
        if not suffixes:
            return ""
        if len(inputs) != 1:
            raise UnusableData(
                f"the model has {len(inputs)} inputs: {', '.join(inputs)}",
                "give .npz files with arrays by these names",
            )
        if suffixes & pictures.SUFFIXES and inputs[0] not in self._fitting.pictures:
            raise UnusableData(
                f"{self._path} holds pictures, and no manifest says how they become the input {inputs[0]!r}",
                'write a manifest (TOML, kind = "picture") and give it, or lay it beside the model',
            )
        return inputs[0]

    def _feeds(self, file: Path, source: str) -> dict[str, Array]:
        try:
            if file.suffix.lower() == ".npz":
                return arrays.read_npz(file)
            if file.suffix.lower() == ".npy":
                return {self._only: arrays.read_npy(file)}
            encoded = file.read_bytes()
        except READ_ERRORS as error:
            raise UnusableData(
                f"cannot read the sample {source}: {error}", "remove or mend the file"
            ) from error
        return {self._only: self._fitting.pictures[self._only].from_file(encoded, source)}


def _sources(path: Path, files: frozenset[str]) -> dict[str, str]:
    """Return what each file that `path` lists was made of; nothing where there is no such list.

    Raises:
        UnusableData: it cannot be read, or has a line that is none or names no file of the folder.
    """
    if not path.is_file():
        return {}
    hint = "write one line a file: photograph_left.jpg = photograph"
    try:
        if path.stat().st_size > MAX_LIST:
            raise UnusableData(f"{path} has over {MAX_LIST >> 20} MB", hint)
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise UnusableData(f"{path} cannot be read: {error}", hint) from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equal, source = (part.strip() for part in line.rpartition("="))
        if not (name and equal and source):
            raise UnusableData(f"line {number} of {path} says of no file what it was made of", hint)
        if name not in files:
            raise UnusableData(f"line {number} of {path} names {name!r}, which is no sample there", hint)
        found[name] = source
    return found


def _classes(path: Path, files: Sequence[Path], labels: Sequence[str]) -> dict[str, int]:
    """Return the number of the class by the name of its folder; nothing where files lie in none."""
    parts = [one.relative_to(path).parts for one in files]
    if not parts or any(len(one) < 2 for one in parts):
        return {}
    names = sorted({one[0] for one in parts})
    if labels:
        unknown = [name for name in names if name not in labels]
        if unknown:
            raise UnusableData(
                f"the folder {unknown[0]!r} is none of the {len(labels)} labels",
                "name folders as the labels are named",
            )
        return {name: list(labels).index(name) for name in names}
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names)}
