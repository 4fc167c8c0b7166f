"""One `ProfileCommand` from download to `DeviceProfile`.

Law: the order of the work, and nothing about how a thing is timed or attributed. What the golden sample has
no input for, or what does not fit into memory beside the whole model, is left out; the whole model itself
is never left out.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from device_agents.engine import Engine, OpenBlock
from device_agents.engine.golden import load_golden
from device_agents.profiling.attribution import attribute
from device_agents.profiling.graph_nodes import graph_nodes
from device_agents.profiling.kernels import kernel_timer
from device_agents.profiling.measure import Item, run_rounds, summary, thread_hop
from device_agents.store import ArtifactStore, Fetch
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import CodecTrial, ProfileCommand, ProfileSegment
from lepton_edge.core.results import Array
from partitioner.costs import CodecTime, DeviceProfile, LayerShare, Measurement, SegmentTime
from partitioner.errors import ModelTooLarge
from partitioner.plan import Block
from partitioner.units import Bytes, DeviceId, NodeName, Seconds, Sha256, TensorName

CODEC_RUNS = 5
SHARE_RUNS = 24
SHARE_BUDGET = 0.25
"""Fraction of the budget that is kept for the kernels' shares."""

WHOLE_TURNS = 3
"""How often the whole model is timed a round: all else is told in relation to it."""

LEAST_COVERAGE = 0.95
Told = Callable[[str, int, int], None]
"""Called with (stage, done, in all): "fetch" in bytes, "time" in rounds, "shares" in runs."""

log = structlog.get_logger(__name__)


