"""Small requests on a link, alone and while large tensors pass on the same one.

Law: drives one open link and counts; the link's chunks are seen from outside, on a stream that counts them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import numpy as np

from bench.echoes import Bytes, LinkWay

SMALL = 1_000
PAUSE = 0.0
"""Seconds between small requests: none, the next one goes when the last was answered."""


@dataclass(frozen=True)
class Spread:
    """How long requests took, in seconds."""

    count: int
    median: float
    p99: float


@dataclass(frozen=True)
class Beside:
    """Small requests alone and beside large ones; `rate` in bytes per second is the large ones'.

    `chunk_bytes` is the median chunk of large frames, `chunk` its seconds at that rate.
    """

    alone: Spread
    beside: Spread
    rate: float
    chunk_bytes: int

    @property
    def chunk(self) -> float:
        """Return the seconds that one chunk of a large frame takes."""
        return self.chunk_bytes / self.rate


async def beside(way: LinkWay, large: Bytes, seconds: float) -> Beside:
    """Ask small requests alone for a part of `seconds`, then beside large ones for all of them."""
    payload = np.zeros(SMALL, np.uint8)
    await _asked(way, payload, 0.3)
    alone = await _asked(way, payload, seconds / 4)
    sent = _Sent(way, large)
    passing = asyncio.ensure_future(sent.on())
    begun = time.perf_counter()
    among = await _asked(way, payload, seconds)
    while not sent.frames:  # a slow link, and a short bench
        await asyncio.sleep(0.1)
    rate = sent.frames * large.size / (sent.last - begun)
    passing.cancel()
    await asyncio.wait([passing])
    return Beside(spread(alone), spread(among), rate, way.chunk_bytes())


class _Sent:
    """Large payloads, one after the other."""

    def __init__(self, way: LinkWay, payload: Bytes) -> None:
        self.way, self.payload = way, payload
        self.frames, self.last = 0, 0.0

    async def on(self) -> None:
        """Send until cancelled."""
        while True:
            await self.way.take(self.payload)
            self.frames, self.last = self.frames + 1, time.perf_counter()


async def _asked(way: LinkWay, payload: Bytes, seconds: float) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        await way.echo(payload)
        took.append(time.perf_counter() - begun)
    return took


def spread(seconds: list[float]) -> Spread:
    """Return count, median and 99th percentile."""
    ordered = sorted(seconds)
    return Spread(len(ordered), statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))])
