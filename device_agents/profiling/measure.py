"""What is measured, and the rounds in which it is: every item once a round, with a pause before each.

Law: knows how to time things fairly, not what a model is. Interleaving spreads a machine's moods (a
frequency that changes for minutes) over all items alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from device_agents.engine import Engine
from device_agents.engine.timing import Pacer
from partitioner.costs import Measurement
from partitioner.units import Seconds

PAUSE = Seconds(0.01)
"""Seconds before each run: long enough for caches to cool and cores to idle, as between requests."""

LONGEST_PAUSE = Seconds(0.04)
"""Seconds at most that stand for the sleep of a device that is only simulated to be slow."""

LEAST_RUNS = 3


@dataclass
class Item:
    """Something to time: `step` runs in the engine's thread; `most` runs at most."""

    step: Callable[[], object]
    most: int
    times: list[float] = field(default_factory=list)

    def measurement(self) -> Measurement:
        """Return median and half of the interquartile range; zero runs when there was no time."""
        if not self.times:
            return Measurement(Seconds(0.0), Seconds(0.0), 0)
        low, median, high = (float(one) for one in np.percentile(self.times, (25, 50, 75)))
        if len(self.times) < LEAST_RUNS:
            return Measurement(Seconds(median), Seconds(max(self.times) - min(self.times)), len(self.times))
        return Measurement(Seconds(median), Seconds((high - low) / 2), len(self.times))


async def run_rounds(
    engine: Engine, items: Sequence[Item], deadline: float, told: Callable[[int, int], None]
) -> None:
    """Time every item once a round until each has enough runs, or `deadline` (perf_counter) is past.

    A first round warms up and is not counted. Every item is timed at least once, deadline or not. `told` is
    called with rounds done and rounds in all.
    """
    rounds = max((item.most for item in items), default=0)
    for item in items:
        await _time(engine, item)
    for done in range(rounds):
        for item in items:
            if item.times and (len(item.times) >= item.most or time.perf_counter() > deadline):
                continue
            slept = item.times[-1] if item.times and engine.slowdown > 1.0 else 0.0
            await asyncio.sleep(min(max(PAUSE, slept), LONGEST_PAUSE))
            item.times.append(await _time(engine, item))
        told(done + 1, rounds)
        if time.perf_counter() > deadline:
            return


async def _time(engine: Engine, item: Item) -> float:
    """Return the seconds of one run, a simulated slowdown reckoned, not slept."""
    return await engine.call(lambda _: Pacer(engine.slowdown).time(item.step)[1])


async def thread_hop(engine: Engine, repeats: int = 20) -> Seconds:
    """Return the seconds that a request costs beside its computation: into the engine's thread and back."""
    times = []
    for _ in range(repeats):
        await asyncio.sleep(PAUSE / 10)
        begin = time.perf_counter()
        await engine.call(lambda _: None)
        times.append(time.perf_counter() - begin)
    return Seconds(float(np.median(times)))
