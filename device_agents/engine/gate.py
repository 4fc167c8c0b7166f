"""How many computations run at once: as many as fit into the memory that is left, or one that must be alone.

Law: knows bytes and threads, no job. Nobody waits for ever: a computation that fits nowhere runs when nothing else
does, and one that must be alone is not overtaken by those that came after it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from partitioner.units import Bytes

NOTHING = Bytes(0)


class Gate:
    """Lets computations in. `budget` is what they may take together, 0 for no bound."""

    def __init__(self, budget: Bytes = NOTHING) -> None:
        self._budget = budget
        self._used = 0
        self._running = 0
        self._alone_wanted = 0
        self._peak = 0
        self._change = threading.Condition()

    @property
    def peak(self) -> Bytes:
        """Return the most bytes that computations have taken together so far."""
        return Bytes(self._peak)

    def allow(self, budget: Bytes) -> None:
        """Set what computations may take together from now on, 0 for no bound."""
        with self._change:
            self._budget = budget
            self._change.notify_all()

    def fitting(self, memory: Bytes) -> int:
        """Return how many computations of `memory` bytes fit into the budget when nothing else runs; 1 at least."""
        if not self._budget or not memory:
            return 1 << 20
        return max(1, self._budget // memory)

    @contextlib.contextmanager
    def passed(self, memory: Bytes = NOTHING, alone: bool = False) -> Iterator[None]:
        """Wait until a computation of `memory` bytes may run, and be counted while it does."""
        with self._change:
            self._alone_wanted += alone
            self._change.wait_for(lambda: self._admits(memory, alone))
            self._running += 1
            self._used += memory
            self._peak = max(self._peak, self._used)
        try:
            yield
        finally:
            with self._change:
                self._running -= 1
                self._used -= memory
                self._alone_wanted -= alone
                self._change.notify_all()

    def _admits(self, memory: Bytes, alone: bool) -> bool:
        if not self._running:
            return alone or not self._alone_wanted
        if alone or self._alone_wanted:
            return False
        return not self._budget or self._used + memory <= self._budget
