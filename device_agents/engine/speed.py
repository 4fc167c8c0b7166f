"""How fast this device computes, in seconds of one small fixed graph: convolutions and matrix products.

Law: the same graph for every device and every version, so that two devices' seconds compare; it knows no
model and no profile. A profile of one device, times the ratio of two probes, is an estimate for the other.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np

from device_agents.engine.engine import Engine
from device_agents.engine.sessions import open_session
from device_agents.engine.timing import Pacer
from partitioner.units import Seconds

GRAPH = Path(__file__).with_name("graphs") / "speed.onnx"  # made by partitioner.onnx_io.speed_graph
RUNS = 15
BUDGET = Seconds(1.0)  # after so long no further run begins: an emulated processor takes ten seconds for one
PAUSE = Seconds(0.005)  # as between requests: caches cool, cores idle


async def speed_probe(engine: Engine) -> Seconds:
    """Return the median seconds of one run of the probe's graph in `engine`'s thread; takes about 0.2 s.

    A device so slow that BUDGET is over after its first, cold run is told by that one. A simulated slowdown is
    reckoned, not slept. Raises PrepareFailed when the graph cannot be opened.
    """
    session = await asyncio.to_thread(open_session, GRAPH.read_bytes(), engine.runtime)
    feed = {one.name: np.full(one.shape, 0.5, np.float32) for one in session.get_inputs()}

    def once() -> float:
        return Pacer(engine.slowdown).time(lambda: session.run(None, feed))[1]

    times: list[float] = []
    end = time.perf_counter() + BUDGET
    while len(times) <= RUNS and (not times or time.perf_counter() < end):
        await asyncio.sleep(PAUSE)
        times.append(await engine.call(lambda _: once()))
    return Seconds(float(np.median(times[1:] or times)))  # the first is cold