@dataclass
class _Trial:
    """Everything that is there to be timed."""

    wholes: list[Item]
    peak: Bytes = Bytes(0)
    segments: list[tuple[ProfileSegment, Item]] = field(default_factory=list)
    pseudo: list[tuple[Block, Item]] = field(default_factory=list)
    codecs: list[tuple[CodecTrial, Item, Item, Bytes]] = field(default_factory=list)

    def items(self) -> list[Item]:
        """Return everything in the order of a round, the whole model's turns evenly between the rest."""
        codecs = [item for _, encode, decode, _ in self.codecs for item in (encode, decode)]
        rest = [*(one for _, one in self.segments), *(one for _, one in self.pseudo), *codecs]
        for turn, whole in reversed(list(enumerate(self.wholes))):
            rest.insert(turn * len(rest) // len(self.wholes), whole)
        return rest

    def whole(self) -> Measurement:
        """Return the whole model's time, over all of its turns."""
        return summary([time for one in self.wholes for time in one.steady or one.times])


async def run_profile(
    engine: Engine,
    store: ArtifactStore,
    fetch: Fetch,
    command: ProfileCommand,
    *,
    device: DeviceId,
    told: Told = lambda stage, done, total: None,
) -> DeviceProfile:
    """Measure the command's model on this device and return its profile.

    Downloads what is missing through `store` and `fetch`. Measuring ends after `command.budget` seconds
    (downloads apart) or `command.repeats` rounds. Raises what downloading and opening raise, and
    InvalidInput when the golden sample lacks an input of the whole model.
    """
    owner = f"profile {command.command}"
    artifacts = {block.artifact for block in _blocks(command) if block.artifact}
    artifacts |= {name for one in command.coders for name in (one.encoder, one.decoder)}
    store.hold(owner, [*artifacts, command.golden, command.blob])
    try:
        weights = await _weights(store, fetch, command, told)
        golden = load_golden(await store.artifact(command.golden, fetch))
        files = {name: await store.artifact(name, fetch) for name in artifacts}
        await asyncio.to_thread(engine.codec.coders.open, owner, command.coders, files)
        return await _Measuring(engine, command, files, weights, golden).profile(device, told)
    finally:
        engine.codec.coders.close(owner)
        store.release(owner)


class _Measuring:
    """The measuring part: all files are here."""

    def __init__(
        self,
        engine: Engine,
        command: ProfileCommand,
        files: Mapping[Sha256, Path],
        weights: Path,
        golden: Mapping[TensorName, Array],
    ) -> None:
        self._engine = engine
        self._command = command
        self._files = files
        self._weights = weights
        self._golden = golden

    async def profile(self, device: DeviceId, told: Told) -> DeviceProfile:
        """Time everything in rounds, then, with the timed sessions closed, the kernels."""
        begin = time.perf_counter()
        timed = await self._timed(device, begin + self._command.budget * (1 - SHARE_BUDGET), told)
        layers = await self._shares(begin + self._command.budget, told)
        return dataclasses.replace(timed, layers=layers)

    async def _timed(self, device: DeviceId, deadline: float, told: Told) -> DeviceProfile:
        trial = await self._trial()
        await run_rounds(self._engine, trial.items(), deadline, functools.partial(told, "time"))
        segments = [SegmentTime(one.first, one.last, item.measurement()) for one, item in trial.segments]
        return DeviceProfile(
            device,
            trial.whole(),
            layers=(),
            segments=tuple(segments),
            pseudo=tuple(_pseudo_time(block, item) for block, item in trial.pseudo),
            codecs=tuple(_codec_time(*one) for one in trial.codecs),
            overhead=await thread_hop(self._engine),
            threads=self._engine.runtime.threads,
            engine=self._engine.name,
            simulated_slowdown=self._engine.slowdown,
            activation_peak=trial.peak,
        )

    async def _trial(self) -> _Trial:
        repeats = max(1, self._command.repeats)
        whole = await self._open(self._command.whole)
        if not self._given(whole.block):
            raise InvalidInput("the golden sample lacks an input of the model", "push the model again")
        peak = await self._peak(whole)
        trial = _Trial([self._block_item(whole, repeats) for _ in range(WHOLE_TURNS)], peak)
        for block in self._command.pseudo:
            if self._given(block):
                trial.pseudo.append((block, self._block_item(await self._open(block), repeats)))
        for one in self._command.segments:
            item = await self._segment_item(one, repeats)
            if item is not None:
                trial.segments.append((one, item))
        for codec in self._command.codecs:
            if codec.tensor.name in self._golden:
                trial.codecs.append(await self._codec_items(codec, min(repeats, CODEC_RUNS)))
        return trial

    async def _peak(self, whole: OpenBlock) -> Bytes:
        """Return by how much memory grows in the whole model's first run: the arena keeps what it took.

        Where an earlier model has already grown the arena, that is less, or nothing.
        """
        await self._engine.tidy()
        before = self._engine.private()
        await self._engine.call(lambda _: self._block_item(whole, 1).step())
        return Bytes(max(0, self._engine.private() - before))

    async def _segment_item(self, one: ProfileSegment, repeats: int) -> Item | None:
        if not self._given(one.block):
            return None
        try:
            return self._block_item(await self._open(one.block), repeats)
        except ModelTooLarge as error:
            log.warning(
                "segment left out of the profile", first=one.first, last=one.last, reason=error.message
            )
            return None

    async def _open(self, block: Block) -> OpenBlock:
        files = {int(block.index): self._files[block.artifact]} if block.artifact else {}
        blocks = await self._engine.open([block], files, self._weights)
        return blocks.held[int(block.index)]

    def _given(self, block: Block) -> bool:
        return all(spec.name in self._golden for spec in block.inputs)

    def _feed(self, block: Block) -> dict[TensorName, Array]:
        return {spec.name: self._golden[spec.name] for spec in block.inputs}

    def _block_item(self, one: OpenBlock, repeats: int) -> Item:
        return Item(functools.partial(one.runner.run, self._feed(one.block)), repeats)

    async def _codec_items(self, trial: CodecTrial, repeats: int) -> tuple[CodecTrial, Item, Item, Bytes]:
        codec, array = self._engine.codec, self._golden[trial.tensor.name]
        step = functools.partial(codec.encode, trial.tensor.name, array, trial.codec)
        wire = await self._engine.call(lambda _: step())
        encode = Item(step, repeats)
        decode = Item(functools.partial(codec.decode, wire), repeats)
        return trial, encode, decode, Bytes(memoryview(wire.payload).nbytes)

    async def _shares(self, deadline: float, told: Told) -> tuple[LayerShare, ...]:
        whole = self._command.whole
        graph = self._files[whole.artifact].read_bytes()
        feed = self._feed(whole)
        with kernel_timer(graph, self._engine.runtime, self._weights) as timer:
            for done in range(SHARE_RUNS + 1):  # the first is cold and not counted
                if done > 1 and time.perf_counter() > deadline:
                    break
                await self._engine.call(lambda _: timer.run(feed))
                told("shares", done, SHARE_RUNS)
            kernels, optimised = timer.finish()
        shares, coverage = attribute(kernels, graph_nodes(graph), optimised)
        if coverage < LEAST_COVERAGE:
            log.warning("kernel times without a node", coverage=round(coverage, 3), model=self._command.model)
        return shares


async def _weights(store: ArtifactStore, fetch: Fetch, command: ProfileCommand, told: Told) -> Path:
    refs = [ref for block in _blocks(command) for ref in block.weights]
    return await store.weights(
        command.blob, command.blob_size, refs, fetch, lambda here, total: told("fetch", here, total)
    )


def _blocks(command: ProfileCommand) -> list[Block]:
    return [command.whole, *command.pseudo, *(one.block for one in command.segments)]


def _pseudo_time(block: Block, item: Item) -> LayerShare:
    return LayerShare(NodeName(block.name), item.measurement().median)


def _codec_time(trial: CodecTrial, encode: Item, decode: Item, size: Bytes) -> CodecTime:
    spent = [Seconds(item.measurement().median) for item in (encode, decode)]
    return CodecTime(trial.tensor.name, trial.codec, spent[0], spent[1], size)
