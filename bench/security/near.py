"""The near end: lanes to one far end, with TLS or in the open, in a process of its own that can be on a slow board.

    python -m bench.security.near     (credentials and lanes as a line of JSON on stdin, then jobs, a line each)

Law: times what it is told to do, on the clock and in its own processor time (seconds); judges nothing. Memory is
tuned as an agent tunes it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from bench.security.far import answer
from lepton_edge.client.logs import be_quiet
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.core.identity import credentials_of
from lepton_edge.core.links import LinkHello
from lepton_edge.link.link import Link, dial
from lepton_edge.wire import tensors
from lepton_edge.wire.memory import tune_malloc
from lepton_edge.wire.tls import Trust
from partitioner.units import ModelName, RequestId, TensorName

WARM = 1
"""Trips before those that count: what comes from a pause is another figure."""
Job = dict[str, Any]
Once = Callable[[Job, Frame], Awaitable[Link | None]]
_numbers = itertools.count()


def frame(packed: WireTensor) -> Frame:
    """Return a request with that tensor."""
    return Frame(FrameKind.REQUEST, RequestId(f"{next(_numbers):032x}"), ModelName("echo"), tensors=(packed,))


def payload(size: int) -> WireTensor:
    """Return a tensor of `size` bytes."""
    return tensors.pack(TensorName("x"), np.arange(size, dtype=np.uint8))


async def dialled(address: str, trust: Trust | None) -> Link:
    """Open a link."""
    return await dial(address, LinkHello("client", "bench"), answer, trust=trust)


class NearEnd:
    """Lanes by name: an address, and whether it is believed by TLS."""

    def __init__(self, pem: str, lanes: dict[str, tuple[str, bool]]) -> None:
        trust = Trust(credentials_of(pem.encode()))
        self._lanes = {name: (address, trust if tls else None) for name, (address, tls) in lanes.items()}
        self._links: dict[str, Link] = {}

    async def dial(self) -> None:
        """Open a link for each lane."""
        for name, (address, trust) in self._lanes.items():
            self._links[name] = await dialled(address, trust)

    async def do(self, job: Job) -> Job:
        """Do a job as often as it says; return the seconds of each and the processor's of all."""
        once = self._opening if job["do"] == "open" else self._trip
        packed = payload(job.get("size", 0))
        for _ in range(job.get("warm", WARM)):
            await self._once(once, job, packed)
        begun = time.process_time()
        took = [await self._once(once, job, packed) for _ in range(job["count"])]
        return {"took": took, "busy": (time.process_time() - begun) / job["count"]}

    async def _once(self, once: Once, job: Job, packed: WireTensor) -> float:
        given = frame(packed)
        begun = time.perf_counter()
        opened = await once(job, given)
        took = time.perf_counter() - begun
        if opened is not None:
            await opened.close()
        return took

    async def _trip(self, job: Job, given: Frame) -> None:
        reply = await self._links[job["lane"]].request(given)
        assert reply.kind is FrameKind.REPLY

    async def _opening(self, job: Job, _given: Frame) -> Link:
        return await dialled(*self._lanes[job["lane"]])


async def _live(setting: Job) -> None:
    be_quiet()
    end = NearEnd(setting["pem"], setting["lanes"])
    await end.dial()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await end.do(json.loads(line))), flush=True)


if __name__ == "__main__":
    tune_malloc()
    asyncio.run(_live(json.loads(sys.stdin.readline())))
