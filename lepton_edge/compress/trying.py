"""One recipe, tried: its steps applied, its answers judged, its time measured; a candidate comes of it.

Law: decides whether a candidate may be used, and says why not; accuracy comes first because it is cheap, time last
because it is dear. It chooses no recipe. What a step raises is that step's rejection; a full disk and a lost device end
the search.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from google.protobuf.message import DecodeError, EncodeError  # what onnx raises of bad or too many bytes
from onnx import ModelProto

from lepton_edge.compress import disk, judging, sensitivity
from lepton_edge.compress.errors import CompressionFailed, CorruptStore, UnusableData
from lepton_edge.compress.evaluate import Reference, evaluate, scores
from lepton_edge.compress.failing import STEP_ERRORS, sentence
from lepton_edge.compress.measure import Measure
from lepton_edge.compress.metrics import Metric
from lepton_edge.compress.recipe import LATENCY, Budget, Candidate, Recipe, Score, Step, Target
from lepton_edge.compress.samples import Chosen
from lepton_edge.compress.space import find, refusal
from lepton_edge.compress.store import stored_size
from lepton_edge.compress.technique import Materials, Progress, Samples, Technique
from lepton_edge.compress.workspace import model_digest, recipe_key
from lepton_edge.core.errors import StorageFull
from partitioner.errors import ModelError
from partitioner.units import Bytes, Sha256

HELD_MODELS, HELD_BYTES = 6, 1 << 30
"""Intermediate models that are kept, so that recipes with the same first steps share them."""

BLAMED_SAMPLES = 4
"""Samples on which the layer is looked for that a rejected candidate's loss begins at."""

FIRST_LOOK = 32
"""Samples of the first, cheap look at a candidate's answers."""

SURE = 3.0
"""Standard errors by which the first look must fail before the rest is spared."""

_JUDGED: tuple[type[Exception], ...] = (
    CompressionFailed,
    ModelError,
    ValueError,
    TypeError,
    LookupError,
    MemoryError,
    EncodeError,
    DecodeError,
)
"""What a model may raise when it is written down and judged: weights of a user's step are not always what they say."""


class StepRefuses(CompressionFailed):
    """A step says that it cannot help the model that comes to it; nothing was tried."""


class TimeIsUp(Exception):
    """The time limit passed while a candidate was made; nothing came of it."""


@dataclass(frozen=True)
class Job:
    """What is compressed, and by what it is judged.

    Attributes:
        name: of the model.
        original: the model as it came in.
        sha256: of what it came from.
        size: bytes of what it came from.
        calibration: samples for techniques.
        held_out: samples to judge with, of other pictures.
        apart: samples to judge the best once more with, of yet others; None where there are too few.
        metric: how answers are judged.
        budget: what may be lost, and what is to be won.
        target: the processor that will run it.
        measure: times a candidate beside the original; None where nothing is to be timed.
        training: labelled samples to train with.
        own: the user's techniques by name.
        seed: of everything random.
        progress: told what is going on.
    """

    name: str
    original: ModelProto
    sha256: Sha256
    size: Bytes
    calibration: Chosen
    held_out: Chosen
    metric: Metric
    budget: Budget
    target: Target
    measure: Measure | None
    training: Samples | None = None
    own: Mapping[str, Technique] = field(default_factory=dict)
    seed: int = 0
    progress: Progress = lambda what, done, total: None
    apart: Chosen | None = None


