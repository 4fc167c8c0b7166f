"""What `lepton_edge.compress` can be told, beside the model and the data.

Law: nouns with their defaults, and one place for what they mean; nothing is opened or checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from lepton_edge.compress.measure import Measure
from lepton_edge.compress.metrics import Judge, Metric
from lepton_edge.compress.recipe import LATENCY, Recipe, Target
from lepton_edge.compress.samples import Given
from lepton_edge.compress.technique import Progress, Technique, silent
from partitioner.manifest import Manifest


@dataclass(frozen=True)
class Asked:
    """One call of `compress`.

    Attributes:
        model: a path, an ONNX model, a torch module or exported program; it is never changed.
        data: a folder, an .npz or an iterable; see `samples`. Part calibrates, other pictures judge.
        max_drop: largest loss of the metric, in points (0.01, or "1%").
        target: what is to be won, "latency" or "size".
        out: folder for candidates, the best model, its manifest and report.html; by default beside the model, or in the
            working directory.
        metric: "top1", "agreement", "cosine" or a function of (answers, original's answers, label).
        measure: times a candidate beside the original; by default here, in a process of its own.
        platform: the processor that will run it, or its name ("raspberrypi"); by default this one.
        recipe: the only recipe to try.
        steps: techniques of your own.
        description: the model's TOML manifest; by default the .toml beside the model.
        training: labelled data to train with, apart from `data`.
        devices: names of what `measure` measures.
        time_limit: seconds; 0 is none.
        max_candidates: tried at most.
        seed: of everything random.
        resume: go on with the search in `out`.
        example: positional arguments to export a torch module with.
        progress: told what is done, how much of it, of how much.
    """

    model: Any
    data: str | Path | Given
    max_drop: float | str = 0.01
    target: str = LATENCY
    out: str | Path | None = None
    metric: str | Judge | Metric | None = None
    measure: Measure | None = None
    platform: Target | str | None = None
    recipe: Recipe | None = None
    steps: Sequence[Technique] = ()
    description: str | Path | Manifest | None = None
    training: str | Path | Given | None = None
    devices: Sequence[str] = ()
    time_limit: float = 0.0
    max_candidates: int = 24
    seed: int = 0
    resume: bool = False
    example: Sequence[Any] = ()
    progress: Progress = silent


class Options(TypedDict, total=False):
    """The keywords of `compress`, for type checkers: the attributes of `Asked` but the first two."""

    max_drop: float | str
    target: str
    out: str | Path | None
    metric: str | Judge | Metric | None
    measure: Measure | None
    platform: Target | str | None
    recipe: Recipe | None
    steps: Sequence[Technique]
    description: str | Path | Manifest | None
    training: str | Path | Given | None
    devices: Sequence[str]
    time_limit: float
    max_candidates: int
    seed: int
    resume: bool
    example: Sequence[Any]
    progress: Progress
