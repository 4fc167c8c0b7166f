"""A timer that fires every `EVERY` seconds, and before that when somebody needs to look sooner.

Law: knows the event loop and nothing else; its clock is the loop's, which is `time.monotonic`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY = 0.25  # seconds
SOONEST = 0.001  # seconds from now: a moment that has passed is no reason to spin


class Ticking:
    """Calls `tick` from `start` to `stop`; `at` is when the next time."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.at = float("-inf")

    def start(self) -> None:
        """Begin, or begin anew: the next tick is in `EVERY` seconds."""
        self._set(self._loop.time() + EVERY)

    def sooner(self, at: float | None) -> None:
        """Tick at `at`, where that is before the next one; not before `start`, and not after `stop`."""
        if at is not None and at < self.at:
            self.stop()
            self._set(max(at, self._loop.time() + SOONEST))

    def stop(self) -> None:
        """Tick no more."""
        self.at = float("-inf")
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, at: float) -> None:
        self.at, self._timer = at, self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self.start()
        self._tick()