class Trier:
    """Tries recipes for one job, with intermediate models and the original's answers kept."""

    def __init__(self, job: Job, original: Path, scratch: Path, deadline: float = math.inf) -> None:
        """Judge the original; raise UnusableData where it does not answer, or the data do not fit it."""
        self.job = job
        self._path = original
        self._scratch = scratch
        self._deadline = deadline
        self._turns = itertools.count()
        self._made: OrderedDict[str, ModelProto] = OrderedDict()
        self._reference = Reference(job.original)
        self._first_look = job.held_out.take(FIRST_LOOK)
        try:
            self._base = list(scores(job.original, self._first_look, job.metric, self._reference))
            score = evaluate(job.original, job.held_out, job.metric, self._reference, self._tick)
        except CompressionFailed as error:
            raise UnusableData(error.message, "mend the model or that sample") from error
        if job.metric.needs_labels and score.mean == 0:  # nothing could be lost, whatever a step does
            raise UnusableData(
                f"the original answers none of {score.count} samples as they are labelled",
                "check the labels, and how samples become inputs",
            )
        stored, wire = _packed(job.original, job.size)
        self.original = Candidate(Recipe(), job.sha256, job.size, stored, score, (), wire)

    def try_(self, recipe: Recipe) -> tuple[Candidate, ModelProto | None]:
        """Return what came of `recipe`, and the model where there is one.

        Raises:
            TimeIsUp: the time limit passed before it was finished.
            StorageFull: the disk is full.
        """
        try:
            model = self.made(recipe)
        except StorageFull:
            raise
        except STEP_ERRORS as error:
            return Candidate(recipe, rejected=sentence(error), refused=isinstance(error, StepRefuses)), None
        return self._judge(recipe, model), model

    @property
    def alike(self) -> bool:
        """Whether all samples that judge hold the same values."""
        return self._reference.alike and len(self.job.held_out) > 1

    def made(self, recipe: Recipe) -> ModelProto:
        """Return the original after all steps of `recipe`.

        Raises:
            CompressionFailed: a step refuses or fails; the message names it.
        """
        keys = [recipe_key(Recipe(recipe.steps[:count])) for count in range(len(recipe.steps) + 1)]
        done = max((count for count, key in enumerate(keys) if key in self._made), default=0)
        model = self._made[keys[done]] if done else self.job.original
        for step, key in zip(recipe.steps[done:], keys[done + 1 :], strict=True):
            model = self._step(model, step)
            self._hold(key, model)
        return model

    def _step(self, model: ModelProto, step: Step) -> ModelProto:
        found = find(step.technique, self.job.own)
        if reason := refusal(found, model, self.job.target):
            raise StepRefuses(f"{step.technique}: {reason}")
        self._tick(step.technique, 0, 0)
        if step.technique in self.job.own:  # a user's step may forget the law and change what it was given
            model = _copy(model)
        try:
            made = found.apply(model, self.materials(), step.options)
        except StorageFull:
            raise
        except OSError as error:
            raise disk.refusal(self._scratch, error) from error
        except STEP_ERRORS as error:
            raise CompressionFailed(f"{step.technique}: {sentence(error)}") from error
        if not isinstance(made, ModelProto):
            raise CompressionFailed(f"{step.technique}: it returned a {type(made).__name__}, and no model")
        return made

    def materials(self) -> Materials:
        """Return what one more step may use, with a folder of its own."""
        folder = self._scratch / f"step-{next(self._turns)}"
        with disk.told(folder):
            folder.mkdir(parents=True)
        job = self.job
        shared = (job.original, job.calibration, job.target, folder, job.training, job.seed)
        return Materials(*shared, progress=self._tick)

    def _hold(self, key: str, model: ModelProto) -> None:
        self._made[key] = model
        self._made.move_to_end(key)
        while len(self._made) > 1 and (
            len(self._made) > HELD_MODELS or sum(one.ByteSize() for one in self._made.values()) > HELD_BYTES
        ):
            self._made.popitem(last=False)

    def _judge(self, recipe: Recipe, model: ModelProto) -> Candidate:
        found = Candidate(recipe)
        try:
            content = model.SerializeToString()
            size = Bytes(len(content))
            stored, wire = _packed(model, size)
            found = self._scored(Candidate(recipe, model_digest(content), size, stored, wire=wire), model)
        except _JUDGED as error:
            return replace(found, rejected=sentence(error))
        if found.rejected:
            return found
        rejected = judging.not_smaller(found, self.original, self.job.budget.objective)
        return replace(found, rejected=rejected) if rejected else self._timed(found, content)

    def _scored(self, found: Candidate, model: ModelProto) -> Candidate:
        """Return `found` with its score: of a few samples where these are bad enough, else of all."""
        job = self.job
        values = list(scores(model, self._first_look, job.metric, self._reference))
        lost = [base - value for base, value in zip(self._base, values, strict=True)]
        if judging.surely_lost(lost, job.budget.max_drop, SURE):
            score = Score(job.metric.name, sum(values) / len(values), min(values), len(values))
            base = sum(self._base) / len(self._base)
        else:
            score = evaluate(model, job.held_out, job.metric, self._reference, self._tick)
            base = self.original.score.mean if self.original.score is not None else score.mean
        rejected = judging.too_lossy(score, base, job.budget.max_drop)
        return replace(found, score=score, rejected=f"{rejected}{self._blamed(model)}" if rejected else "")

    def _blamed(self, model: ModelProto) -> str:
        """Return the layer that loses most of the signal, as the end of a sentence; "" where none can be told."""
        few = self.job.held_out.take(BLAMED_SAMPLES)
        try:
            found = sensitivity.blame(self.job.original, model, few)
        except STEP_ERRORS:  # what cannot be compared layer by layer is rejected all the same
            return ""
        return f"; most of it in {found}" if found else ""

    def _timed(self, found: Candidate, content: bytes) -> Candidate:
        if self.job.measure is None:
            return found
        self._tick("measure", 0, 0)
        path = self._scratch / "candidate.onnx"
        disk.write(path, content)
        try:
            pairs = self.job.measure(path, self._path)
        except (CompressionFailed, ModelError) as error:
            return replace(found, rejected=sentence(error))
        timings, originals = tuple(one.candidate for one in pairs), tuple(one.original for one in pairs)
        if not self.original.timings:
            self.original = replace(self.original, timings=originals, originals=originals)
        rejected = judging.not_faster(pairs, self.job.budget.objective)
        return replace(found, timings=timings, originals=originals, rejected=rejected)

    def cost(self, model: ModelProto) -> float:
        """Return what the budget's objective counts of `model`: less is better; for comparing mixtures of one model.

        Raises:
            CompressionFailed, LeptonError: it cannot be measured.
        """
        content = model.SerializeToString()
        if self.job.measure is None or self.job.budget.objective != LATENCY:
            return float(len(content))
        self._tick("measure", 0, 0)
        path = self._scratch / "mixture.onnx"
        disk.write(path, content)
        return max(one.ratio for one in self.job.measure(path, self._path))

    def _tick(self, what: str, done: int, total: int) -> None:
        if time.monotonic() > self._deadline:
            raise TimeIsUp
        self.job.progress(what, done, total)


def _packed(model: ModelProto, size: Bytes) -> tuple[Bytes, Bytes]:
    """Return the bytes of the store of `model`, and what is sent of it; 0 and `size` where there can be no store."""
    try:
        stored = stored_size(model)
    except CorruptStore:  # it shrinks more than a reader would believe: then it has none
        return Bytes(0), size
    return stored, Bytes(min(size, stored))


def _copy(model: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    return made
