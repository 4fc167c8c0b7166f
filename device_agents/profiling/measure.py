"""What is measured, and the rounds in which it is: every item once a round, with a pause before each.

Law: knows how to time things fairly, not what a model is. Interleaving spreads a machine's moods (a
frequency that changes for minutes) over all items alike; what slows all items of a round alike is then taken
out of each, by median polish (Tukey, "Exploratory Data Analysis", 1977).
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
LEAST_ITEMS = 5  # with fewer, a round's mood is no more than one item's noise
POLISHES = 4
FINEST = 1e-9  # seconds; a coarse clock may show none


@dataclass
class Item:
    """Something to time: `step` runs in the engine's thread; `most` runs at most.

    `times` are as they were, `steady` with the moods of their rounds taken out.
    """

    step: Callable[[], object]
    most: int
    times: list[float] = field(default_factory=list)
    steady: list[float] = field(default_factory=list)

    def measurement(self) -> Measurement:
        """Return median and half of the interquartile range; zero runs when there was no time."""
        return summary(self.steady or self.times)


def summary(times: Sequence[float]) -> Measurement:
    """Return median and half of the interquartile range of `times`; of one or two, their whole range."""
    if not times:
        return Measurement(Seconds(0.0), Seconds(0.0), 0)
    low, median, high = (float(one) for one in np.percentile(times, (25, 50, 75)))
    spread = (high - low) / 2 if len(times) >= LEAST_RUNS else max(times) - min(times)
    return Measurement(Seconds(median), Seconds(spread), len(times))


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
            break
    take_moods_out(items)


def take_moods_out(items: Sequence[Item]) -> None:
    """Fill `steady` of each item: its times over the mood of their rounds, which is 1 for a usual round."""
    rounds = max((len(item.times) for item in items), default=0)
    if len(items) < LEAST_ITEMS or rounds < LEAST_RUNS:
        return
    logs = np.full((len(items), rounds), np.nan)
    for row, item in zip(logs, items, strict=True):
        row[: len(item.times)] = np.log(np.maximum(item.times, FINEST))
    usual, moods = np.nanmedian(logs, axis=1), np.zeros(rounds)
    for _ in range(POLISHES):
        moods = np.nanmedian(logs - usual[:, None], axis=0)
        moods -= np.median(moods)
        usual = np.nanmedian(logs - moods, axis=1)
    for item in items:
        item.steady = [float(one) for one in item.times / np.exp(moods[: len(item.times)])]


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
