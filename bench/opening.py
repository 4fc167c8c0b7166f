"""How long the blocks of an agent's saved epochs take to open, offline, in a process of their own.

    python -m bench.opening STATE_DIRECTORY

prints {"MODEL": {"BLOCK": seconds, ...}, ...}; of a few times the fastest, since the machine has other work.
Law: the agent's own rooms, on an agent's own files; nothing is fetched.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from device_agents.driver.holdings import Holdings
from device_agents.driver.saved import SavedEpochs
from device_agents.engine import Engine, EngineConfig
from device_agents.machine.commands import OpenEpoch
from device_agents.machine.events import EpochKey, SavedEpoch
from device_agents.store import ArtifactStore
from lepton_edge.core.messages import FetchChunk, FetchRequest
from partitioner.units import Bytes

TIMES = 3


async def fetch(request: FetchRequest) -> AsyncIterator[FetchChunk]:
    raise FileNotFoundError(f"{request.sha256} is not in the agent's store")
    yield  # it is a generator all the same


async def opening(directory: Path) -> dict[str, dict[str, float]]:
    engine = Engine(EngineConfig(threads=1, shared_pool=True))
    found: dict[str, dict[str, float]] = {}
    for saved in SavedEpochs(directory / "epochs.json").read():
        rounds = [await _open(engine, directory, saved) for _ in range(TIMES)]
        blocks = [block for block in saved.book.blocks if block.index in saved.hold]
        times = [min(times) for times in zip(*rounds, strict=True)]
        named = {f"block {block.index} {block.name}": time for block, time in zip(blocks, times, strict=True)}
        found[saved.book.model] = named
    engine.close()
    return found


async def _open(engine: Engine, directory: Path, saved: SavedEpoch) -> list[float]:
    holdings = Holdings(engine, ArtifactStore(directory, Bytes(8 << 30)), fetch, lambda *told: None)
    command = OpenEpoch(EpochKey(saved.book.model, saved.epoch), saved.book, saved.hold)
    return [float(time) for time in (await holdings.open(command)).opened]


if __name__ == "__main__":
    json.dump(asyncio.run(opening(Path(sys.argv[1]))), sys.stdout)
