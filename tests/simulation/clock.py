"""Virtual time: what happens next, in order, in no time at all.

Law: one heap; what is due at the same moment happens in the order in which it was asked for.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[], None]


class Clock:
    """Seconds that pass when somebody runs them."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Act]] = []
        self._order = itertools.count()
        self.after_each: Act = lambda: None

    def after(self, seconds: float, act: Act) -> None:
        """Let `act` happen `seconds` from now."""
        heapq.heappush(self._heap, (self.now + max(0.0, seconds), next(self._order), act))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, act = heapq.heappop(self._heap)
            act()
            self.after_each()
        self.now = end
