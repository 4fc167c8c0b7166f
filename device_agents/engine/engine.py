"""The engine: opens blocks, runs a stage of a request, checks a device against the golden sample.

Law: the asyncio face of this room. What computes runs in the workers' threads, what opens sessions in another
one, so that preparing an epoch does not hold up requests. Knows no epoch, no link and no coordinator.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import onnxruntime
import psutil
import structlog

from device_agents.engine.batching import prove_rows, time_rows
from device_agents.engine.blocks import OpenBlock, OpenBlocks
from device_agents.engine.codecs import TensorCodec
from device_agents.engine.driver import Company, Terms, Ticket, Told, Workers
from device_agents.engine.golden import check_block, load_golden
from device_agents.engine.pictures import DECODE_PICTURE, PictureDecoder
from device_agents.engine.runtime import cores, start_runtime
from device_agents.engine.sessions import Runner, open_block
from device_agents.engine.shrinking import shrink_arena
from device_agents.engine.stage import Stages, kind_of
from device_agents.engine.work import Done, Work
from lepton_edge.core.custom_ops import NONE, CustomOps
from lepton_edge.core.errors import PrepareFailed
from lepton_edge.core.results import Array
from lepton_edge.wire.memory import trim_malloc
from partitioner.errors import ModelTooLarge
from partitioner.plan import Block
from partitioner.units import Bytes, Seconds, TensorName

T = TypeVar("T")

log = structlog.get_logger("agent")

HEADROOM = 1.2  # activations and the engine's own structures, over the bytes of the weights
INNER = 2  # what a block holds inside, over what it reads and makes, where its first run showed no more
LEAST_GAIN = (
    0.1  # what a batch must save for requests to be made to wait for each other, unless the model asks for it
)
TRIAL_BUDGET = Seconds(0.2)  # for finding that out, a block
BESIDE_BUDGET = Seconds(0.05)  # the same, where requests go on meanwhile
LARGEST_BATCH = 64  # whatever a manifest says: nobody shall wait for so many

LEAST_PRIORITY = 10  # of 19: on a busy device, one that gives way always would never be done

ALONE = Terms(alone=True)


@dataclass(frozen=True)
class EngineConfig:
    """How the engine computes: `threads` 0 means one a physical core, `memory_limit` 0 what is available.

    `slowdown` simulates a slower device; `queue_limit` computations may wait at most. `shared_pool` says
    that this process belongs to the engine: all sessions then share one thread pool, and nobody else in the
    process may open an onnxruntime session with threads of its own. `claim_process` says so for all engines.
    `workers` requests are computed at once, 0 as many as the cores allow; `max_batch` of them as one at most, where
    their blocks are proven to keep rows apart and that was measured to be faster (1: never). `custom` operators come
    from libraries of this device.
    """

    threads: int = 0
    slowdown: float = 1.0
    queue_limit: int = 64
    memory_limit: Bytes = Bytes(0)
    shared_pool: bool = False
    workers: int = 0
    max_batch: int = 4
    custom: CustomOps = NONE


class Engine:
    """One per process. Close it when done."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self.runtime = start_runtime(self.config.threads, self.config.shared_pool, self.config.custom)
        self.slowdown = self.config.slowdown
        self.codec = TensorCodec(self.runtime)
        self._stages = Stages(self.codec, self.slowdown)
        self.workers = self.config.workers or max(1, cores() // self.runtime.threads)
        self._workers = Workers(self.config.queue_limit, self.workers)
        self._opener = ThreadPoolExecutor(1, "engine-open")
        self._background = ThreadPoolExecutor(1, "engine-background", initializer=_give_way)

    @property
    def name(self) -> str:
        """Return what computes, for profiles: "onnxruntime 1.31.1"."""
        return f"onnxruntime {onnxruntime.__version__}"

    @property
    def waiting(self) -> int:
        """Return how many computations wait."""
        return self._workers.waiting

    async def open(
        self, blocks: Sequence[Block], files: Mapping[int, Path], weights: Path | None
    ) -> OpenBlocks:
        """Open `blocks`; `files` are their graphs by block index, `weights` the folder of weights.bin.

        Raises:
            ModelTooLarge: their weights need more memory than this device may use.
            UnsupportedOperator, InvalidModel, PrepareFailed: see `sessions.open_block`.
        """
        self._refuse_too_large(blocks)
        loop = asyncio.get_running_loop()
        held = {}
        for block in blocks:
            held[int(block.index)] = await loop.run_in_executor(
                self._opener, self._open_one, block, files, weights
            )
        self._workers.gate.allow(self._left())
        return OpenBlocks(held)

    async def add(
        self,
        blocks: Sequence[Block],
        files: Mapping[int, Path],
        weights: Path | None,
        golden: Path | None,
        tolerance: float,
    ) -> dict[int, OpenBlock]:
        """Open and verify `blocks` while requests go on: in a thread of low priority, and not in their queue.

        Errors as `open`, and PrepareFailed when a block computes something else than the golden sample says.
        """
        self._refuse_too_large(blocks)
        do = functools.partial(self._add, blocks, files, weights, golden, tolerance)
        return await asyncio.get_running_loop().run_in_executor(self._background, do)

    def _add(
        self,
        blocks: Sequence[Block],
        files: Mapping[int, Path],
        weights: Path | None,
        golden: Path | None,
        tolerance: float,
    ) -> dict[int, OpenBlock]:
        arrays = load_golden(golden) if golden is not None else {}
        opened = {int(block.index): self._open_one(block, files, weights) for block in blocks}
        for one in opened.values():
            check_block(one, arrays, tolerance)
        return opened

    async def prove_beside(
        self, opened: Mapping[int, OpenBlock], golden: Path | None, tolerance: float
    ) -> dict[int, OpenBlock]:
        """Find out which blocks may run for several requests, while requests go on, as `accept` does before."""
        if golden is None or self.config.max_batch < 2:
            return dict(opened)
        do = functools.partial(self._prove_all, opened, golden, tolerance)
        return await asyncio.get_running_loop().run_in_executor(self._background, do)

    def _prove_all(
        self, opened: Mapping[int, OpenBlock], golden: Path, tolerance: float
    ) -> dict[int, OpenBlock]:
        arrays = load_golden(golden)
        return {
            index: one if one.by_rows is not None else self._proven(one, arrays, tolerance)
            for index, one in opened.items()
        }

    def _proven(self, one: OpenBlock, arrays: Mapping[TensorName, Array], tolerance: float) -> OpenBlock:
        if not prove_rows(one, arrays, tolerance):
            return replace(one, by_rows=False)
        alone, shared = time_rows(one, arrays, BESIDE_BUDGET, self._clock)
        return replace(one, by_rows=True, alone=alone, shared=shared)

    @property
    def _clock(self) -> Callable[[], float]:
        # of one thread, without what other processes took from it meanwhile; several wait for each other
        return time.thread_time if self.runtime.threads == 1 else time.perf_counter

    async def run(self, work: Work, priority: int = 0, flow: str = "") -> Done:
        """Run one stage of one request: decode, compute, encode. `flow` is who asked: flows share fairly.

        Raises:
            InvalidInput: a tensor is missing, of another dtype or shape, or no picture.
            ComputeFailed: the engine failed on valid input.
            Overloaded: too many wait already.
        """
        return await self.start(work, priority, flow)

    def start(self, work: Work, priority: int = 0, flow: str = "") -> asyncio.Future[Done]:
        """Begin what `run` does and return its outcome; cancelling that stops the work."""
        return self._workers.start(
            functools.partial(self._stages.run, work), self._terms(work, priority, flow)
        )

    def begin(self, work: Work, told: Told, priority: int = 0, flow: str = "") -> Callable[[], None]:
        """Begin what `run` does; `told(done, None)` or `told(None, error)` follows, unless what this returns is called.

        That stops the work. Nothing is awaited on the way of a request: a future and a task cost two turns of the
        event loop.
        """
        do = functools.partial(self._stages.run, work)
        return self._workers.begin(do, told, self._terms(work, priority, flow))

    def _terms(self, work: Work, priority: int, flow: str) -> Terms:
        memory, company = self._memory(work), self._company(work)
        return Terms(priority, flow, memory=memory, company=company, cost=work.cost, further=work.further)

    async def call(self, job: Callable[[Ticket], T], priority: int = 0) -> T:
        """Run any function in a worker's thread, in turn with the requests and alone (for measurements)."""
        return await self._workers.submit(job, replace(ALONE, priority=priority))

    async def accept(
        self, blocks: OpenBlocks, golden: Path, tolerance: float, *, prove: bool = True
    ) -> OpenBlocks:
        """Verify `blocks`, and find out what memory their runs take; with `prove` which may run for several requests.

        Raises PrepareFailed when a block computes something else than the golden sample says.
        """
        before = self.private()
        await self.verify(blocks, golden, tolerance)
        activation = Bytes(max(0, self.private() - before, blocks.activation))
        if not prove:
            return replace(blocks, activation=activation)
        arrays = load_golden(golden)
        held = {index: await self._prove(one, arrays, tolerance) for index, one in blocks.held.items()}
        fused = {ends: await self._prove(one, arrays, tolerance) for ends, one in blocks.fused.items()}
        return OpenBlocks(held, fused, activation)

    async def verify(self, blocks: OpenBlocks, golden: Path, tolerance: float) -> float:
        """Run every held and every fused block from golden inputs; return the largest relative difference.

        Raises PrepareFailed when a block computes something else than the golden sample says.
        """
        self._workers.gate.allow(self._left())  # asked each minute by the agent's health, so this stays true
        arrays = load_golden(golden)
        worst = 0.0
        for one in (*blocks.held.values(), *blocks.fused.values()):
            check = functools.partial(check_block, one, arrays, tolerance)
            worst = max(worst, await self.call(_without_ticket(check)))
        return worst

    def resident(self) -> Bytes:
        """Return the bytes of memory that this process occupies now."""
        return Bytes(psutil.Process().memory_info().rss)

    def private(self) -> Bytes:
        """Return the bytes of `resident` that are no mapped file: weights are read through a mapping."""
        memory = psutil.Process().memory_info()
        return Bytes(memory.rss - getattr(memory, "shared", 0))

    async def tidy(self) -> None:
        """Give memory that closed sessions and measurements have left back to the system."""
        await asyncio.get_running_loop().run_in_executor(self._opener, self._tidied)
        self._workers.gate.allow(self._left())

    def _tidied(self) -> None:
        shrink_arena(self.runtime)
        trim_malloc()

    def close(self) -> None:
        """Finish what waits and end the threads."""
        self._workers.close()
        self._opener.shutdown(wait=False, cancel_futures=True)
        self._background.shutdown(wait=False, cancel_futures=True)

    def _refuse_too_large(self, blocks: Sequence[Block]) -> None:
        weights = {ref.name: ref.length for block in blocks for ref in block.weights}
        need = sum(weights.values()) * HEADROOM
        limit = self.config.memory_limit or psutil.virtual_memory().available
        if need > limit:
            raise ModelTooLarge(
                f"these blocks need {need / 1e6:.0f} MB of memory, this device may use {limit / 1e6:.0f} MB",
                "cut the model so that less of it lies here, or raise the memory limit",
            )

    def _open_one(self, block: Block, files: Mapping[int, Path], weights: Path | None) -> OpenBlock:
        begin = time.perf_counter()
        runner = self._runner(block, files, weights)
        return OpenBlock(block, runner, Seconds(time.perf_counter() - begin))

    def _runner(self, block: Block, files: Mapping[int, Path], weights: Path | None) -> Runner:
        if block.kind == DECODE_PICTURE:
            return PictureDecoder(block)
        if block.index not in files:
            raise PrepareFailed(f"the file of block {block.index} is missing", "deploy the model again")
        return open_block(block, files[block.index].read_bytes(), self.runtime, weights)

    async def _prove(self, one: OpenBlock, arrays: Mapping[TensorName, Array], tolerance: float) -> OpenBlock:
        if one.by_rows is not None or self.config.max_batch < 2:
            return one
        prove = functools.partial(prove_rows, one, arrays, tolerance)
        proven = await self.call(_without_ticket(prove))
        if one.block.has_rows and not proven:
            log.info("a block is not batched: its rows depend on each other", block=one.block.name)
        if not proven:
            return replace(one, by_rows=False)
        time_it = functools.partial(time_rows, one, arrays, TRIAL_BUDGET, self._clock)
        alone, shared = await self.call(_without_ticket(time_it))
        return replace(one, by_rows=True, alone=alone, shared=shared)

    def _company(self, work: Work) -> Company | None:
        most = min(work.max_batch or self.config.max_batch, LARGEST_BATCH)
        if self.config.max_batch < 2 or most < 2 or work.first == work.last:
            return None
        span = work.blocks.span(work.first, work.last)
        if not span.by_rows or (not work.max_batch and span.gain < LEAST_GAIN):
            return None
        return Company(kind_of(work, span), work, self._stages.run_together, most, work.batch_wait)

    def _memory(self, work: Work) -> Bytes:
        if work.first == work.last:
            return Bytes(0)
        return Bytes(max(work.blocks.activation, INNER * work.blocks.span(work.first, work.last).size))

    def _left(self) -> Bytes:
        """Return what computations may take: what is left, and what earlier ones took, which the arena has kept."""
        limit = self.config.memory_limit
        left = limit - self.resident() if limit else psutil.virtual_memory().available
        return Bytes(max(1, left + self._workers.gate.peak))


def _give_way() -> None:
    """Let this thread have what the others leave; where a system knows no priority of threads, it has its share."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST_PRIORITY)


def _without_ticket(job: Callable[[], T]) -> Callable[[Ticket], T]:
    return lambda _: job()
