"""A quantized candidate that lost too much, given another chance: a few layers of it in float.

Law: asks `techniques.mixed.greedy` which layers, by losses on calibration samples (the held-out ones judge what comes
of it, and may not choose it) and by measured time; it returns a recipe like any other, which is tried like any other.
"""

from __future__ import annotations

from dataclasses import replace

from onnx import ModelProto

from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.evaluate import Reference, evaluate
from lepton_edge.compress.failing import STEP_ERRORS
from lepton_edge.compress.recipe import Candidate, Recipe, Step
from lepton_edge.compress.techniques import HOMES
from lepton_edge.compress.trying import Trier
from lepton_edge.core.errors import StorageFull
from partitioner.units import Seconds

STATIC, KEPT = "static_int8", "keep_float"
TRIES = 12
"""Mixtures made and judged at most."""


def wants(candidate: Candidate) -> bool:
    """Return whether `candidate` is quantized throughout, and lost too much by it."""
    static = [step for step in candidate.recipe.steps if step.technique == STATIC]
    lossy = candidate.score is not None and candidate.rejected.startswith("loses")
    return lossy and len(static) == 1 and not static[0].options.get(KEPT) and "mixed_int8" in HOMES


def looking(recipe: Recipe) -> Recipe:
    """Return what stands for the look itself, should it end the process: a recipe of layers that nobody knows yet."""
    steps = (
        replace(step, options={**step.options, KEPT: "(which layers)"}) if step.technique == STATIC else step
        for step in recipe.steps
    )
    return replace(recipe, steps=tuple(steps))


def refined(trier: Trier, recipe: Recipe) -> Recipe | None:
    """Return `recipe` with the layers in float that its quantization cannot do without; None where that is no way out.

    Raises:
        TimeIsUp: the time limit passed.
        StorageFull: the disk is full.
    """
    from lepton_edge.compress.techniques import mixed  # the technique's own room: only where it is asked for

    at = next(index for index, step in enumerate(recipe.steps) if step.technique == STATIC)
    options = dict(recipe.steps[at].options)
    try:
        model = trier.made(Recipe(recipe.steps[:at]))
        judges = mixed.Judges(_Loss(trier), lambda made: Seconds(trier.cost(made)), trier.job.budget.max_drop)
        found = mixed.greedy(model, trier.materials(), judges, {**options, KEPT: ""}, TRIES)
    except StorageFull:
        raise
    except STEP_ERRORS:  # BudgetNotMet among them: no mixture keeps the budget
        return None
    if not found.chosen.kept:
        return None
    step = Step(STATIC, {**options, KEPT: "|".join(found.chosen.kept)})
    return replace(recipe, steps=(*recipe.steps[:at], step, *recipe.steps[at + 1 :]))


class _Loss:
    """What a model loses on the calibration samples, in points of the metric."""

    def __init__(self, trier: Trier) -> None:
        self._job = trier.job
        self._reference = Reference(trier.job.original)
        self._base = self._mean(trier.job.original)

    def __call__(self, model: ModelProto) -> float:
        try:
            return self._base - self._mean(model)
        except CompressionFailed:  # it answers NaN: worse than any loss
            return float("inf")

    def _mean(self, model: ModelProto) -> float:
        return evaluate(model, self._job.calibration, self._job.metric, self._reference).mean
