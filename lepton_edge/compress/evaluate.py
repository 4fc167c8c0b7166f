"""The score of a model over samples, one sample at a time.

Law: runs models on the reference engine, as devices optimise them, and adds up what a metric says. What the original
answers is computed once and kept as far as it fits into a bounded memory. NaN or infinite answers are never averaged
away: they name the sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xxhash
from onnx import ModelProto

from lepton_edge.compress import running
from lepton_edge.compress.errors import CompressionFailed, TooLittleData, UnusableData
from lepton_edge.compress.metrics import Answers, Metric
from lepton_edge.compress.recipe import Score
from lepton_edge.compress.technique import Progress, Sample, Samples, silent
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.results import Array
from partitioner.errors import InvalidModel, ModelTooLarge
from partitioner.onnx_io import runtime

HELD_BYTES = 256 << 20
"""Answers of the original that are kept."""

METRIC_ERRORS = (
    ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError, NameError,
    OSError, ImportError,
)  # fmt: skip
"""What a function of the user's may raise."""

MAX_MODEL_BYTES = (1 << 31) - 1


class Runner:
    """One opened model, with the engine's optimisations; with the level OFF its nodes one by one, as they are."""

    def __init__(self, model: ModelProto, level: Any = runtime.FULL) -> None:
        """Open `model`; raise ModelTooLarge, UnsupportedOperator or InvalidModel where that cannot be."""
        if model.ByteSize() > MAX_MODEL_BYTES:
            raise ModelTooLarge("the model has over 2 GB with its weights", "compress it in parts")
        self._session = runtime.open_session(model, runtime.options(None, level))

    def run(self, feeds: Mapping[str, Array]) -> Answers:
        """Return the outputs by name; raise InvalidModel where the engine fails, or does not end."""
        return running.run(self._session, feeds)


class Reference:
    """The original's answers to samples."""

    def __init__(self, model: ModelProto, held: int = HELD_BYTES) -> None:
        self._runner = Runner(model)
        self._left = held
        self._kept: dict[bytes, Answers] = {}
        self._seen: set[bytes] = set()  # two at most: enough to tell whether all are alike

    @property
    def alike(self) -> bool:
        """Whether all samples that were asked hold the same values."""
        return len(self._seen) == 1

    def answers(self, sample: Sample) -> Answers:
        """Return the original's answers to `sample`.

        Raises:
            UnusableData: they are not finite, or the model cannot be run on it.
        """
        key = _key(sample.feeds)
        if len(self._seen) < 2:
            self._seen.add(key)
        if key in self._kept:
            return self._kept[key]
        try:
            found = self._runner.run(sample.feeds)
        except InvalidModel as error:
            raise UnusableData(f"{sample.source}: {error.message}", "mend or remove that sample") from error
        if bad := _not_finite(found):
            hint = "mend the model or that sample"
            raise UnusableData(f"{sample.source}: the original itself answers {bad}", hint)
        for one in found.values():
            one.setflags(write=False)  # they are judged against again and again: no metric may change them
        size = sum(one.nbytes for one in found.values())
        if size <= self._left:
            self._left -= size
            self._kept[key] = found
        return found


def _key(feeds: Mapping[str, Array]) -> bytes:
    found = xxhash.xxh3_128()
    for name in sorted(feeds):
        found.update(name.encode())
        found.update(np.ascontiguousarray(feeds[name]).data.cast("B") if feeds[name].size else b"")
    return found.digest()


def scores(model: ModelProto, samples: Samples, metric: Metric, reference: Reference) -> Iterator[float]:
    """Yield what `metric` says of each sample.

    Raises:
        CompressionFailed: an answer is NaN or infinite, or the model does not run; the message names the sample.
        UnusableData: a sample has no label, and the metric needs one.
    """
    runner = Runner(model)
    for sample in samples:
        if metric.needs_labels and sample.label is None:
            raise UnusableData(
                f"{sample.source} has no label, which {metric.name} needs", "choose another metric"
            )
        wanted = reference.answers(sample)
        try:
            found = runner.run(sample.feeds)
        except InvalidModel as error:
            raise CompressionFailed(f"{sample.source}: {error.message}", "leave out that step") from error
        if bad := _not_finite(found):
            raise CompressionFailed(f"{sample.source}: it answers {bad}", "leave out the step that broke it")
        yield _judged(metric, found, wanted, sample)


def evaluate(
    model: ModelProto,
    samples: Samples,
    metric: Metric,
    reference: Reference | ModelProto,
    progress: Progress = silent,
) -> Score:
    """Return the score of `model` over `samples`: mean, worst sample, count.

    Raises:
        TooLittleData: there is no sample.
        CompressionFailed, UnusableData: as `scores` does.
    """
    against = reference if isinstance(reference, Reference) else Reference(reference)
    total, worst, count = 0.0, float("inf"), 0
    for value in scores(model, samples, metric, against):
        total, worst, count = total + value, min(worst, value), count + 1
        progress(f"score ({metric.name})", count, len(samples))
    if not count:
        raise TooLittleData("there is no sample to judge with", "give more data")
    return Score(metric.name, total / count, worst, count)


def _not_finite(answers: Answers) -> str:
    for name, one in answers.items():
        if one.dtype.kind == "f" and not np.isfinite(one).all():
            return f"{'NaN' if np.isnan(one).any() else 'infinite values'} in output {name!r}"
    return ""


def _judged(metric: Metric, found: Answers, wanted: Answers, sample: Sample) -> float:
    """Return what `metric`, which may be anybody's function, says; raise InvalidInput where it is no number."""
    try:
        value = metric.judge(found, wanted, sample.label)
        finite = bool(np.isfinite(value))
    except METRIC_ERRORS as error:
        told = f"{type(error).__name__}: {error}"
        raise InvalidInput(
            f"the metric {metric.name} fails on {sample.source}: {told}", "return one number of each sample"
        ) from error
    if not finite:
        raise InvalidInput(
            f"the metric {metric.name} says {value} of {sample.source}", "return a finite number"
        )
    return float(value)
