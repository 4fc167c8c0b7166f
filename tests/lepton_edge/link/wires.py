"""A simulated link, without sockets: a rate, a round trip, jitter, and somebody who sends on it as the machine does."""

from __future__ import annotations

import heapq
import random

from lepton_edge.link.pacing import Pacing

LARGEST = 512 << 10


class Wire:
    """A link with a rate and a round trip, and somebody who sends on it. Times are seconds, sizes bytes."""

    def __init__(self, rate: float, trip: float) -> None:
        self.rate, self.trip = rate, trip
        self.now = self.free_at = 0.0
        self.received: list[tuple[float, int]] = []  # when each acknowledgement is back, and its count
        self.pacing = Pacing(LARGEST)
        self.pacing.begin()
        self.most = 0

    def send(self, size: int) -> None:
        """Send one frame as the machine does: chunk by chunk, as far as the window lets it."""
        while size:
            while not self.pacing.may_send():
                self.pacing.paused()
                self.hear_next()
            piece = self.pacing.piece(size, self.now)
            asks = self.pacing.wants_answer(piece, self.now, piece == size)
            self.pacing.handed(piece, self.now, asks)
            self.free_at = max(self.free_at, self.now + self.trip / 2) + piece / self.rate
            if asks:
                heapq.heappush(self.received, (self.back_at(self.free_at), self.pacing.sent))
            size -= piece
            self.most = max(self.most, self.pacing.under_way)
        self.pacing.paused()

    def back_at(self, arrived: float) -> float:
        return arrived + self.trip / 2

    def hear_next(self) -> None:
        at, count = heapq.heappop(self.received)
        self.now = max(self.now, at)
        assert self.pacing.acknowledged(count, self.now)

    def finish(self, rest: float = 0.0) -> None:
        """Wait until all that was asked is answered, the last byte has arrived, and `rest` longer."""
        while self.received:
            self.hear_next()
        self.now = max(self.now, self.free_at + self.trip / 2) + rest


def ask_and_answer(wire: Wire, size: int, times: int, rest: float = 0.0) -> None:
    """Request after request, each of which is answered when all of it came: the answer proves that it did."""
    for _ in range(times):
        begun = wire.now
        wire.send(size)
        wire.finish()
        wire.pacing.arrived(wire.pacing.sent)
        wire.pacing.answered(wire.now - begun)
        wire.now += rest


class NoisyWire(Wire):
    """A link whose answers are late by chance: by up to twice `part` of what the last request was to take."""

    def __init__(self, rate: float, trip: float, part: float, seed: int) -> None:
        super().__init__(rate, trip)
        self.part, self.chance, self.answered_at = part, random.Random(seed), 0.0

    def back_at(self, arrived: float) -> float:
        late = self.part * self.chance.uniform(0, 2) * max(arrived - self.now, self.trip)
        self.answered_at = max(self.answered_at, arrived + self.trip / 2 + late)  # never one before the other
        return self.answered_at
