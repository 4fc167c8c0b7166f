"""A codec trained for one tensor of a model, in a folder of its own: for splits; the model stays as it is.

Law: chooses how strong the codec is, judges it on samples that it was not trained with, and writes it; what it costs on
devices is measured where it is pushed. The folder is what `partitioner.onnx_io.coders` reads.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from onnx import ModelProto

from lepton_edge.compress import bottlenecks, description, disk, metrics
from lepton_edge.compress.errors import BudgetNotMet, CompressionRefused
from lepton_edge.compress.evaluate import Reference, evaluate
from lepton_edge.compress.manifest import versions
from lepton_edge.compress.metrics import Judge, Metric
from lepton_edge.compress.platforms import this_machine
from lepton_edge.compress.recipe import Score, Value
from lepton_edge.compress.samples import Chosen, Given, open_samples, split
from lepton_edge.compress.sources import Source, open_model
from lepton_edge.compress.technique import Materials, Progress, silent
from lepton_edge.compress.techniques.bottleneck import BOTTLENECK, chosen
from partitioner.nouns_json import to_json
from partitioner.onnx_io.coders import DECODER, DESCRIPTION, ENCODER, FORMAT, MOST_NAME

if TYPE_CHECKING:
    from typing_extensions import Unpack

AUTO = "auto"
STRENGTHS: tuple[tuple[int, int], ...] = ((32, 7), (32, 4), (16, 2), (8, 2), (8, 1), (4, 1))
"""(narrow, stride), the strongest first: the first that keeps the budget is taken."""
SHARE = 0.4
"""Of the pictures, those that it is trained with where no others are given."""
SCHEMA = "lepton-edge/bottleneck/1"


@dataclass(frozen=True)
class Coding:
    """A codec that was made.

    Attributes:
        folder: where it lies: `model push --bottleneck FOLDER`.
        name, tensor: what it is called, and what it codes.
        code, plain: bytes of one sample's code, and of its tensor in uint8.
        score, original: of the model with it and without it, on the samples that judge.
        options: how it was made.
        tried: what lost too much, strongest first: options and score.
    """

    folder: Path
    name: str
    tensor: str
    code: int
    plain: int
    score: Score
    original: Score
    options: Mapping[str, Value]
    tried: tuple[tuple[Mapping[str, Value], Score], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"schema": SCHEMA, **to_json(self), "folder": str(self.folder)}


@dataclass(frozen=True)
class Coded:
    """One codec under trial: the model with it inside, how it was made, and what the model then scores."""

    model: ModelProto
    options: Mapping[str, Value]
    score: Score


@dataclass(frozen=True)
class CodingAsked:
    """One call of `bottleneck`.

    Attributes:
        model, data: as in `compress`; the model is not changed, and other pictures judge than train.
        at: the tensor, or "auto": the smallest with at most 40 % of the work before it.
        max_drop: largest loss of the metric.
        out: the folder that is made; by default MODEL.bottleneck beside the model.
        training: samples to train with; labels are not looked at.
        manifest: the model's TOML manifest; by default the one beside it.
        metric: as in `compress`.
        options: `narrow`, `stride`, `epochs`, ... of the technique: with `narrow` or `stride` only that one is tried;
            with no epochs the principal components stay as they are, which needs no torch.
        seed: of everything random.
        progress: told what is done.
    """

    model: Any
    data: str | Path | Given
    at: str = AUTO
    max_drop: float = 0.01
    out: str | Path | None = None
    training: str | Path | Given | None = None
    manifest: str | Path | None = None
    metric: str | Judge | Metric | None = None
    options: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    progress: Progress = silent


class CodingOptions(TypedDict, total=False):
    """The keywords of `bottleneck`, for type checkers: the attributes of `CodingAsked` but the first three."""

    max_drop: float
    out: str | Path | None
    training: str | Path | Given | None
    manifest: str | Path | None
    metric: str | Judge | Metric | None
    options: Mapping[str, Value]
    seed: int
    progress: Progress


def bottleneck(
    model: Any, data: str | Path | Given, at: str = AUTO, **options: Unpack[CodingOptions]
) -> Coding:
    """Train a codec at tensor `at` of `model` that loses `max_drop` of the metric at most: the strongest that does.

    Args:
        model: as in `compress`; it is not changed.
        data: as in `compress`: other pictures judge than train.
        at: the tensor, or "auto": the smallest with at most 40 % of the work before it.
        options: the other attributes of `CodingAsked`.

    Raises:
        BudgetNotMet: every one loses more; says the best.
        CompressionRefused: the graph cannot be narrowed there, `out` is there already, torch is missing.
        CompressionError, ModelError: the data or the model are at fault.
    """
    asked = CodingAsked(model, data, at, **options)
    source = open_model(asked.model)
    folder = _folder(asked, source)
    neck = _neck(asked, source.model)
    told = description.described(asked.manifest, asked.model)
    samples = open_samples(asked.data, source.model, told)
    calibration, judging = split(samples, asked.seed, SHARE)
    training = None if asked.training is None else open_samples(asked.training, source.model, told)
    wanted = (
        metrics.metric(asked.metric) if asked.metric else metrics.usual(source.model, told, samples.labelled)
    )
    trial = _Trial(asked, source.model, judging, wanted)
    with tempfile.TemporaryDirectory(prefix="lepton-bottleneck-") as scratch:
        given = Materials(
            source.model, calibration, this_machine(), Path(scratch), training, asked.seed, asked.progress
        )
        found = trial.strongest(neck, given)
    return _written(folder, source, neck, found, trial)


def _neck(asked: CodingAsked, model: ModelProto) -> bottlenecks.Neck:
    why = BOTTLENECK.refuse(model, this_machine())
    found = bottlenecks.necks(model)
    if not found or (why and asked.options.get("epochs") != 0):
        raise CompressionRefused(
            why, "a codec is trained for a float model of pictures, with the extra torch"
        )
    return chosen(found, "" if asked.at == AUTO else asked.at)


class _Trial:
    """Tries codecs of one tensor, the strongest first."""

    def __init__(self, asked: CodingAsked, original: ModelProto, judging: Chosen, metric: Metric) -> None:
        self._asked, self._original, self.judging, self._metric = asked, original, judging, metric
        self._reference = Reference(original)
        self.score = self._scored(original)
        self.lost: list[Coded] = []

    def strongest(self, neck: bottlenecks.Neck, given: Materials) -> Coded:
        """Return the first that keeps the budget; raise BudgetNotMet where none does."""
        for how in _strengths(neck, {**self._asked.options, "at": neck.tensor}):
            made = BOTTLENECK.apply(self._original, given, how)
            found = Coded(made, how, self._scored(made))
            if self.score.mean - found.score.mean <= self._asked.max_drop:
                return found
            self.lost.append(found)
        raise self._not_met()

    def _scored(self, model: ModelProto) -> Score:
        return evaluate(model, self.judging, self._metric, self._reference, self._asked.progress)

    def _not_met(self) -> BudgetNotMet:
        best = max(self.lost, key=lambda one: one.score.mean)
        lost = self.score.mean - best.score.mean
        return BudgetNotMet(
            f"every bottleneck loses more than {self._asked.max_drop:.2%} of {self.score.metric}; the best, "
            f"{best.options['narrow']} times narrower, loses {lost:.2%}",
            "train it with more samples (--training), name another tensor, or allow more with --max-drop",
        )


def _strengths(neck: bottlenecks.Neck, asked: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    first: dict[str, Value] = {name: values[0] for name, values in BOTTLENECK.choices.items()}
    if "narrow" in asked or "stride" in asked:
        yield {**first, **asked}
        return
    for narrow, stride in STRENGTHS:
        if not any(side % stride for side in neck.shape[1:]):
            yield {**first, **asked, "narrow": narrow, "stride": stride}


def _folder(asked: CodingAsked, source: Source) -> Path:
    beside = Path(asked.model).parent if isinstance(asked.model, (str, Path)) else Path()
    folder = Path(asked.out) if asked.out is not None else beside / f"{Path(source.name).stem}.bottleneck"
    if folder.exists():
        raise CompressionRefused(
            f"{folder} is there already", "choose another folder with --out, or remove it"
        )
    return folder


def _written(folder: Path, source: Source, neck: bottlenecks.Neck, found: Coded, trial: _Trial) -> Coding:
    """Write the folder and return what it is."""
    measured = {
        "score": to_json(found.score),
        "original": to_json(trial.score),
        "samples": trial.judging.digest(),
    }
    write_folder(
        folder,
        source.sha256,
        neck.tensor,
        found.model,
        {"measured": measured, "options": dict(found.options)},
    )
    plain = neck.shape[0] * neck.shape[1] * neck.shape[2]
    return Coding(
        folder, name_of(neck.tensor), neck.tensor, bottlenecks.code_bytes(found.model), plain, found.score, trial.score,
        found.options, tuple((one.options, one.score) for one in trial.lost),
    )  # fmt: skip


def write_folder(folder: Path, parent: str, tensor: str, made: ModelProto, said: Mapping[str, Any]) -> None:
    """Write the coder of `made`, which codes `tensor`, as a folder, for the model file of sha256 `parent`.

    `said` is what else the description tells. Raises StorageFull or InvalidInput where it cannot be written.
    """
    parts = {ENCODER: bottlenecks.encoder(made), DECODER: bottlenecks.decoder(made)}
    files = {name: bottlenecks.by_rows(one).SerializeToString() for name, one in parts.items()}
    told = {
        "schema": SCHEMA, "format": FORMAT, "name": name_of(tensor), "tensor": tensor, "parent": parent,
        "code": bottlenecks.code_bytes(made), **said, "versions": versions(),
        "sha256": {name: hashlib.sha256(one).hexdigest() for name, one in files.items()},
    }  # fmt: skip
    with disk.told(folder):
        folder.mkdir(parents=True)
        for name, content in files.items():
            disk.write(folder / name, content)
        disk.write(folder / DESCRIPTION, json.dumps(told, indent=2).encode() + b"\n")


def name_of(tensor: str) -> str:
    """Return what a coder of `tensor` is called: its name in plain letters."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "-" for one in tensor)
    return plain.strip("-.")[:MOST_NAME] or "coder"
