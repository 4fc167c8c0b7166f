"""Samples to calibrate and to judge with: found in a folder, an .npz or a Python iterable, and checked one by one.

Law: holds one sample at a time; every pass reads anew. What comes out fits the model's inputs (names, dtypes, shapes)
and is finite; what does not is refused by its source. It runs no model. Which samples go together is known by their
`source`: two crops of one picture never stand on both sides of a split, or the model would be judged on what it was
calibrated with.

    FOLDER     pictures (with the model's manifest), .npy (a model with one input) or .npz (arrays by input name), one
               sample a file; the names of sub-folders are the labels
    FILE.npz   arrays by input name, samples along the first axis; `labels` and `sources` are what they are called
    iterable   of `Sample`, of {input: array}, or of ({input: array}, label); a list, or a function that returns one
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from onnx import ModelProto

from lepton_edge.compress.errors import TooLittleData, UnusableData
from lepton_edge.compress.failing import DATA_ERRORS, sentence
from lepton_edge.compress.fitting import Fitting
from lepton_edge.compress.folder import Folder
from lepton_edge.compress.pictures import preparers
from lepton_edge.compress.rows import Rows, number_range
from lepton_edge.compress.technique import Sample, Samples
from partitioner.manifest import Manifest

LEAST_SAMPLES = 8
"""Fewer pictures than this are no data: half of them calibrate, and the other half must judge."""

Given = Iterable[Any] | Callable[[], Iterable[Any]]


class Collection(Protocol):
    """Where samples lie, before they are checked."""

    sources: tuple[str, ...]

    @property
    def labelled(self) -> bool:
        """Whether the samples have labels."""
        ...

    def read(self, wanted: Sequence[int]) -> Iterator[Sample]:
        """Yield the samples at `wanted`, which ascends."""
        ...

    def digest(self) -> str:
        """Return a sha256 of all of them."""
        ...

    def label_range(self) -> tuple[int, int] | None:
        """Return the least and the largest label; None where there are none, or they are no whole numbers."""
        ...


@dataclass(frozen=True)
class Chosen:
    """Some samples of a collection, checked against the model as they are read; keeps `technique.Samples`."""

    collection: Collection
    wanted: tuple[int, ...]
    fitting: Fitting

    def __iter__(self) -> Iterator[Sample]:
        for sample in self.collection.read(self.wanted):
            yield self.fitting.fit(sample)

    def __len__(self) -> int:
        return len(self.wanted)

    @property
    def labelled(self) -> bool:
        """Whether the samples have labels."""
        return self.collection.labelled

    @property
    def sources(self) -> tuple[str, ...]:
        """Where each sample came from, in order."""
        return tuple(self.collection.sources[index] for index in self.wanted)

    def take(self, count: int) -> Chosen:
        """Return `count` samples at most, spread evenly over these."""
        step = max(1.0, len(self.wanted) / max(count, 1))
        picked = (self.wanted[int(turn * step)] for turn in range(min(count, len(self.wanted))))
        return replace(self, wanted=tuple(picked))

    def digest(self) -> str:
        """Return a sha256 of the whole collection."""
        return self.collection.digest()


def open_samples(
    where: str | Path | Given,
    model: ModelProto,
    manifest: Manifest | None = None,
    labels: Sequence[str] = (),
) -> Chosen:
    """Return the samples at `where` for `model`.

    Args:
        where: a folder, an .npz file, or an iterable that can be gone through again and again.
        model: whose inputs they must fit.
        manifest: how pictures become inputs.
        labels: names of the classes in order, for folders that are called by name; without it, folders are numbered in
            the order of their names, or by the number that they are called.

    Raises:
        UnusableData: there is nothing of that kind there.
        TooLittleData: there is none at all.
    """
    fitting = Fitting(model, preparers(model, manifest))
    collection = _collection(where, fitting, labels)
    if not collection.sources:
        raise TooLittleData(
            f"there is no sample in {_called(where)}", "give at least 8, better some hundreds"
        )
    return Chosen(collection, tuple(range(len(collection.sources))), fitting)


def _collection(where: str | Path | Given, fitting: Fitting, labels: Sequence[str]) -> Collection:
    if not isinstance(where, (str, Path)):
        return Handed(where)
    path = Path(where)
    if path.is_dir():
        return Folder(path, fitting, labels)
    if not path.is_file():
        raise UnusableData(f"there is no folder or file {path}", "check the path")
    if path.suffix != ".npz":
        raise UnusableData(f"{path} is no .npz file", "give a folder of files, or one .npz of many samples")
    return Rows(path)


def _called(where: object) -> str:
    return str(where) if isinstance(where, (str, Path)) else "what was given"


class Handed:
    """Samples from Python: a list, or a function that returns an iterator each time it is called."""

    def __init__(self, given: Given) -> None:
        """Count the samples once; raise UnusableData for an iterator, which can be gone through only once."""
        if not callable(given) and not _can_be_gone_through(given):
            raise UnusableData(
                f"a {type(given).__name__} is no data", "give a folder, an .npz, a list, or a function"
            )
        self._given: Callable[[], Iterable[Any]] = given if callable(given) else lambda: given
        if not callable(given) and iter(given) is given:
            raise UnusableData(
                "an iterator can be gone through only once",
                "give a list, or a function that returns an iterator",
            )
        self.sources, self._labelled, self._range = _walk(self._again())

    def _again(self) -> Iterator[Any]:
        """Yield what was given, once more; raise UnusableData where the function or the data set fails."""
        try:
            yield from self._given()
        except DATA_ERRORS as error:
            told = f"the data cannot be gone through: {sentence(error)}"
            raise UnusableData(told, "mend the function or the data set that gives the samples") from error

    @property
    def labelled(self) -> bool:
        """Whether all samples have labels."""
        return self._labelled

    def label_range(self) -> tuple[int, int] | None:
        """Return the least and the largest label; None where there are none, or they are no whole numbers."""
        return self._range if self._labelled else None

    def read(self, wanted: Sequence[int]) -> Iterator[Sample]:
        """Yield the samples at `wanted`, which ascends."""
        asked = set(wanted)
        for index, one in enumerate(self._again()):
            if index in asked:
                asked.remove(index)
                yield _sample(one, index)
        if asked:
            raise UnusableData(
                f"sample {min(asked)} was there before and is not any more",
                "give the same samples in every pass",
            )

    def digest(self) -> str:
        """Return a sha256 of names, dtypes, shapes and values."""
        found = hashlib.sha256()
        for index, one in enumerate(self._again()):
            sample = _sample(one, index)
            for name, array in sorted(sample.feeds.items()):
                found.update(f"{name} {array.dtype} {array.shape} ".encode())
                found.update(np.ascontiguousarray(array).tobytes())
            found.update(b"" if sample.label is None else np.asarray(sample.label).tobytes())
        return found.hexdigest()


def _can_be_gone_through(given: object) -> bool:
    """Return whether `given` has items, by __iter__ or, as torch's datasets, by __getitem__."""
    return hasattr(given, "__iter__") or hasattr(given, "__getitem__")


