"""The best candidate, judged once more by samples that chose nothing.

Law: of many candidates that the same samples judge, the best owes part of its score to these samples. So others, of
other pictures, are kept apart until the choice is made. They are asked of as few candidates as can be: of the best,
and of the next only where the best does not hold. What they say is told beside the score, and never replaces it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from lepton_edge.compress import judging
from lepton_edge.compress.errors import CompressionFailed, UnusableData
from lepton_edge.compress.evaluate import Reference, scores
from lepton_edge.compress.metrics import Metric
from lepton_edge.compress.recipe import Budget, Candidate, Score
from lepton_edge.compress.samples import Chosen
from lepton_edge.compress.technique import Progress, silent
from partitioner.errors import ModelError

SURE = 2.0
"""Standard errors by which a candidate must lose more than is allowed to be rejected by so few samples."""


class Confirmer:
    """Samples apart, and what the original answers to them."""

    def __init__(
        self, original: onnx.ModelProto, apart: Chosen, metric: Metric, progress: Progress = silent
    ) -> None:
        """Judge the original; raise UnusableData where it does not answer a sample."""
        self._apart, self._metric, self._progress = apart, metric, progress
        self._reference = Reference(original)
        try:
            self._base = list(scores(original, apart, metric, self._reference))
        except CompressionFailed as error:
            raise UnusableData(error.message, "mend the model or that sample") from error
        self.original = _score(metric, self._base)

    def confirm(self, candidate: Candidate, model: Path, budget: Budget) -> Candidate:
        """Return `candidate` with what the samples apart say; rejected where they surely say that it loses too much."""
        self._progress("confirm the best", 0, len(self._apart))
        try:
            found = list(scores(onnx.load(model), self._apart, self._metric, self._reference))
        except (CompressionFailed, ModelError) as error:
            return replace(
                candidate, rejected=f"does not hold on samples that chose nothing: {error.message}"
            )
        lost = [base - value for base, value in zip(self._base, found, strict=True)]
        score = _score(self._metric, found)
        if not judging.surely_lost(lost, budget.max_drop, SURE):
            return replace(candidate, confirmed=score)
        why = judging.too_lossy(score, self.original.mean, budget.max_drop)
        return replace(candidate, confirmed=score, rejected=f"{why}: of samples that chose nothing")


def _score(metric: Metric, values: list[float]) -> Score:
    return Score(metric.name, sum(values) / len(values), min(values), len(values))


def told(best: Candidate, original: Candidate, allowed: float) -> str:
    """Return what to say of the best: what the samples apart said of it; "" where there were none."""
    mine, its = best.confirmed, original.confirmed
    if mine is None or its is None or best.score is None:
        return ""
    lost = its.mean - mine.mean
    over = lost > allowed + judging.ROUNDING
    doubt = ", over the budget by less than so few can tell" if over else ""
    return (
        f"{best.score.count} samples chose the best; {mine.count} of other pictures, which chose nothing, say "
        f"{mine.metric} {mine.mean:.4f} of {its.mean:.4f}: {100 * lost:.2f} points lost{doubt}"
    )


def missing(tried: int, judged: int) -> str:
    """Return what to say where there are no samples apart: the best of several owes its score in part to its judges."""
    if tried < 2:
        return ""
    return (
        f"the best of {tried} was chosen and judged by the same {judged} samples, so that it is likely a little worse "
        "than its score: give 40 pictures or more, and some are kept apart to confirm it"
    )
