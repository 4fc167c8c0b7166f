"""Seconds of one device's monotonic clock, and the pacer that plays a slower device.

Law: knows the clock and nothing else of the engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lepton_edge.core.quick import quick

T = TypeVar("T")

NAP = 0.02  # seconds; a sleeping step looks this often whether it was cancelled


@quick
@dataclass(frozen=True)
class Timings:
    """Where the seconds of one piece of work went; the fields are those of `Hop`.

    `batch` requests were computed together, and `compute` is the time of all of them: each had to wait for it.
    """

    queue: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    encode: float = 0.0
    batch: int = 1

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.queue + self.decode + self.compute + self.encode


class Lateness(threading.local):
    """By how many seconds this thread's last nap was too long: its next one is so much shorter.

    Every sleep ends a little late; without this a played device would be slower under load than it says.
    """

    seconds = 0.0


class Pacer:
    """Times the steps of one piece of work as a device would that is `slowdown` times slower.

    A step that used c seconds of processor time is told as (slowdown - 1) x c longer than it took. Processor
    time, not elapsed time: what other processes of this machine take away is not multiplied. What the steps
    owe is slept once, by `settle`: a sleep between two steps would cool the caches, and multiply that too.
    """

    def __init__(self, slowdown: float = 1.0, lateness: Lateness | None = None) -> None:
        self.slowdown = slowdown
        self._lateness = lateness or Lateness()
        self._owed = 0.0

    def time(self, step: Callable[[], T]) -> tuple[T, float]:
        """Return what `step()` returns and the seconds it would have taken."""
        if self.slowdown <= 1.0:
            begin = time.perf_counter()
            result = step()
            return result, time.perf_counter() - begin
        begin, used = time.perf_counter(), time.thread_time()
        result = step()
        elapsed, used = time.perf_counter() - begin, time.thread_time() - used
        # A coarse clock may show no processor time at all for a short step.
        owed = (self.slowdown - 1) * (min(used, elapsed) or elapsed)
        self._owed += owed
        return result, elapsed + owed

    def settle(self, check: Callable[[], None] = lambda: None) -> None:
        """Sleep what is owed; `check` may raise to end the sleep early."""
        if not self._owed:
            return
        late = self._lateness.seconds
        end, self._owed = time.perf_counter() + self._owed - late, 0.0
        _sleep_until(end, check)
        self._lateness.seconds = min(time.perf_counter() - end, NAP)


def _sleep_until(end: float, check: Callable[[], None]) -> None:
    while (left := end - time.perf_counter()) > 0:
        time.sleep(min(left, NAP))
        check()
