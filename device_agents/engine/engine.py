"""The engine: opens blocks, runs a stage of a request, checks a device against the golden sample.

Law: the asyncio face of this room. What computes runs in the worker's thread, what opens sessions in another
one, so that preparing an epoch does not hold up requests. Knows no epoch, no link and no coordinator.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import onnxruntime
import psutil

from device_agents.engine.blocks import Env, OpenBlock, OpenBlocks, inputs_of, run_span
from device_agents.engine.codecs import TensorCodec
from device_agents.engine.driver import Ticket, Worker
from device_agents.engine.golden import check_block, load_golden
from device_agents.engine.pictures import DECODE_PICTURE, PictureDecoder
from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import Runner, open_block
from device_agents.engine.timing import Pacer, Timings
from device_agents.engine.work import Done, Work
from lepton_edge.core.errors import PrepareFailed
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.results import Array
from lepton_edge.wire.memory import trim_malloc
from partitioner.errors import ModelTooLarge
from partitioner.plan import Block
from partitioner.units import Bytes, Seconds, TensorName

T = TypeVar("T")

HEADROOM = 1.2  # activations and the engine's own structures, over the bytes of the weights


@dataclass(frozen=True)
class EngineConfig:
    """How the engine computes: `threads` 0 means one a physical core, `memory_limit` 0 what is available.

    `slowdown` simulates a slower device; `queue_limit` computations may wait at most. `shared_pool` says
    that this process belongs to the engine: all sessions then share one thread pool, and nobody else in the
    process may open an onnxruntime session with threads of its own. `claim_process` says so for all engines.
    """

    threads: int = 0
    slowdown: float = 1.0
    queue_limit: int = 64
    memory_limit: Bytes = Bytes(0)
    shared_pool: bool = False


class Engine:
    """One per process. Close it when done."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self.runtime = start_runtime(self.config.threads, self.config.shared_pool)
        self.slowdown = self.config.slowdown
        self.codec = TensorCodec(self.runtime)
        self._worker = Worker(self.config.queue_limit)
        self._opener = ThreadPoolExecutor(1, "engine-open")

    @property
    def name(self) -> str:
        """Return what computes, for profiles: "onnxruntime 1.31.1"."""
        return f"onnxruntime {onnxruntime.__version__}"

    @property
    def waiting(self) -> int:
        """Return how many computations wait."""
        return self._worker.waiting

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
        return OpenBlocks(held)

    async def run(self, work: Work, priority: int = 0) -> Done:
        """Run one stage of one request: decode, compute, encode.

        Raises:
            InvalidInput: a tensor is missing, of another dtype or shape, or no picture.
            ComputeFailed: the engine failed on valid input.
            Overloaded: too many wait already.
        """
        return await self._worker.submit(lambda ticket: self._stage(work, ticket), priority)

    async def call(self, job: Callable[[Ticket], T], priority: int = 0) -> T:
        """Run any function in the worker's thread, in turn with the requests (for measurements)."""
        return await self._worker.submit(job, priority)

    async def verify(self, blocks: OpenBlocks, golden: Path, tolerance: float) -> float:
        """Run every held and every fused block from golden inputs; return the largest relative difference.

        Raises PrepareFailed when a block computes something else than the golden sample says.
        """
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
        await asyncio.get_running_loop().run_in_executor(self._opener, trim_malloc)

    def close(self) -> None:
        """Finish what waits and end the threads."""
        self._worker.close()
        self._opener.shutdown(wait=False, cancel_futures=True)

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

    def _stage(self, work: Work, ticket: Ticket) -> Done:
        span = work.blocks.span(work.first, work.last)
        pacer = Pacer(self.slowdown)
        given, decode = self._decode(work, span, ticket, pacer)
        leaving = {choice.tensor for choice in work.leaving}
        compute = 0.0

        def timed(one: OpenBlock, env: Mapping[TensorName, Array]) -> Env:
            nonlocal compute
            ticket.check()
            made, seconds = pacer.time(lambda: one.runner.run(env, ticket.run_options))
            compute += seconds
            return made

        env = run_span(span, given, work.keep | leaving, timed)
        wire, encode = self._encode(work, env, ticket, pacer)
        pacer.settle(ticket.check)
        timings = Timings(ticket.waited, decode, compute, encode)
        return Done({name: array for name, array in env.items() if name in work.keep}, wire, timings)

    def _decode(self, work: Work, span: list[OpenBlock], ticket: Ticket, pacer: Pacer) -> tuple[Env, float]:
        wanted = inputs_of(span) | work.keep | {choice.tensor for choice in work.leaving}
        given: Env = {}
        spent = 0.0
        for name, value in work.given.items():
            if not isinstance(value, WireTensor):
                given[name] = value
            elif name in wanted:
                ticket.check()

                step = functools.partial(self.codec.decode, value)
                given[name], seconds = pacer.time(step)
                spent += seconds
        return given, spent

    def _encode(
        self, work: Work, env: Env, ticket: Ticket, pacer: Pacer
    ) -> tuple[tuple[WireTensor, ...], float]:
        wire: list[WireTensor] = []
        spent = 0.0
        for choice in work.leaving:
            ticket.check()
            step = functools.partial(self.codec.encode, choice.tensor, env[choice.tensor], choice.codec)
            one, seconds = pacer.time(step)
            wire.append(one)
            spent += seconds
        return tuple(wire), spent


def _without_ticket(job: Callable[[], T]) -> Callable[[Ticket], T]:
    return lambda _: job()
