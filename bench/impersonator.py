"""Many agents in one process that only talk: the real control protocol on connections of their own, no compute.

    python -m bench.impersonator <job.json

A job is a JSON object: "address" of the coordinator, "names", "hello" (the noun of a real agent), "profiles" (nouns
by model and version, "MODEL VERSION"). Prints "welcome N" when all are registered, and for each line of its standard
input one JSON object of what it saw since the last one. Each agent does at once what it is told: it holds what it is
asked to prepare, and answers measurements with the profile that it was given. Law: speaks by `wire.rpc`, decides
nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from lepton_edge.core.messages import (
    Activate,
    AgentSays,
    CoordinatorSays,
    Drain,
    EpochStatus,
    GaugeCommand,
    Gauged,
    Hello,
    LinkReport,
    Outcome,
    Prepare,
    ProbeCommand,
    Probed,
    ProfileCommand,
    Profiled,
    Rejected,
    Retire,
    Telemetry,
    Welcome,
)
from lepton_edge.wire import rpc
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import LeptonError
from partitioner.nouns_json import from_json
from partitioner.units import Bytes, BytesPerSecond, DeviceId, Epoch, ModelName, ModelVersion, Seconds

LINK = LinkProfile(BytesPerSecond(2.3e6), BytesPerSecond(2.3e6), Seconds(0.002), Seconds(0.002))
AT_ONCE = 50  # agents that dial at the same moment
PAUSE = (0.5, 2.0)  # seconds before one that was turned away comes again


class Impersonator:
    """One agent that only talks; `welcomes` are the seconds from each hello to its welcome."""

    def __init__(self, job: dict[str, Any], name: str) -> None:
        hello: Hello = from_json(Hello, job["hello"])
        self.hello = dataclasses.replace(hello, device=DeviceId(name), incarnation=name, epochs=())
        self.address: str = job["address"]
        self._profiles = job["profiles"]
        self._words: asyncio.Queue[AgentSays] = asyncio.Queue()
        self._held: dict[tuple[ModelName, Epoch], ModelVersion] = {}
        self.registered = asyncio.Event()
        self.welcomes: list[float] = []
        self.beats = self.lost = self.prepared = 0

    async def stay(self, gate: asyncio.Semaphore) -> None:
        """Be attached for ever; when turned away or lost, come again."""
        while True:
            with contextlib.suppress(LeptonError):
                await self._attach(gate)
            self.lost += self.registered.is_set()  # hung up on counts too, which is no error
            await asyncio.sleep(random.uniform(*PAUSE))

    async def _attach(self, gate: asyncio.Semaphore) -> None:
        channel = rpc.open_channel(self.address, rpc.LONGEST_COMMAND)
        self._words = asyncio.Queue()
        beat: asyncio.Task[None] | None = None
        await gate.acquire()
        began, waiting = time.monotonic(), True
        try:
            async for said in rpc.ControlStub(channel, self.address).attach(self._said()):
                if isinstance(said, Welcome):
                    if waiting:
                        self.welcomes.append(time.monotonic() - began)
                        gate.release()
                        waiting = False
                    self.registered.set()
                    if beat is not None:
                        beat.cancel()
                    beat = asyncio.create_task(self._beat(said.heartbeat))
                elif isinstance(said, Rejected):
                    raise rpc.raised(said.error)
                else:
                    self._obey(said)
        finally:
            if waiting:
                gate.release()
            if beat is not None:
                beat.cancel()
            await channel.close()

    async def _said(self) -> AsyncIterator[AgentSays]:
        yield self.hello
        while True:
            yield await self._words.get()

    async def _beat(self, every: Seconds) -> None:
        await asyncio.sleep(random.uniform(0, every))
        while True:
            self._words.put_nowait(self._telemetry())
            self.beats += 1
            await asyncio.sleep(every)

    def _telemetry(self) -> Telemetry:
        links = (LinkReport(DeviceId("cloud"), True, DeviceId(""), 2.3e6, 2.3e6, Seconds(0.004), 10),)
        return Telemetry(0.1, Bytes(1 << 30), Bytes(90 << 20), 45.0, 0, 100, 0, Seconds(5.0), links=links)

    def _obey(self, said: CoordinatorSays) -> None:
        if isinstance(said, Prepare):
            self._held[said.book.model, said.epoch] = said.book.version
            self.prepared += 1
            self._tell(said.book.model, said.epoch, "ready")
            self._words.put_nowait(Outcome(said.command))
        elif isinstance(said, (Activate, Drain, Retire)):
            state = {Activate: "active", Drain: "draining", Retire: "retired"}[type(said)]
            self._tell(said.model, said.epoch, state)
            self._words.put_nowait(Outcome(said.command))
        elif isinstance(said, ProfileCommand):
            profile: DeviceProfile = from_json(DeviceProfile, self._profiles[f"{said.model} {said.version}"])
            own = dataclasses.replace(profile, device=self.hello.device)
            self._words.put_nowait(Profiled(said.command, said.model, said.version, own, Seconds(0.02)))
        elif isinstance(said, ProbeCommand):
            self._words.put_nowait(Probed(said.command, said.peer.device, LINK))
        elif isinstance(said, GaugeCommand):
            self._words.put_nowait(Gauged(said.command, Seconds(0.02)))

    def _tell(self, model: ModelName, epoch: Epoch, state: str) -> None:
        version = self._held.get((model, epoch), ModelVersion(""))
        self._words.put_nowait(EpochStatus(model, version, epoch, state))


def main() -> int:
    asyncio.run(_crowd(json.loads(sys.stdin.readline())))
    return 0


async def _crowd(job: dict[str, Any]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    crowd = [Impersonator(job, name) for name in job["names"]]
    tasks = [asyncio.create_task(one.stay(gate)) for one in crowd]
    for one in crowd:
        await one.registered.wait()
    print(f"welcome {len(crowd)}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(_figures(crowd)), flush=True)
    for task in tasks:
        task.cancel()


def _figures(crowd: list[Impersonator]) -> dict[str, float]:
    """Return what happened since the last time: counts, and the median way from hello to welcome."""
    welcomes = [seconds for one in crowd for seconds in one.welcomes]
    told = {
        "beats": float(sum(one.beats for one in crowd)),
        "lost": float(sum(one.lost for one in crowd)),
        "prepared": float(sum(one.prepared for one in crowd)),
        "welcome": statistics.median(welcomes) if welcomes else 0.0,
    }
    for one in crowd:
        one.welcomes, one.beats, one.lost, one.prepared = [], 0, 0, 0
    return told


if __name__ == "__main__":
    sys.exit(main())
