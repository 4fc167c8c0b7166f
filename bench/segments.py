"""One device's side of `bench.predict`, in a process of its own that can be slowed: a profile, then segments.

    python -m bench.segments JOB.json OUT.json

Law: measures with the agent's own engine, profile and pacing, and knows nothing of predictions. Segments are
timed in batches, each with the whole model three times a round, in passes that mix the batches anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.engine import Engine, EngineConfig, OpenBlock
from device_agents.engine.golden import load_golden
from device_agents.engine.speed import speed_probe
from device_agents.profiling import run_profile
from device_agents.profiling.measure import Item, run_rounds
from device_agents.store import ArtifactStore
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.core.messages import FetchChunk, FetchRequest, ProfileCommand
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import load_compiled
from partitioner.plan import Block
from partitioner.units import Bytes, DeviceId

BATCH = 12
TURNS = 3  # of the whole model, a round
CHUNK = 8 << 20
DISK = Bytes(1 << 34)
NEVER = 1e12  # seconds; a deadline that does not come
PRIORITY = 5  # in real time, below slow.py: what else runs on this machine is no part of the device


@dataclass(frozen=True)
class Cut:
    """A segment as the coordinator cut it: the layers of `outer` that are not in `inner`."""

    inner: tuple[int, ...]
    outer: tuple[int, ...]
    block: Block


@dataclass(frozen=True)
class Job:
    """What to measure; `folder` is a coordinator's, `model` the compiled model's in it."""

    folder: str
    model: str
    command: ProfileCommand
    golden: str
    cuts: tuple[Cut, ...]
    threads: int
    runs: int
    passes: int


def main() -> None:
    job = from_json(Job, json.loads(Path(sys.argv[1]).read_text()))
    _undisturbed()
    found = asyncio.run(_measure(job))
    Path(sys.argv[2]).write_text(json.dumps(found))


def _undisturbed() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        print("[segments] not root: what else runs here is measured too", file=sys.stderr)


async def _measure(job: Job) -> dict[str, Any]:
    engine = Engine(EngineConfig(threads=job.threads))
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder:
        try:
            probe = await speed_probe(engine)
            store = ArtifactStore(Path(folder), DISK)
            begin = time.perf_counter()
            profile = await run_profile(engine, store, _Origin(job).fetch, job.command, device=DeviceId("it"))
            spent = time.perf_counter() - begin
            passes = [await _pass(engine, job, number) for number in range(job.passes)]
        finally:
            engine.close()
    return {"probe": probe, "profile": to_json(profile), "seconds": spent, "passes": passes}


class _Origin:
    """Serves artifacts and weights from the coordinator's folder."""

    def __init__(self, job: Job) -> None:
        self._artifacts = Artifacts(Path(job.folder))
        self._blob = Path(job.model) / "weights.bin"
        weights = load_compiled(Path(job.model)).weights
        self._weights = {ref.sha256: (ref.offset, ref.length) for ref in weights}

    async def fetch(self, request: FetchRequest) -> AsyncIterator[FetchChunk]:
        file = self._artifacts.find(request.sha256)
        start, total = (0, file.stat().st_size) if file else self._weights[request.sha256]
        with (file or self._blob).open("rb") as bytes_:
            bytes_.seek(start + request.offset)
            for offset in range(request.offset, total, CHUNK):
                size = min(CHUNK, total - offset)
                yield FetchChunk(Bytes(offset), Bytes(total), bytes_.read(size))


async def _pass(engine: Engine, job: Job, number: int) -> list[dict[str, Any]]:
    """Return, for each segment, its runs and those of the whole model in the same rounds (seconds)."""
    order = list(range(len(job.cuts)))
    random.Random(number).shuffle(order)
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        found |= await _batch(engine, job, chosen)
        print(f"\r[segments] pass {number + 1}: {len(found)}/{len(order)} ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [found[index] for index in range(len(order))]


async def _batch(engine: Engine, job: Job, chosen: list[int]) -> dict[int, dict[str, Any]]:
    golden = load_golden(Path(job.golden))
    whole = await _open(engine, job, job.command.whole)
    opened = [await _open(engine, job, job.cuts[index].block) for index in chosen]

    def item(one: OpenBlock) -> Item:
        feed = {spec.name: golden[spec.name] for spec in one.block.inputs}
        return Item(lambda: one.runner.run(feed), job.runs)

    wholes, items = [item(whole) for _ in range(TURNS)], [item(one) for one in opened]
    turn = list(items)
    for number, one in enumerate(wholes):
        turn.insert(number * (len(turn) // TURNS), one)
    await run_rounds(engine, turn, time.perf_counter() + NEVER, lambda done, total: None)
    beside = [list(one) for one in zip(*(whole.times for whole in wholes), strict=True)]
    return {index: {"times": one.times, "whole": beside} for index, one in zip(chosen, items, strict=True)}


async def _open(engine: Engine, job: Job, block: Block) -> OpenBlock:
    file = Artifacts(Path(job.folder)).find(block.artifact)
    if file is None:
        raise FileNotFoundError(block.artifact)
    opened = await engine.open([block], {int(block.index): file}, Path(job.model))
    return opened.held[int(block.index)]


if __name__ == "__main__":
    main()
