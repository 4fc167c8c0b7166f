"""How requests fare on an epoch at its entry: how many were answered and failed, and what the last ones took.

Law: a noun and its arithmetic; seconds are this device's own.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from dataclasses import dataclass, field

from device_agents.machine.events import EpochKey
from lepton_edge.core.messages import EpochReport
from partitioner.units import Seconds

LAST = 50  # answers whose seconds are remembered
LEAST = 1e-6  # seconds that a request takes at least
SLOW = 0.9  # of these, the part that was quicker than what is told as slow


@dataclass
class Fare:
    """Of requests that an entry ran on an epoch of its own choice."""

    answered: int = 0
    failed: int = 0
    logs: float = 0.0
    squares: float = 0.0
    last: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))

    def note(self, seconds: float) -> None:
        """Note that one was answered after so long."""
        self.answered += 1
        log = math.log(max(seconds, LEAST))
        self.logs, self.squares = self.logs + log, self.squares + log * log
        self.last.append(seconds)

    def report(self, key: EpochKey) -> EpochReport:
        """Return what the coordinator is told."""
        taken = sorted(self.last)
        mean = sum(taken) / len(taken) if taken else 0.0
        slow = taken[int(SLOW * (len(taken) - 1))] if taken else 0.0
        told = EpochReport(key.model, key.epoch, self.answered, self.failed, Seconds(mean), Seconds(slow))
        return dataclasses.replace(told, logs=self.logs, squares=self.squares)
