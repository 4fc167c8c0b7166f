"""How long something takes here of late, held against what was predicted of it: by page, and the pace of it all.

Law: pure arithmetic; times come in, all of one clock. One odd sample changes nothing, a second one to the same side
does. What was never measured takes the correction of what was; what was measured long ago comes back to what it was
before the device changed its pace, so that a device that was slow a while ago is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

STEP = 1.25
"""A sample that is off by more is odd: it counts when the next one is odd to the same side."""
LOG_STEP = math.log(STEP)
TINY = 1e-6
WEIGHT = 0.2
"""What part of its way an estimate goes to a sample that is not odd."""
YOUNG = 8
"""So many samples tell what is particular about a page; what changes later is the device's pace."""
MOST = 20.0
"""No correction is larger than this: beyond, a prediction or a clock is broken."""
SHRINK = 0.15
"""A correction speaks for times from this part of the largest predicted one on: what takes nothing tells nothing."""
ABSORB_EVERY, ABSORBED = 16, 0.25
"""After so many samples what part of a pace is taken for the usual one: a device that stays so is so."""
LOAD_WEIGHT = 0.4
LEAST_LOAD = 1e-3
"""Seconds: a queue that changed by less is no news."""
WORTH_A_LOOK = 0.03
MAX_KEYS = 256


@dataclass
class Known:
    """What is particular about one run: its time over the predicted one at pace 1, and how it scatters."""

    factor: float = 1.0
    count: int = 0
    odd: float = 0.0
    """The logarithm of the last sample over what was expected, where that was odd; else 0."""
    scatter: float = 0.0


@dataclass
class Pace:
    """One device (or all behind a peer): seconds of its runs, by prediction, corrected.

    `half` are the seconds after which half of a change of pace is forgotten where nothing new is measured; the first
    `young` samples of a run tell what is particular about it. With none there is nothing particular, and no jump: what
    is odd counts as much as a sample that hardly is (others tell of changes, this only of what they leave over).
    """

    half: float
    floor: float = 0.0
    young: int = YOUNG
    known: dict[Hashable, Known] = field(default_factory=dict)
    base: float = 1.0
    pace: float = 1.0
    at: float = 0.0
    settled: bool = False
    moved: float = 0.0
    """By how much estimates moved since that was last worth a look: a logarithm."""

    def seconds(self, key: Hashable, predicted: float, now: float) -> float:
        """Return what the run `key`, predicted to take so many seconds, takes now."""
        known = self.known.get(key)
        factor = known.factor if known is not None else self.base
        return max(0.0, (predicted + self.floor) * factor * self.now(now) - self.floor)

    def now(self, now: float) -> float:
        """Return the pace: how many times its usual time a run takes."""
        return self.pace ** (0.5 ** ((now - self.at) / self.half)) if self.pace != 1.0 else 1.0

    def scatter(self, key: Hashable) -> float:
        """Return by which part of itself a run's time scatters."""
        known = self.known.get(key)
        return known.scatter if known is not None else 0.0

    def note(self, key: Hashable, predicted: float, taken: float, now: float) -> bool:
        """Note that a run took so many seconds; return whether that changed anything to speak of."""
        known = self.known.get(key) or self._first(key)
        self.pace, self.at = self.now(now), now
        expected = (predicted + self.floor) * known.factor * self.pace
        off = math.log((taken + self.floor + TINY) / (max(expected, self.floor) + TINY))
        by = _counts(known, off) if self.young else WEIGHT * min(max(off, -LOG_STEP), LOG_STEP)
        known.count += 1
        if known.count <= self.young:
            self._learn(known, by)
        else:
            self._change(by, known.count)
        self.moved += by
        if abs(self.moved) <= WORTH_A_LOOK:
            return False
        self.moved = 0.0
        return True

    def _first(self, key: Hashable) -> Known:
        if len(self.known) >= MAX_KEYS:
            self.known.clear()
        known = self.known[key] = Known(self.base)
        return known

    def _learn(self, known: Known, by: float) -> None:
        """Correct what is particular about a run that is new; the first one speaks for all others too."""
        known.factor = _bounded(known.factor * math.exp(by))
        if not self.settled:
            self.base, self.settled = known.factor, known.count >= self.young

    def _change(self, by: float, count: int) -> None:
        """Correct the pace, and with it every run's time; now and then take part of it for the usual one."""
        self.pace = _bounded(self.pace * math.exp(by))
        if count % ABSORB_EVERY:
            return
        part = self.pace**ABSORBED
        self.pace /= part
        self.base = _bounded(self.base * part)
        for one in self.known.values():
            one.factor = _bounded(one.factor * part)


def _counts(known: Known, off: float) -> float:
    """Return how far the estimate moves (a logarithm), and remember an odd sample."""
    far = abs(off)
    known.scatter += WEIGHT * ((far if far < LOG_STEP else LOG_STEP) - known.scatter)
    before, known.odd = known.odd, 0.0
    if far <= LOG_STEP:
        return WEIGHT * off
    if before * off <= 0:
        known.odd = off
        return 0.0
    return math.copysign(min(abs(before), far), off)


def _bounded(factor: float) -> float:
    return min(max(factor, 1 / MOST), MOST)


@dataclass
class Load:
    """Seconds that something waits elsewhere, as replies tell: a moving average.

    Where none come it goes back to what is expected (`rest`), half of the way in `half` seconds.
    """

    half: float
    value: float = 0.0
    at: float = -math.inf

    def now(self, now: float, rest: float = 0.0) -> float:
        """Return the seconds."""
        left: float = 0.5 ** ((now - self.at) / self.half)
        return rest + (self.value - rest) * left

    def note(self, seconds: float, now: float, rest: float = 0.0) -> bool:
        """Note how long one waited; return whether that is news."""
        known = self.now(now, rest)
        self.value, self.at = known + LOAD_WEIGHT * (seconds - known), now
        return abs(self.value - known) > LEAST_LOAD
