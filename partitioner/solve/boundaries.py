"""What a boundary adds to a label: a combination of codecs forward, and the outputs' way home.

Law: vector arithmetic for one pair of stations; the definition is that of `problem.py`. Nothing is chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partitioner.solve.columns import NONE, Columns
from partitioner.solve.crossings import BYTES, FAR, HOP, LOSS, NEAR, Crossings
from partitioner.solve.labels import Floats
from partitioner.solve.metrics import Metrics
from partitioner.solve.prices import Boundary
from partitioner.solve.problem import HopKey


@dataclass(frozen=True)
class HomeRates:
    """What a byte, and a message, of outputs on their way home costs: sums, near, far and hop seconds."""

    byte_sums: Floats
    message_sums: Floats
    near: tuple[float, float]
    far: tuple[float, float]
    hop: float


@dataclass(frozen=True)
class Passage:
    """How labels pass from one station to the next.

    Attributes:
        crossings: combinations by down-set.
        sums: [combinations, sums] what each adds, the message's delay included.
        home: rates of the way home.
        near_again: whether the near device comes again behind.
    """

    crossings: Crossings
    sums: Floats
    home: HomeRates
    near_again: bool
    columns: Columns

    @property
    def boundary(self) -> Boundary:
        """The pair of devices, and their hops."""
        return self.crossings.boundary

    def apply(
        self, labels: Floats, combination: int, size: Floats, used: Floats
    ) -> tuple[Floats, Floats | None]:
        """Return `labels` ([n, columns], at the end of a segment) as they are at the start of the next.

        With them comes the largest load that the boundary completes, [n], where loads matter.

        Args:
            labels: what they cost so far.
            combination: row of `crossings.costs`.
            size: [n] or [1], bytes of outputs that go home here.
            used: [n] or [1], 1.0 where any output does.
        """
        at, out = self.columns, labels.copy()
        out[:, : at.sums] += (
            self.sums[combination]
            + size[:, None] * self.home.byte_sums
            + used[:, None] * self.home.message_sums
        )
        if at.load == NONE:
            return out, None
        return out, self._loads(out, self.crossings.costs[combination], size, used)

    def _loads(self, out: Floats, costs: Floats, size: Floats, used: Floats) -> Floats:
        at, near, far = self.columns, self.boundary.near.name, self.boundary.far.name
        total = out[:, at.load] + (costs[NEAR] + size * self.home.near[0] + used * self.home.near[1])
        back = np.broadcast_to(size * self.home.hop, total.shape)
        ahead = np.full(total.shape, costs[HOP])
        if not self.boundary.free:
            ahead = self._hop(out, (near, far), ahead)
            back = self._hop(out, (far, near), back)
        worst: Floats = np.maximum(np.maximum(total, ahead), back)
        if at.peak != NONE:
            out[:, at.peak] = np.maximum(out[:, at.peak], worst)
        if near in at.busy:
            out[:, at.busy[near]] = total if self.near_again else 0.0
        load = costs[FAR] + size * self.home.far[0] + used * self.home.far[1]
        out[:, at.load] = load
        if far in at.busy:
            out[:, at.load] += out[:, at.busy[far]]
            out[:, at.busy[far]] = 0.0
        return worst

    def _hop(self, out: Floats, key: HopKey, seconds: Floats) -> Floats:
        column = self.columns.hops.get(key)
        if column is None:
            return seconds
        out[:, column] += seconds
        return np.asarray(out[:, column])


def passage_of(crossings: Crossings, metrics: Metrics, columns: Columns, near_again: bool) -> Passage:
    """Return how labels pass the boundary of `crossings`."""
    boundary = crossings.boundary
    near, far = metrics.second(boundary.near), metrics.second(boundary.far)
    hop, costs = metrics.hop_second(boundary.near, boundary.far), crossings.costs
    sums = np.outer(costs[:, NEAR], near) + np.outer(costs[:, HOP], hop) + np.outer(costs[:, FAR], far)
    sums += np.outer(costs[:, BYTES], metrics.byte()) + np.outer(costs[:, LOSS], metrics.loss())
    sums += metrics.delay(boundary.forward)
    return Passage(crossings, sums, _home(boundary, metrics), near_again, columns)


def _home(boundary: Boundary, metrics: Metrics) -> HomeRates:
    if boundary.free:
        nothing = np.zeros(len(metrics.sums))
        return HomeRates(nothing, nothing, (0.0, 0.0), (0.0, 0.0), 0.0)
    near, far = boundary.near.costs, boundary.far.costs
    near_second, far_second = metrics.second(boundary.near), metrics.second(boundary.far)
    rate = boundary.home.overhead / boundary.home.rate
    hop = metrics.hop_second(boundary.near, boundary.far)
    return HomeRates(
        rate * hop + near.receive_byte * near_second + far.send_byte * far_second + metrics.byte(),
        near.receive_message * near_second + far.send_message * far_second + metrics.delay(boundary.home),
        (near.receive_byte, near.receive_message),
        (far.send_byte, far.send_message),
        rate,
    )
