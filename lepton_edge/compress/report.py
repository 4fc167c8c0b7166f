"""What a search found: every candidate beside the original, the best, and why the others are not.

Law: a frozen noun and sentences about it; it runs nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_edge.compress.recipe import LATENCY, Budget, Candidate, Recipe, Value
from partitioner.nouns_json import to_json
from partitioner.report.quantities import digits, milliseconds, size

SCHEMA = "lepton-edge/compress/1"

MOST_NAMES = 2
"""A recipe in words gives the names in a list up to so many; of more, their number."""


@dataclass(frozen=True)
class Report:
    """The end of a search.

    Attributes:
        name: of the model.
        budget: that it kept.
        original: the model as it came in: its bytes, score and times.
        candidates: every one that was tried, in order.
        best: the one to use; None where there is none.
        ended: why the search ended.
        notes: what a reader must know to read the figures.
        file: the best model's file; None where there is none.
        platform: that it was made for.
        defaults: the options that each technique has unless others are said; left out where recipes are told in words.
    """

    name: str
    budget: Budget
    original: Candidate
    candidates: tuple[Candidate, ...]
    best: Candidate | None = None
    ended: str = ""
    notes: tuple[str, ...] = ()
    file: Path | None = None
    platform: str = ""
    defaults: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    def words(self, recipe: Recipe) -> str:
        """Return `recipe` in words, without options that are as usual."""
        return words(recipe, self.defaults)

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Candidates that may be used and that no other beats in bytes, time and score at once."""
        usable = [one for one in self.candidates if not one.rejected]
        return tuple(one for one in usable if not any(_beats(other, one) for other in usable))

    def document(self) -> dict[str, Any]:
        """Return the report as JSON of the schema "lepton-edge/compress/1"."""
        return {
            "schema": SCHEMA,
            "model": self.name,
            "platform": self.platform,
            "budget": to_json(self.budget),
            "original": self._candidate(self.original),
            "candidates": [self._candidate(one) for one in self.candidates],
            "best": self._candidate(self.best) if self.best is not None else None,
            "ended": self.ended,
            "notes": list(self.notes),
            "gains": gains(self.best, self.original) if self.best is not None else "",
            "file": str(self.file) if self.file is not None else "",
        }

    def _candidate(self, one: Candidate) -> dict[str, Any]:
        called = self.words(one.recipe)
        return {**to_json(one), "called": called, "ratio": ratio(one) if one.timings else None}


def _beats(one: Candidate, other: Candidate) -> bool:
    left, right = _figures(one), _figures(other)
    return left != right and all(first <= second for first, second in zip(left, right, strict=True))


def _figures(one: Candidate) -> tuple[float, float, float]:
    return bytes_of(one), ratio(one), -one.score.mean if one.score is not None else 0.0


def bytes_of(one: Candidate) -> int:
    """Return the bytes that count: of the file, or of the store where that is smaller."""
    return min(one.size, one.stored) if one.stored else one.size


def ratio(one: Candidate) -> float:
    """Return how long it takes on the device that it serves worst, for what takes the original 1; 1 if unmeasured."""
    pairs = zip(one.timings, one.originals, strict=False)
    return max((mine.median / its.median for mine, its in pairs if its.median > 0), default=1.0)


def words(recipe: Recipe, defaults: Mapping[str, Mapping[str, Value]] | None = None) -> str:
    """Return "clean + static_int8(ranges=mse)", without options that are as in `defaults`; "nothing" of no step."""
    told = ((one.technique, one.options, (defaults or {}).get(one.technique, {})) for one in recipe.steps)
    return " + ".join(_step(*one) for one in told) or "nothing"


def _step(name: str, given: Mapping[str, Value], usual: Mapping[str, Value]) -> str:
    options = {key: value for key, value in given.items() if key not in usual or usual[key] != value}
    return (
        f"{name}({', '.join(f'{key}={_short(value)}' for key, value in options.items())})"
        if options
        else name
    )


def _short(value: Value) -> Value:
    """Return `value`; of a longer list of names ("a|b|c"), how many: the manifest and the document have them all."""
    count = value.count("|") + 1 if isinstance(value, str) else 1
    return f"{count} names" if count > MOST_NAMES else value


def value(one: Candidate, objective: str) -> float:
    """Return what the objective counts: less is better; bytes, or the worst device's time beside the original's."""
    return ratio(one) if objective == LATENCY else float(bytes_of(one))


def drop(one: Candidate, original: Candidate) -> float:
    """Return how much of the metric `one` lost against the original, in points; 0 where it was not scored."""
    if one.score is None or original.score is None:
        return 0.0
    return original.score.mean - one.score.mean


def span(seconds: float) -> str:
    """Return "5.0 ms"; below one millisecond three digits of it."""
    return milliseconds(seconds) if seconds >= 1e-3 else f"{digits(seconds * 1e3, 3)} ms"


def gains(one: Candidate, original: Candidate) -> str:
    """Return "3.8x smaller (1.2 MB of 4.5 MB), 1.7x as fast on here (2.0 ms of 3.4 ms), 0.20 points lost".

    Points are left out where the two were judged on different samples: a first look was enough to reject `one`.
    """
    said = []
    if bytes_of(one):
        times = bytes_of(original) / bytes_of(one)
        said.append(f"{times:.2f}x smaller ({size(bytes_of(one))} of {size(bytes_of(original))})")
    for mine, its in zip(one.timings, one.originals, strict=False):
        if mine.median > 0:
            faster, told = (
                its.median / mine.median,
                f"{span(mine.median)} of {span(its.median)}",
            )
            said.append(f"{faster:.2f}x as fast on {mine.device} ({told})")
    if one.score is not None and original.score is not None and one.score.count == original.score.count:
        said.append(f"{100 * drop(one, original):.2f} points of {one.score.metric} lost")
    return ", ".join(said)
