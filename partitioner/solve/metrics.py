"""Which costs a search must carry, and what a second, a byte and a delay add to each of them.

Law: pure arithmetic over the nouns of `problem.py`; no layout, no search. A *sum* is a column of a label that only
grows by adding: the additive part of the objective ("value"), and each metric that a limit is set on. A metric
that the objective alone consists of needs no column of its own: its limit is one on the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partitioner.solve.labels import Floats
from partitioner.solve.problem import Device, Hop, Problem

ROUNDING = 1e-9  # relative; a limit is kept when it is exceeded by no more than this
VALUE, LATENCY, ENERGY, EGRESS, LOSS = "value", "latency", "energy", "egress", "loss"


@dataclass(frozen=True)
class Metrics:
    """The sums that matter, with the most that each may reach, and whether loads matter.

    Attributes:
        sums: names of the sum columns.
        prices: [sums, 4], what a unit of latency, energy, egress, loss adds to each.
        caps: [sums], limits, rounding allowed for.
        weight: of the bottleneck in the objective.
        cap: limit on the bottleneck, rounding allowed for.
    """

    sums: tuple[str, ...]
    prices: Floats
    caps: Floats
    weight: float
    cap: float

    @property
    def loads(self) -> bool:
        """Return whether busy seconds of devices and hops matter."""
        return self.weight > 0 or self.cap < math.inf

    def second(self, device: Device) -> Floats:
        """Return what a busy second of `device` adds to each sum."""
        return self._of(1.0, device.watts)

    def hop_second(self, one: Device, other: Device) -> Floats:
        """Return what a busy second of a hop between two devices adds to each sum: both radios are on."""
        return self._of(1.0, one.radio_watts + other.radio_watts)

    def delay(self, hop: Hop) -> Floats:
        """Return what a message's delay adds to each sum."""
        return self._of(hop.delay, 0.0)

    def byte(self) -> Floats:
        """Return what a wire byte adds to each sum, seconds apart."""
        return np.asarray(self.prices[:, 2])

    def loss(self) -> Floats:
        """Return what a codec's loss adds to each sum."""
        return np.asarray(self.prices[:, 3])

    def _of(self, latency: float, energy: float) -> Floats:
        return np.asarray(self.prices[:, 0] * latency + self.prices[:, 1] * energy)


def metrics_of(problem: Problem) -> Metrics:
    """Return the columns that `problem` needs."""
    objective, limits = problem.objective, problem.limits
    weights = {LATENCY: objective.latency, ENERGY: objective.energy, EGRESS: objective.egress, LOSS: 0.0}
    caps = {LATENCY: limits.latency, ENERGY: limits.energy, EGRESS: limits.egress, LOSS: limits.loss}
    wanted = [name for name, weight in weights.items() if weight > 0]
    rows: list[tuple[str, list[float], float]] = []
    if wanted or objective.bottleneck == 0:
        alone = caps.pop(wanted[0]) * weights[wanted[0]] if len(wanted) == 1 else math.inf
        rows.append((VALUE, list(weights.values()), alone))
    for name, cap in caps.items():
        if cap < math.inf:
            rows.append((name, [float(one == name) for one in weights], cap))
    return Metrics(
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], dtype=np.float64).reshape(len(rows), len(weights)),
        np.array([row[2] for row in rows], dtype=np.float64) * (1 + ROUNDING),
        objective.bottleneck,
        limits.bottleneck * (1 + ROUNDING),
    )
