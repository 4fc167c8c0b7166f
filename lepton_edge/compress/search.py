"""The search: which recipe next, until the budget of time or candidates is used up.

Law: asks a sampler for recipes, has them tried, writes each down before it goes on, and never tries one twice, nor
after a crash. Known-good recipes come first; Optuna's sampler goes on from what they gave. It touches no model itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lepton_edge.compress import attempts, confirming, judging, refining
from lepton_edge.compress.confirming import Confirmer
from lepton_edge.compress.errors import BudgetNotMet, CompressionRefused
from lepton_edge.compress.measure import HERE
from lepton_edge.compress.platforms import this_machine
from lepton_edge.compress.recipe import LATENCY, OBJECTIVES, Budget, Candidate, Recipe
from lepton_edge.compress.report import Report, drop, gains, ratio, value, words
from lepton_edge.compress.space import Space, completed, defaults, space
from lepton_edge.compress.trying import Job, TimeIsUp, Trier
from lepton_edge.compress.workspace import Workspace, recipe_key

REPEATS = 64
"""Proposals in a row that were tried before, after which there is nothing new to try."""

NOTE = "note: "
"""What is told under this name must be read before it is waited for, and stay to be seen."""

PENALTY = 10.0
"""What a rejected candidate counts, over every usable one (a share of the original); its loss is added."""


def run(job: Job, workspace: Workspace, recipe: Recipe | None = None) -> Report:
    """Return what the search found; `workspace` is open and holds what was tried before.

    Args:
        job: what is compressed, and how it is judged.
        workspace: gets every candidate.
        recipe: the only one to try; None searches.

    Raises:
        BudgetNotMet: no candidate may be used; says the best that was reached.
        StorageFull: the disk is full; what was finished is kept.
        CompressionRefused, NotFound: the recipe or the budget is none.
    """
    _check(job.budget)
    limit = job.budget.time_limit
    if few := _few(job):
        job.progress(f"{NOTE}{few}", 0, 0)
    deadline = time.monotonic() + limit if limit > 0 else float("inf")
    try:
        trier = Trier(job, workspace.original, workspace.scratch(), deadline)
    except TimeIsUp:
        told = f"the time limit of {limit:.0f} s passed before the original was judged"
        raise BudgetNotMet(told, "allow more time, or give fewer samples") from None
    apart = job.apart
    confirmer = None if apart is None else Confirmer(job.original, apart, job.metric, job.progress)
    going = _Going(job, workspace, trier, confirmer)
    try:
        ended = going.only(recipe) if recipe is not None else going.search()
    except TimeIsUp:
        ended = f"the time limit of {limit:.0f} s"
    return going.report(ended, recipe)


def _few(job: Job) -> str:
    return judging.resolution_note(job.metric.name, len(job.held_out), job.budget.max_drop)


def _check(budget: Budget) -> None:
    if budget.objective not in OBJECTIVES:
        raise CompressionRefused(
            f"there is no target {budget.objective!r}", f"known: {', '.join(OBJECTIVES)}"
        )
    if not budget.max_drop >= 0 or budget.max_candidates < 1:
        raise CompressionRefused(
            f"a budget of {budget.max_drop} points and {budget.max_candidates} candidates cannot be kept",
            "allow 0 points or more, and one candidate or more",
        )


class _Going:
    """One search while it goes on."""

    def __init__(self, job: Job, workspace: Workspace, trier: Trier, confirmer: Confirmer | None) -> None:
        self._job = job
        self._confirmer = confirmer
        self._workspace = workspace
        self._trier = trier
        self._known = {recipe_key(one.recipe): one for one in (trier.original, *workspace.candidates)}
        self._refused: dict[str, str] = {}
        kept = (step.options.get(refining.KEPT) for one in workspace.candidates for step in one.recipe.steps)
        self._refined = any(kept)
        self._only = False

    def only(self, recipe: Recipe) -> str:
        """Try one recipe; return why the search ended."""
        self._only = True
        self._loss(completed(recipe, self._job.own))
        return "the recipe was tried"

    def search(self) -> str:
        """Try recipes until the candidates are used up; return why the search ended."""
        job = self._job
        found = space(
            job.original, job.target, tuple(job.own.values()), job.budget.objective, job.training is not None
        )
        self._refused = dict(found.refused)
        if not found.techniques:
            raise CompressionRefused(f"nothing can help {job.name}: {_listed(found.refused)}")
        return self._sample(found)

    def _sample(self, found: Space) -> str:
        study = _study(self._job.seed)
        for parameters in found.known_good():
            study.enqueue_trial(parameters, skip_if_exists=True)
        repeats, most = 0, self._job.budget.max_candidates
        while self._tried() < most:
            trial = study.ask()
            recipe = found.suggest(trial)
            known = recipe_key(recipe) in self._known
            study.tell(trial, self._loss(recipe))
            self._refine(recipe)
            repeats = repeats + 1 if known or self._known[recipe_key(recipe)].refused else 0
            if repeats > REPEATS:
                return "there was nothing new to try"
        return f"{most} candidates"

    def _tried(self) -> int:
        """Return how many candidates count: an order of steps that one of them refuses cost nothing."""
        return sum(not one.refused for one in self._workspace.candidates)

    def _loss(self, recipe: Recipe) -> float:
        """Return what the sampler is to make small; tries `recipe` where it was not."""
        key = recipe_key(recipe)
        if key not in self._known:
            told = words(recipe, defaults([recipe], self._job.own))
            done, most = self._tried(), self._job.budget.max_candidates
            self._job.progress(f"try {told}", *((0, 1) if self._only else (done, most)))
            with attempts.attempt(self._workspace.folder, recipe):
                candidate, model = self._trier.try_(recipe)
                self._workspace.keep(candidate, model)
            self._known[key] = candidate
        one, original = self._known[key], self._trier.original
        if one.rejected:
            return PENALTY + max(0.0, drop(one, original))
        return value(one, self._job.budget.objective) / max(
            value(original, self._job.budget.objective), 1e-12
        )

    def _refine(self, recipe: Recipe) -> None:
        """Give the first quantized candidate that lost too much another chance, with a few layers in float."""
        if self._refined or not refining.wants(self._known[recipe_key(recipe)]):
            return
        self._refined = True
        done, most = self._tried(), self._job.budget.max_candidates
        if done < most:
            self._job.progress("try which layers must stay in float", done, most)
            with attempts.attempt(self._workspace.folder, refining.looking(recipe)):
                better = refining.refined(self._trier, recipe)
            if better is not None:
                self._loss(better)

    def report(self, ended: str, recipe: Recipe | None) -> Report:
        """Return the report of all candidates.

        Raises:
            BudgetNotMet: none may be used.
        """
        job, original = self._job, self._original()
        candidates = tuple(self._workspace.candidates)
        asked = candidates
        if recipe is not None:
            key = recipe_key(completed(recipe, job.own))
            asked = tuple(one for one in candidates if recipe_key(one.recipe) == key)
        asked = self._confirmed(asked)
        judged = {recipe_key(one.recipe): one for one in asked}
        candidates = tuple(judged.get(recipe_key(one.recipe), one) for one in candidates)
        best = self._best(asked)
        file = self._workspace.model_of(best) if best is not None else None
        notes = (*filter(None, (self._doubt(best, original),)), *self._notes())
        told = Report(job.name, job.budget, original, candidates, best, ended, notes, file)
        usual = defaults([one.recipe for one in candidates], job.own)
        made = replace(told, platform=job.target.name, defaults=usual)
        if best is None:
            raise NotMet(_not_met(made, asked), _hint(asked), made)
        return made

    def _original(self) -> Candidate:
        """Return the original; resumed searches that timed nothing new have its times from a candidate."""
        original = self._trier.original
        timed = (one.originals for one in self._workspace.candidates if one.originals)
        timings = original.timings or next(timed, ())
        confirmed = self._confirmer.original if self._confirmer is not None else None
        return replace(original, timings=timings, originals=timings, confirmed=confirmed)

    def _confirmed(self, asked: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Return `asked` with the best confirmed by samples apart; each that would be best and fails is rejected."""
        if self._confirmer is None:
            return asked
        found = list(asked)
        while (best := self._best(tuple(found))) is not None and best.confirmed is None:
            model = self._workspace.model_of(best)
            found[found.index(best)] = self._confirmer.confirm(best, model, self._job.budget)
        return tuple(found)

    def _doubt(self, best: Candidate | None, original: Candidate) -> str:
        """Return how far the best owes its score to the samples that chose it."""
        if best is None:
            return ""
        if self._confirmer is not None:
            return confirming.told(best, original, self._job.budget.max_drop)
        return confirming.missing(self._tried(), len(self._job.held_out))

    def _best(self, candidates: tuple[Candidate, ...]) -> Candidate | None:
        usable = [one for one in candidates if not one.rejected]
        objective = self._job.budget.objective
        return min(usable, key=lambda one: (value(one, objective), -_mean(one)), default=None)

    def _notes(self) -> tuple[str, ...]:
        job = self._job
        few, elsewhere = _few(job), self._elsewhere()
        count = len(job.held_out)
        alike = (
            f"all {count} samples that judge are alike: they tell what one tells" if self._trier.alike else ""
        )
        skipped = [f"{name} cannot help: {reason}" for name, reason in self._refused.items()]
        return (*filter(None, (few, alike, elsewhere)), *skipped)

    def _elsewhere(self) -> str:
        """Return that times of this machine say little of the platform that it is for; "" where they are its own."""
        here, wanted = this_machine().name, self._job.target.name
        timed = any(each.device == HERE for one in self._workspace.candidates for each in one.timings)
        if not timed or here == wanted:
            return ""
        return f"times are of this machine ({here}), and not of {wanted}: name one of these with --device"


