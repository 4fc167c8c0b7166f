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

    After a step that used c seconds of processor time it sleeps (slowdown - 1) x c, in the same thread; the
    sleep counts as the step's time. Processor time, not elapsed time: what other processes of this machine
    take away is not multiplied. With `reckoned` the sleep is only added to what is told, not slept.
    """

    slowdown: float = 1.0
    reckoned: bool = False

    def time(self, step: Callable[[], T], check: Callable[[], None] = lambda: None) -> tuple[T, float]:
        """Return what `step()` returns and the seconds it took; `check` may raise to end the sleep early."""
        begin, used = time.perf_counter(), time.thread_time()
        result = step()
        elapsed, used = time.perf_counter() - begin, time.thread_time() - used
        if self.slowdown <= 1.0:
            return result, elapsed
        # A coarse clock may show no processor time at all for a short step.
        stretched = elapsed + (self.slowdown - 1) * (min(used, elapsed) or elapsed)
        if self.reckoned:
            return result, stretched
        _sleep_until(begin + stretched, check)
        return result, time.perf_counter() - begin


def _sleep_until(end: float, check: Callable[[], None]) -> None:
    while (left := end - time.perf_counter()) > 0:
        time.sleep(min(left, NAP))
        check()
