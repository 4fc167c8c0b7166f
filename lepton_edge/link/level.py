"""A figure of a link that stays for a while, seen through noise, and then becomes another one.

Law: pure: durations of one clock go in; nothing here knows what was transferred, or when. A duration is taken to be
`base + size x figure`: of the round trip `size` is 1 and `base` what the bytes took, of the bytes `base` is the round
trip and the figure seconds a byte.

The figure is the median of the last `KEPT`, another `part` of them where noise is on one side only; each weighs as the
square of its size, the inverse of the variance that noise of some seconds gives its figure. Noise is
the median absolute deviation of the logarithms of "took over expected", since what delays a packet delays it by more
than it ever hastens one. A duration that is `STRONG` times the noise away, and by half, proves a change by itself; two
in a row that are `WEAK` times away, and by a fifth, prove one together. No noise is so large that it explains four
times what was expected, or twice as much two times. What went before is then forgotten, unless the next one fits it and
not the new one: it was a hiccup.
After P. Huber, "Robust Statistics" (1981), for median and MAD; the test is a Shewhart chart with a run rule.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass

KEPT = 12
STRONG, STRONG_OFF, STRONG_MOST = 6.0, 0.5, math.log(4)
WEAK, WEAK_OFF, WEAK_MOST = 3.0, 0.2, math.log(2)
LEAST_SPREAD, YOUNG_SPREAD = 0.03, 0.15
YOUNG = 5  # durations, below which the noise is not known
HICCUP = 2  # durations of a new level, up to which the old one may come back
NOISE = 0.002  # seconds: a busy processor is later than that, and no page turns for less
LEAST_SHARE = 0.25  # of a duration that is the figure's at least, whatever the base is said to be
_SIGMAS = 1.4826  # of a normal distribution: standard deviation over median absolute deviation


class Shown(enum.Enum):
    """What a duration showed."""

    NOTHING = enum.auto()
    CHANGE = enum.auto()
    HICCUP = enum.auto()


@dataclass(frozen=True)
class _Seen:
    figure: float
    weight: float
    off: float  # logarithm of took over expected


class Level:
    """One figure; 0 while nothing is known.

    `spread` is the noise, of a logarithm; `last` the seconds by which the last duration passed what was expected, or,
    after a hiccup, by which that did.
    """

    def __init__(self, part: float = 0.5) -> None:
        self.part = part
        self.figure = 0.0
        self.spread = YOUNG_SPREAD
        self.last = 0.0
        self._seen: deque[_Seen] = deque(maxlen=KEPT)
        self._before: Level | None = None
        self._doubt: _Seen | None = None

    def expected(self, base: float, size: float) -> float:
        """Return the seconds that `size` takes."""
        return base + size * self.figure

    def late_after(self, base: float, size: float) -> float:
        """Return the seconds after which `size` that has not come proves a change."""
        expected = self.expected(base, size)
        return max(expected * math.exp(self._strong), expected + 2 * NOISE)

    def take(self, took: float, base: float, size: float, again: bool = False) -> Shown:
        """Take a duration; `again`: it goes on from the last one, and is in its place."""
        figure = max(took - base, LEAST_SHARE * took) / size
        if not self._seen:
            self._become(deque([_Seen(figure, size, 0.0)], KEPT))
            return Shown.CHANGE
        seen = _Seen(figure, size, self._off(took, base, size))
        surprise = self.surprise(took, base, size)
        jump, self.last = self.last, took - self.expected(base, size)
        if again and len(self._seen) == 1:
            return self._refine(seen, surprise)
        if again:
            self._seen.pop()
        before = self._before
        if surprise and before is not None and not before.surprise(took, base, size):
            self._return_to(before, _Seen(figure, size, before._off(took, base, size)))
            self.last = jump
            return Shown.HICCUP
        doubted, self._doubt = self._doubt, seen if abs(surprise) == 1 and not again else None
        if abs(surprise) == 2:
            return self._change(seen)
        if surprise and doubted is not None and doubted.off * seen.off > 0:
            return self._change(doubted, seen)
        self._seen.append(seen)
        self._settle()
        return Shown.NOTHING

    def become(self, took: float, base: float, size: float) -> Shown:
        """Take a duration as the first one of another level, whatever the noise is."""
        return self._change(_Seen(max(took - base, LEAST_SHARE * took) / size, size, 0.0))

    def _refine(self, seen: _Seen, surprise: int) -> Shown:
        """Put a duration in the place of the only one that there is."""
        self._seen[0] = _Seen(seen.figure, seen.weight, 0.0)
        self._settle()
        return Shown.CHANGE if surprise else Shown.NOTHING

    def surprise(self, took: float, base: float, size: float) -> int:
        """Return 2 or 1 for a duration far or somewhat beyond what is expected, -2 or -1 for one below, else 0."""
        off, late = self._off(took, base, size), took - self.expected(base, size)
        if abs(late) < NOISE:
            return 0
        far = abs(off) > self._strong
        near = abs(off) > min(max(WEAK * self.spread, WEAK_OFF), WEAK_MOST)
        return (far + near) * (1 if off > 0 else -1)

    @property
    def _strong(self) -> float:
        return min(max(STRONG * self.spread, STRONG_OFF), STRONG_MOST)

    def _off(self, took: float, base: float, size: float) -> float:
        return math.log(max(took, 1e-9) / max(self.expected(base, size), 1e-9))

    def _change(self, *proofs: _Seen) -> Shown:
        before = Level(self.part)
        before._seen, before.figure, before.spread = self._seen, self.figure, self.spread
        self._become(deque([_Seen(one.figure, one.weight, 0.0) for one in proofs], KEPT))
        self._before = before
        return Shown.CHANGE

    def _return_to(self, before: Level, seen: _Seen) -> None:
        before._seen.append(seen)
        self._become(before._seen)

    def _become(self, seen: deque[_Seen]) -> None:
        self._seen, self._before, self._doubt = seen, None, None
        self._settle()

    def _settle(self) -> None:
        if len(self._seen) > HICCUP:
            self._before = None
        self.figure = _quantile([(one.figure, one.weight**2) for one in self._seen], self.part)
        spread = _SIGMAS * _quantile([(abs(one.off), 1.0) for one in self._seen], 0.5)
        self.spread = max(spread, LEAST_SPREAD if len(self._seen) >= YOUNG else YOUNG_SPREAD)

    @property
    def count(self) -> int:
        """Return how many durations the figure rests on."""
        return len(self._seen)


def _quantile(weighted: list[tuple[float, float]], part: float) -> float:
    """Return the value below which there is `part` of the weight."""
    weighted.sort()
    left = sum([weight for _, weight in weighted]) * part
    for value, weight in weighted:
        left -= weight
        if left <= 0:
            return value
    return weighted[-1][0]