class NotMet(BudgetNotMet):
    """As `BudgetNotMet`, with the report of what was tried."""

    def __init__(self, message: str, hint: str, report: Report) -> None:
        super().__init__(message, hint)
        self.report = report


def _mean(one: Candidate) -> float:
    return one.score.mean if one.score is not None else 0.0


def _not_met(report: Report, asked: tuple[Candidate, ...]) -> str:
    """Return what to say where none may be used: the nearest, and why it is not."""
    scored = [one for one in asked if one.score is not None]
    if not scored:
        reason = asked[0].rejected if asked else f"none was finished within {report.ended}"
        return f"no candidate of {len(asked)} for {report.name} can be used: {reason}"
    nearest = min(scored, key=lambda one: _distance(one, report))
    return (
        f"no candidate of {len(asked)} for {report.name} can be used; the best that was reached is "
        f"{report.words(nearest.recipe)}: {gains(nearest, report.original)}; it is not used because it "
        f"{_as_verb(nearest.rejected)}"
    )


def _hint(asked: tuple[Candidate, ...]) -> str:
    """Return what to do where none may be used; a drop or a target help nobody whose steps all refused."""
    if asked and not any(one.score is not None for one in asked):
        return "mend what it names, or try another recipe"
    return "allow a larger drop, give more data or time, or another target"


def _distance(one: Candidate, report: Report) -> tuple[bool, float, float]:
    """Return how far `one` is from being used: whether it wins nothing, what it loses too much, what it still takes."""
    objective = report.budget.objective
    wins = (
        ratio(one) < 1 if objective == LATENCY else value(one, objective) < value(report.original, objective)
    )
    timed = bool(one.timings) or objective != LATENCY
    over = max(0.0, drop(one, report.original) - report.budget.max_drop)
    return timed and not wins, over, value(one, objective)


def _as_verb(reason: str) -> str:
    return f"is {reason}" if reason.startswith("not ") else reason


def _listed(refused: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in refused.items()) or "there is no technique at all"


def _study(seed: int) -> Any:
    """Return an Optuna study that proposes the same recipes for the same seed and losses."""
    import optuna  # dear to import, and an extra's: whoever gives a recipe has no use for it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=4))
