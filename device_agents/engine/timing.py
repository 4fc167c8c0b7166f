"""Seconds of one device's monotonic clock, and the pacer that plays a slower device.

Law: knows the clock and nothing else of the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

NAP = 0.02  # seconds; a sleeping step looks this often whether it was cancelled


@dataclass(frozen=True)
class Timings:
    """Where the seconds of one piece of work went; the fields are those of `Hop`."""

    queue: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    encode: float = 0.0

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.queue + self.decode + self.compute + self.encode


@dataclass(frozen=True)
class Pacer:
    """Runs steps, and times them, as a device would that is `slowdown` times slower.

    After a step of d seconds it sleeps (slowdown - 1) x d, in the same thread; the sleep counts as the step's
    time.
    """

    slowdown: float = 1.0

    def time(self, step: Callable[[], T], check: Callable[[], None] = lambda: None) -> tuple[T, float]:
        """Return what `step()` returns and the seconds it took; `check` may raise to end the sleep early."""
        begin = time.perf_counter()
        result = step()
        elapsed = time.perf_counter() - begin
        if self.slowdown > 1.0:
            _sleep_until(begin + elapsed * self.slowdown, check)
            elapsed = time.perf_counter() - begin
        return result, elapsed


def _sleep_until(end: float, check: Callable[[], None]) -> None:
    while (left := end - time.perf_counter()) > 0:
        time.sleep(min(left, NAP))
        check()
