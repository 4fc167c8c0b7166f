"""Which recipes are worth trying: what can help this model, known-good recipes first, and the choices between.

Law: asks techniques whether they refuse; applies none. A recipe is a set of parameters of the search, so that what was
known before and what the sampler invents come by one way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from onnx import ModelProto

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.failing import REFUSE_ERRORS, sentence
from lepton_edge.compress.recipe import SIZE, Recipe, Step, Target, Value
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import HOMES, technique

CLEAN = "clean"
PRECISION = ("static_int8", "dynamic_int8", "weight_only", "mixed_int8", "half")
"""Techniques of which a recipe has one at most: each decides what the weights are stored as."""

STAGES = (CLEAN, "prune_channels", "prune", "distill", "finetune", *PRECISION, "qat", "share")
"""The order that mostly serves: fewer weights first, then what they lost taught again, smaller ones, shared ones."""

TRAINED = frozenset({"distill", "finetune", "qat"})
"""Searched only where there is something to train with; a recipe of the user's may name them anyway."""

SMALL = frozenset({"prune", "share"})
"""Techniques that save bytes and no time: searched only where bytes are to be won."""

AFTER = {"qat": frozenset({"static_int8", "mixed_int8"})}
"""Techniques that follow another one: each refuses the bare model, and is judged where it comes in a recipe."""


class Chooser(Protocol):
    """What chooses a value of a parameter: a trial of Optuna, or a recipe that is given."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices` for the parameter `name`."""
        ...


