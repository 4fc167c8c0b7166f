"""The timers of all requests, behind one timer of the event loop.

Law: knows works and moments, no request. A request sets two timers and hardly ever needs one of them: so setting
costs a push on a heap, dropping costs nothing, and what was dropped is swept out when it is most of the heap. A process
that stood still itself (it was stopped, or starved) first reads what came meanwhile: then its alarms ring.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from device_agents.machine.events import WorkKey
from partitioner.units import Seconds

SWEEP = 64
"""So many alarms may lie in the heap beside four for every work that has any."""

ASLEEP, CATCH_UP = Seconds(0.05), Seconds(0.05)
"""An alarm that is so late tells of this process, not of others: it waits so long for what has come meanwhile."""

Entry = tuple[float, int, WorkKey, str]  # when, the work's serial number, the work, the timer's name


class Alarms:
    """Calls `ring(work, timer)` when a timer runs out, unless its work was dropped before."""

    def __init__(self, ring: Callable[[WorkKey, str], None]) -> None:
        self._ring = ring
        self._heap: list[Entry] = []
        self._alive: dict[WorkKey, int] = {}  # a work that comes again is another one
        self._serials = itertools.count()
        self._next: asyncio.TimerHandle | None = None
        self._awake_at = 0.0  # since when, where it had been asleep

    def __len__(self) -> int:
        """Return how many alarms lie in the heap, dropped ones too."""
        return len(self._heap)

    def set(self, work: WorkKey, timer: str, delay: Seconds) -> None:
        """Ring after `delay`."""
        loop = asyncio.get_running_loop()
        serial = self._alive.get(work)
        if serial is None:
            serial = self._alive[work] = next(self._serials)
        due = loop.time() + delay
        heapq.heappush(self._heap, (due, serial, work, timer))
        if len(self._heap) > SWEEP + 4 * len(self._alive):
            self._heap = [entry for entry in self._heap if self._alive.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)
        self._wake_by(due)

    def drop(self, work: WorkKey) -> None:
        """Let none of the work's alarms ring."""
        self._alive.pop(work, None)

    def close(self) -> None:
        """Let nothing ring any more."""
        self._heap.clear()
        self._alive.clear()
        if self._next is not None:
            self._next.cancel()

    def _wake_by(self, due: float) -> None:
        if self._next is not None:
            if self._next.when() <= due:
                return
            self._next.cancel()
        self._next = asyncio.get_running_loop().call_at(due, self._wake)

    def _wake(self) -> None:
        now, self._next = asyncio.get_running_loop().time(), None
        if self._was_asleep(now):
            self._wake_by(self._awake_at + CATCH_UP)
            return
        while self._heap and (self._heap[0][0] <= now or not self._lives(self._heap[0])):
            entry = heapq.heappop(self._heap)
            if self._lives(entry):
                self._ring(entry[2], entry[3])
        if self._heap:
            self._wake_by(self._heap[0][0])

    def _was_asleep(self, now: float) -> bool:
        """Whether this process stood still when the first alarm was due; told once, so that nothing waits for ever."""
        due = self._heap[0][0] if self._heap else now
        if now - due <= ASLEEP or self._awake_at >= due:
            return False
        self._awake_at = now
        return True

    def _lives(self, entry: Entry) -> bool:
        return self._alive.get(entry[2]) == entry[1]
