"""What a link does over a minute, by a seed: steps, ramps, gaps, fading, a square wave, and all of it mixed.

Law: pure data and arithmetic; rates are what real links are seen to do (0.1 to 30 Mbit/s), the time between two changes
is compressed to seconds so that many changes fit in a replay. Nothing here knows who replays it.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LEAST, MOST = 0.1, 30.0
"""Mbit/s, between cuts."""
TICK = 0.5
"""Seconds between two rates of a ramp or of fading."""
STEEP = 1.25
"""A rate that changed by less than that is no change point."""
Point = tuple[float, float]
"""A second of the trace, and the rate in Mbit/s from then on; 0 is a cut."""


@dataclass(frozen=True)
class Trace:
    """A link's rate over time, both ways alike; `delay` is in milliseconds one way, `seconds` its length."""

    name: str
    delay: float
    seconds: float
    points: tuple[Point, ...]

    def rate(self, at: float) -> float:
        """Return the Mbit/s at second `at`; the first rate holds before the trace, the last one after it."""
        place = bisect_right([second for second, _ in self.points], at)
        return self.points[max(0, place - 1)][1]

    def seconds_for(self, size: float, at: float) -> float:
        """Return the seconds that `size` bytes take from second `at` on, in one direction, without the delay.

        A trace that ends in a cut never carries what was left then.
        """
        left, now = size * 8e-6, at
        for end, rate in [(second, self.rate(second - 1e-9)) for second, _ in self.points if second > at]:
            if left <= rate * (end - now):
                return now + left / rate - at
            left, now = left - rate * (end - now), end
        last = self.points[-1][1]
        return now + left / last - at if last else math.inf

    def changes(self) -> list[float]:
        """Return the seconds at which the rate has changed by STEEP or more since the last of them."""
        found: list[float] = []
        known = self.points[0][1]
        for second, rate in self.points[1:]:
            if rate != known and (not rate or not known or max(rate / known, known / rate) >= STEEP):
                found.append(second)
                known = rate
        return found


def made(kind: str, seed: int, seconds: float) -> Trace:
    """Return the trace of a kind (one of `KINDS`) that a seed gives."""
    chance = random.Random(f"{kind}/{seed}")
    delay = float(chance.choice((2, 5, 10, 25)))
    points = [point for point in KINDS[kind](chance, seconds) if point[0] < seconds]
    return Trace(f"{kind}-{seed}", delay, seconds, tuple(merged(points)))


def merged(points: Sequence[Point]) -> Iterator[Point]:
    """Yield the points at which the rate becomes another one."""
    known = -1.0
    for second, rate in points:
        if rate != known:
            known = rate
            yield round(second, 3), rate


def _steps(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield levels that are held for some seconds."""
    now = 0.0
    while now < seconds:
        yield now, _any_rate(chance)
        now += chance.uniform(3, 8)


def _ramps(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield straight lines in the logarithm of the rate: walking away from an access point, and back."""
    now, rate = 0.0, _any_rate(chance)
    while now < seconds:
        goal, ticks = _any_rate(chance), chance.randint(6, 16)
        for tick in range(ticks):
            yield now, round(rate * (goal / rate) ** (tick / ticks), 3)
            now += TICK
        rate = goal


def _gaps(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield a link that is good and goes away for half a second to three: tunnels, handovers."""
    now = 0.0
    while now < seconds:
        yield now, round(chance.uniform(4, 25), 3)
        now += chance.uniform(3, 7)
        yield now, 0.0
        now += chance.uniform(0.5, 3)


def _fading(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield what a drive over LTE looks like: a first-order walk of the logarithm around 5 Mbit/s, with holes."""
    kept, spread = math.exp(-TICK / 3.0), 0.9
    depth = chance.gauss(0, spread)
    for tick in range(int(seconds / TICK)):
        hole = 0.15 if chance.random() < 0.05 else 1.0
        yield tick * TICK, round(min(MOST, max(LEAST, 5 * math.exp(depth) * hole)), 3)
        depth = depth * kept + chance.gauss(0, spread * math.sqrt(1 - kept * kept))


def _square(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield two levels in turn, about as fast as one can react: who follows too late is always wrong."""
    half = chance.uniform(1.0, 2.0)
    for turn in range(int(seconds / half) + 1):
        yield turn * half, (18.88, 1.1)[turn % 2]


def _mixed(chance: random.Random, seconds: float) -> Iterator[Point]:
    """Yield pieces of all the others: a commute."""
    now = 0.0
    while now < seconds:
        length = chance.uniform(6, 12)
        kind = chance.choice((_steps, _ramps, _gaps, _fading))
        yield from ((now + at, rate) for at, rate in kind(chance, length) if at < length)
        now += length


def _any_rate(chance: random.Random) -> float:
    return round(math.exp(chance.uniform(math.log(LEAST), math.log(MOST))), 3)


KINDS: dict[str, Callable[[random.Random, float], Iterator[Point]]] = {
    "steps": _steps,
    "ramps": _ramps,
    "gaps": _gaps,
    "fading": _fading,
    "mixed": _mixed,
    "square": _square,
}