def _walk(given: Iterable[Any]) -> tuple[tuple[str, ...], bool, tuple[int, int] | None]:
    """Return the sources, whether all samples have labels, and between which numbers these are."""
    sources, labelled, numbers = [], True, list[int]()
    for index, one in enumerate(given):
        sample = _sample(one, index)
        sources.append(sample.source)
        labelled = labelled and sample.label is not None
        if found := number_range(sample.label):
            numbers = [min(found[0], *numbers), max(found[1], *numbers)] if numbers else [*found]
    whole = (numbers[0], numbers[1]) if numbers else None
    return tuple(sources), labelled and bool(sources), whole


def _sample(one: Any, index: int) -> Sample:
    if isinstance(one, Sample):
        return one
    feeds, label = one if isinstance(one, tuple) and len(one) == 2 else (one, None)
    if not isinstance(feeds, Mapping):
        raise UnusableData(
            f"sample {index} is a {type(one).__name__}", "give {input: array}, or ({input: array}, label)"
        )
    try:
        arrays = {str(name): np.asarray(value) for name, value in feeds.items()}
    except ValueError as error:
        raise UnusableData(f"sample {index} is no array: {error}", "give arrays of one shape each") from error
    return Sample(arrays, f"sample {index}", None if label is None else np.asarray(label))


def split(samples: Chosen, seed: int = 0, share: float = 0.5) -> tuple[Chosen, Chosen]:
    """Return samples to calibrate with and samples to judge with: different pictures, the same for equal seeds.

    Args:
        samples: all that there is.
        seed: of the choice.
        share: how much of the pictures (`source`) calibrates.

    Raises:
        TooLittleData: there are fewer than LEAST_SAMPLES pictures.
    """
    pictures = sorted(set(samples.sources))
    if len(pictures) < LEAST_SAMPLES:
        raise TooLittleData(
            f"{len(pictures)} different samples are too few to calibrate with some and judge with others",
            f"give at least {LEAST_SAMPLES}; some hundreds tell one percent from none",
        )
    order = np.random.default_rng(seed).permutation(len(pictures))
    count = min(max(1, round(len(pictures) * share)), len(pictures) - 1)
    first = {pictures[index] for index in order[:count]}
    chosen: list[int] = []
    rest: list[int] = []
    for index in samples.wanted:
        (chosen if samples.collection.sources[index] in first else rest).append(index)
    return replace(samples, wanted=tuple(chosen)), replace(samples, wanted=tuple(rest))


def set_apart(samples: Chosen, seed: int, share: float) -> tuple[Chosen, Chosen | None]:
    """Return samples to choose by, and samples to confirm the choice with, of other pictures.

    `share` of the pictures are set apart; none where that would be fewer than LEAST_SAMPLES.
    """
    if len(set(samples.sources)) * share < LEAST_SAMPLES:
        return samples, None
    apart, rest = split(samples, seed, share)
    return rest, apart


def first_feeds(samples: Samples, count: int) -> list[Mapping[str, Any]]:
    """Return the feeds of the first `count` samples."""
    found: list[Mapping[str, Any]] = []
    for sample in samples:
        found.append(sample.feeds)
        if len(found) == count:
            break
    return found
