"""Timing pages of the deployed model and the 30-line application, side by side.

Law: every way is asked in turn, round after round, since the machine
changes speed for minutes at a time; medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.thirty_lines.app import Application
from lepton_edge.client import Client

ROUNDS = 9
SECONDS = 14.0
"""An act ends after ROUNDS rounds, or with the round in which SECONDS have passed; never below LEAST."""
LEAST = 3


@dataclass
class Timing:
    """What one way took: seconds per request, and what it answered to each picture."""

    seconds: list[float] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    ran_on: set[str] = field(default_factory=set)

    @property
    def median(self) -> float:
        """Return the median seconds."""
        return statistics.median(self.seconds)


Way = Callable[[str, bytes], tuple[str, str]]
"""Asks one picture (name, encoded bytes); returns the answer and where (or on which page) it was found."""


def page_way(client: Client, model: str, page: str) -> Way:
    """Ask the product, on a page of its book."""

    def ask(_: str, picture: bytes) -> tuple[str, str]:
        result = client.infer(model, {"input": picture}, page=page, deadline=30.0)
        return result.labels[0].label, result.page

    return ask


def application_way(application: Application, labels: Sequence[str]) -> Way:
    """Ask the 30-line application."""

    def ask(_: str, picture: bytes) -> tuple[str, str]:
        answer = application.classify(picture)
        return labels[answer.index], answer.where

    return ask


def measure(ways: Mapping[str, Way], pictures: Mapping[str, bytes]) -> dict[str, Timing]:
    """Ask every way in turn about one picture after the other; the first round only warms up."""
    timings = {name: Timing() for name in ways}
    names = list(pictures)
    begun = time.monotonic()
    for number in range(ROUNDS + 1):
        picture = names[number % len(names)]
        for name, ask in ways.items():
            _ask(timings[name], ask, picture, pictures[picture], counted=number > 0)
        if number >= LEAST and time.monotonic() - begun > SECONDS:
            break
    return timings


def _ask(timing: Timing, ask: Way, picture: str, encoded: bytes, *, counted: bool) -> None:
    started = time.perf_counter()
    answer, where = ask(picture, encoded)
    if counted:
        timing.seconds.append(time.perf_counter() - started)
    timing.answers[picture] = answer
    timing.ran_on.add(where)


def as_json(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Return the timings as plain values; milliseconds."""
    return {
        name: {
            "median_ms": round(timing.median * 1e3, 2),
            "ms": [round(one * 1e3, 2) for one in timing.seconds],
            "answers": timing.answers,
            "ran_on": sorted(timing.ran_on),
        }
        for name, timing in timings.items()
        if timing.seconds
    }
