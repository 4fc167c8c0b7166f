"""What a technique is: one thing that can be done to a model, and what it may use for that.

Law: a protocol and its materials, no technique. A technique takes a model and returns a new one: it never changes the
one it was given, reads no file but through its materials, and says in one sentence when it cannot help (`refuse`),
instead of trying. It does not judge itself: accuracy and speed are measured by the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from onnx import ModelProto

from lepton_edge.compress.recipe import Target, Value
from lepton_edge.core.results import Array

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and how many there are (0: unknown)."""


@dataclass(frozen=True)
class Sample:
    """One request's worth of data: an array by input name (batch dimension included), its label, where it came from.

    `label` is None where there is none; else an array that the metric understands (a class index, int64 []).
    `source` names the picture or the file and row, so that a message can point at it.
    """

    feeds: Mapping[str, Array]
    source: str
    label: Array | None = None


@runtime_checkable
class Samples(Protocol):
    """Samples that can be gone through again and again; each pass reads anew and holds one sample at a time."""

    def __iter__(self) -> Iterator[Sample]: ...

    def __len__(self) -> int: ...


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Materials:
    """What a technique may use.

    Attributes:
        original: the model as it was given: what teachers and errors are measured against.
        calibration: samples for ranges, statistics and training without labels; never the held-out ones.
        target: the processor that will run the result.
        scratch: a directory for temporary files; emptied by whoever made it.
        training: labelled samples to train with; None where the user gave none.
        seed: of everything random.
        progress: told what is going on.
    """

    original: ModelProto
    calibration: Samples
    target: Target
    scratch: Path
    training: Samples | None = None
    seed: int = 0
    progress: Progress = silent


@runtime_checkable
class Technique(Protocol):
    """One thing that can be done to a model."""

    name: str
    """Unique, in lower case with underscores: "static_int8"."""

    choices: Mapping[str, tuple[Value, ...]]
    """Its options, each with the values worth trying; the first is the default."""

    needs_data: bool
    """Whether it reads calibration samples."""

    extra: str
    """The optional extra it needs ("torch"), or ""."""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why it cannot help this model on this target, in one sentence; "" where it can."""
        ...

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return a new model; every option of `choices` is in `options`.

        Raises:
            CompressionFailed: it could not be done; the message names the layer.
        """
        ...