@dataclass(frozen=True)
class Space:
    """What may be tried.

    Attributes:
        techniques: by name, in the order that mostly serves.
        refused: why others cannot help, by name.
        objective: what the recipes are for.
    """

    techniques: Mapping[str, Technique]
    refused: Mapping[str, str]
    objective: str

    @property
    def precision(self) -> list[str]:
        """The techniques of which a recipe has one at most."""
        return [name for name in self.techniques if name in PRECISION]

    @property
    def others(self) -> list[str]:
        """The techniques that a recipe has or has not."""
        return [name for name in self.techniques if name not in (CLEAN, *PRECISION)]

    def suggest(self, trial: Chooser) -> Recipe:
        """Return the recipe that `trial` chooses: which techniques, in which order, how strong."""
        chosen = [CLEAN] if CLEAN in self.techniques else []
        chosen += [name for name in self.others if trial.suggest_categorical(name, (False, True))]
        if self.precision and (one := trial.suggest_categorical("precision", ("", *self.precision))):
            chosen.append(one)
        moved = trial.suggest_categorical("moved", ("", *self.others)) if len(chosen) > 2 else ""
        steps = [Step(name, self._options(name, trial)) for name in self._ordered(chosen, moved)]
        return Recipe(tuple(steps))

    def _ordered(self, chosen: Sequence[str], moved: str) -> list[str]:
        """Return `chosen` in the usual order, but `moved` one place later (the last one: earlier)."""
        order = [name for name in self.techniques if name in chosen]
        if moved in order:
            at = order.index(moved)
            other = at + 1 if at + 1 < len(order) else at - 1
            order[at], order[other] = order[other], order[at]
        return order

    def _options(self, name: str, trial: Chooser) -> dict[str, Value]:
        choices = self.techniques[name].choices
        return {key: trial.suggest_categorical(f"{name}/{key}", values) for key, values in choices.items()}

    def known_good(self) -> list[dict[str, Any]]:
        """Return the parameters of recipes that mostly serve, the plainest first, all with default options."""
        plain = [self._parameters(one, ()) for one in ("", *self.precision)]
        fewer = [name for name in ("prune_channels", "finetune") if name in self.techniques]
        small = [name for name in ("prune", "finetune", "share") if name in self.techniques]
        rich = fewer if self.objective != SIZE else small
        combined = [self._parameters(one, rich) for one in (*self.precision[:2], "")] if rich else []
        shared = [self._parameters(self.precision[0] if self.precision else "", ("share",))]
        return plain + combined + (shared if "share" in self.techniques and self.objective == SIZE else [])

    def _parameters(self, precision: str, others: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {name: name in others for name in self.others}
        if self.precision:
            found["precision"] = precision
        found["moved"] = ""
        for name in (CLEAN, precision, *others):
            if name in self.techniques:
                options = self.techniques[name].choices.items()
                found |= {f"{name}/{key}": values[0] for key, values in options}
        return found


def space(
    model: ModelProto, target: Target, own: Sequence[Technique], objective: str, trained: bool
) -> Space:
    """Return what may be tried on `model`: known techniques that do not refuse it, and the user's `own`."""
    usable: dict[str, Technique] = {}
    refused: dict[str, str] = {}
    for name in STAGES:
        if name in TRAINED and name in HOMES and not trained:
            refused[name] = "there is nothing to train with: give --training (a recipe may name it without)"
        elif name in HOMES:
            found, reason = _usable(name, model, target)
            if name in SMALL and objective != SIZE:
                reason = reason or "it saves bytes, and no time"
            follows = bool(AFTER.get(name, frozenset()) & usable.keys())
            if found is not None and (follows or not reason):
                usable[name] = found
            else:
                refused[name] = reason
    for one in own:
        if reason := refusal(one, model, target):
            refused[one.name] = reason
        else:
            usable[one.name] = one
    return Space(usable, refused, objective)


def _usable(name: str, model: ModelProto, target: Target) -> tuple[Technique | None, str]:
    try:
        found = technique(name)
    except ImportError as error:
        return None, f"it needs {error.name}, which is not installed"
    if found.extra and find_spec(found.extra) is None:
        return None, f"it needs the extra: pip install 'lepton-edge[{found.extra}]'"
    return found, refusal(found, model, target)


def refusal(found: Technique, model: ModelProto, target: Target) -> str:
    """Return why `found`, which may be anybody's, refuses `model`; "" where it does not."""
    try:
        return str(found.refuse(model, target) or "")
    except REFUSE_ERRORS as error:
        return sentence(error)


def completed(recipe: Recipe, own: Mapping[str, Technique]) -> Recipe:
    """Return `recipe` with every option of every step.

    Raises:
        NotFound: there is no such technique.
        CompressionRefused: it has no such option, or an option has no such value.
    """
    return Recipe(tuple(_completed(step, find(step.technique, own)) for step in recipe.steps))


def find(name: str, own: Mapping[str, Technique]) -> Technique:
    """Return the user's own technique `name`, else the known one.

    Raises:
        NotFound: there is none.
        CompressionRefused: it needs an extra that is not installed.
    """
    if name in own:
        return own[name]
    try:
        return technique(name)
    except ImportError as error:
        hint = "pip install 'lepton-edge[torch]'" if error.name == "torch" else f"install {error.name}"
        raise CompressionRefused(
            f"the step {name!r} needs {error.name}, which is not installed", hint
        ) from error


def defaults(recipes: Iterable[Recipe], own: Mapping[str, Technique]) -> dict[str, dict[str, Value]]:
    """Return the usual options of every technique that `recipes` name and that is there."""
    names = {step.technique for recipe in recipes for step in recipe.steps}
    there = (find(name, own) for name in sorted(names) if name in own or name in HOMES)
    return {one.name: {key: values[0] for key, values in one.choices.items()} for one in there}


def _completed(step: Step, found: Technique) -> Step:
    unknown = [key for key in step.options if key not in found.choices]
    if unknown:
        known = ", ".join(found.choices) or "none"
        raise CompressionRefused(
            f"the step {step.technique!r} has no option {unknown[0]!r}", f"known: {known}"
        )
    for key, value in step.options.items():
        _check_option(step.technique, key, value, found.choices[key])
    defaults = {key: values[0] for key, values in found.choices.items()}
    return Step(step.technique, {**defaults, **step.options})


def _check_option(technique: str, key: str, value: Value, choices: Sequence[Value]) -> None:
    """Refuse a value that no option of this kind has; which numbers make sense, a technique says itself."""
    kinds = {_kind(one) for one in choices}
    closed = kinds <= {"text", "yes or no"} and len(choices) > 1  # one text alone is an example of any
    if _kind(value) not in kinds or (closed and value not in choices):
        known = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in choices)
        raise CompressionRefused(
            f"the option {key!r} of {technique!r} cannot be {value!r}", f"such as: {known or 'a text'}"
        )


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "text" if isinstance(value, str) else "number"
