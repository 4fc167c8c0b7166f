"""TLS beside the open over a link like Wi-Fi, and what two equal lanes differ by in the same run: the noise.

Law: orders, takes differences within each round, yields rows. "Nothing measurable" is a difference no greater than
what equal lanes may differ by.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.laboratory import Laboratory
from bench.rows import Row
from bench.security.ends import OPEN, TLS, Ends, Papers, ends
from examples.demo.processes import Conditions

RADIO = Conditions("50 Mbit/s, 5 ms, 0.1 % lost", 50, 5)
LOSS = 0.1
SIZES = {"20 kB": 20_000, "600 kB": 600_000}
"""A picture as JPEG, and a tensor."""
LANES = {f"{TLS} (1)": True, f"{OPEN} (1)": False, f"{TLS} (2)": True, f"{OPEN} (2)": False}
ROUNDS, EACH = 15, 2
SURE = 0.95
Rounds = Mapping[str, Sequence[float]]
"""By lane, a round's median trip, milliseconds."""


class Lossy(Conditions):
    """Conditions of a link that loses packets, too."""

    @property
    def spec(self) -> str:
        """Return "RATE,DELAY,LOSS" as the laboratory's link reads it."""
        return f"{super().spec},{LOSS}"


def radio(trips: int) -> Iterator[Row]:
    """Yield what TLS adds over the radio, and what equal lanes differ by."""
    rounds = max(4, ROUNDS * min(trips, 300) // 300)
    with (
        tempfile.TemporaryDirectory(prefix="lepton-security-") as folder,
        Laboratory("security", Path(folder), everywhere=True) as there,
    ):
        there.shape(Lossy(RADIO.name, RADIO.rate, RADIO.delay))
        near, far = there.command("edge", ()), there.command("cloud", ())
        with ends(Papers.make(), LANES, there.hosts.cloud, far, near) as both:
            for name, size in SIZES.items():
                yield from rows(name, measured(both, size, rounds))


def measured(both: Ends, size: int, rounds: int) -> Rounds:
    """Ask by all lanes in turn, each round in another order; the first round does not count."""
    found: dict[str, list[float]] = {name: [] for name in LANES}
    order, draw = list(LANES), random.Random(size)
    for number in range(rounds + 1):
        draw.shuffle(order)
        for name in order:
            took = both.ask(do="trip", lane=name, size=size, count=EACH)["took"]
            if number:
                found[name].append(statistics.median(took) * 1e3)
    return found


def rows(size: str, found: Rounds) -> Iterator[Row]:
    """Yield medians, what TLS adds in a round, and what equal lanes differ by in a round."""
    first, second = ([found[f"{kind} ({number})"] for kind in (TLS, OPEN)] for number in (1, 2))
    added = [(a + c - b - d) / 2 for a, b, c, d in zip(*first, *second, strict=True)]
    alike = [(c - a + d - b) / 2 for a, b, c, d in zip(*first, *second, strict=True)]
    for kind in (TLS, OPEN):
        medians = [statistics.median(found[f"{kind} ({number})"]) for number in (1, 2)]
        told = f"each of its two lanes: {medians[0]:.1f} and {medians[1]:.1f} ms"
        yield _row(f"{size}, {kind}: round trip", statistics.fmean(medians), told)
    low, high = between(alike)
    noise = max(-low, high)
    told = f"median of {len(alike)} rounds; {SURE:.0%} within {low:.2f} and {high:.2f} ms"
    yield _row(f"{size}: two equal lanes differ by", statistics.median(alike), told)
    low, high = between(added)
    told = f"median of {len(added)} rounds; {SURE:.0%} within {low:.2f} and {high:.2f} ms; goal: as equal lanes may"
    yield _row(f"{size}: TLS adds", statistics.median(added), told, noise)


def between(values: Sequence[float], draws: int = 2000) -> tuple[float, float]:
    """Return between what the median of `values` lies, surely so far as `SURE` goes: a bootstrap."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(draws))
    outside = int(draws * (1 - SURE) / 2)
    return medians[outside], medians[-1 - outside]


def _row(what: str, value: float, told: str, goal: float | None = None) -> Row:
    met = None if goal is None else value <= goal
    goal = None if goal is None else round(goal, 3)
    return Row("security", f"{RADIO.name}, {what}", round(value, 3), "ms", told, goal, met)
