"""The epochs that are open on this device: their blocks, their labels, and how they came here.

Law: fetches, opens, verifies and frees; which epoch is active is the machine's matter. A block that another
open epoch holds already is not opened twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Container
from pathlib import Path

import structlog

from device_agents.engine import Engine, OpenBlock, OpenBlocks
from device_agents.machine.commands import OpenEpoch
from device_agents.machine.events import EpochKey, EpochOpened
from device_agents.store import ArtifactStore, Fetch
from lepton_edge.core.errors import StaleEpoch
from partitioner.errors import LeptonError
from partitioner.plan import Block, Fused, PlanBook
from partitioner.units import BlockIndex, DeviceId, Sha256

NOBODY = DeviceId("")

log = structlog.get_logger("agent")

Progress = Callable[[str, str, int, int], None]
"""Called with (command, stage, done, total)."""


@dataclasses.dataclass(frozen=True)
class OpenedEpoch:
    """One open epoch: its book, its blocks, the lines of its label files, the file of its golden sample."""

    book: PlanBook
    blocks: OpenBlocks
    labels: dict[Sha256, list[str]]
    golden: Path | None


class Holdings:
    """Every open epoch of this process."""

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        fetch: Fetch,
        progress: Progress,
        device: DeviceId = NOBODY,
    ) -> None:
        self._engine, self._store, self._fetch, self._progress = engine, store, fetch, progress
        self._device = device
        self._open: dict[EpochKey, OpenedEpoch] = {}

    def opened(self, key: EpochKey) -> OpenedEpoch:
        """Return an open epoch; raises StaleEpoch."""
        if key not in self._open:
            raise StaleEpoch(f"epoch {key.epoch} of {key.model} is not open here", "try again")
        return self._open[key]

    async def open(self, command: OpenEpoch) -> EpochOpened:
        """Fetch, open and verify; raises what went wrong, with nothing held.

        One that is restored is not proven for batches (`prove`): whoever waits for this device waits for its return.
        """
        self._store.hold(_owner(command.key), _artifacts(command))
        try:
            epoch = self._open[command.key] = await self._make(command)
        finally:
            if command.key not in self._open:
                self._engine.codec.coders.close(_owner(command.key))
                self._store.release(_owner(command.key))
        await self._engine.tidy()  # reading graphs and checking them took as much again
        return EpochOpened(command.key, epoch.blocks.opened, self._engine.resident())

    async def add(self, key: EpochKey, blocks: list[Block], pieces: list[Fused]) -> None:
        """Open more of an open epoch while requests go on; raises what went wrong, with what there was."""
        epoch = self.opened(key)
        book = epoch.book
        all_of_it = [*blocks, *(one.block for one in pieces)]
        known = {block: self._known(block, book) for block in all_of_it}
        shared = {int(block.index): one for block, one in known.items() if one is not None}
        fresh = [block for block in all_of_it if int(block.index) not in shared]
        opened = {**shared, **(await self._opened_fresh(epoch, fresh) if fresh else {})}
        fused = {(int(one.first), int(one.last)): opened[int(one.block.index)] for one in pieces}
        held = {int(block.index): opened[int(block.index)] for block in blocks}
        now = self.opened(key)
        self._open[key] = dataclasses.replace(now, blocks=now.blocks.with_more(held, fused))

    async def prove(self, key: EpochKey, blocks: Collection[int] | None = None) -> None:
        """Find out which of `blocks` (None: all) may run for several requests; until then they run for one each."""
        epoch = self.opened(key)
        wanted = epoch.blocks.held if blocks is None else blocks
        found = {index: epoch.blocks.held[index] for index in wanted if index in epoch.blocks.held}
        proven = await self._engine.prove_beside(found, epoch.golden, epoch.book.tolerance)
        now = self._open.get(key)
        if now is not None:
            left = {index: one for index, one in proven.items() if now.blocks.held.get(index) is found[index]}
            fused = {ends: one for ends, one in now.blocks.fused.items() if one.by_rows is None}
            self._open[key] = dataclasses.replace(now, blocks=now.blocks.with_more(left, fused))
        await self._engine.tidy()  # batches took several times what a request takes

    async def _opened_fresh(self, epoch: OpenedEpoch, blocks: list[Block]) -> dict[int, OpenBlock]:
        book = epoch.book
        files = await self._files(blocks)
        refs = [ref for block in blocks for ref in block.weights]
        weights = await self._store.weights(book.blob, book.blob_size, refs, self._fetch) if refs else None
        return await self._engine.add(blocks, files, weights, epoch.golden, book.tolerance)

    def drop(self, key: EpochKey, runs: Container[tuple[int, int]]) -> None:
        """Give up what runs blocks as one; what runs on it ends on it."""
        epoch = self.opened(key)
        self._open[key] = dataclasses.replace(epoch, blocks=epoch.blocks.without(runs))

    def close_blocks(self, key: EpochKey, blocks: Collection[int]) -> None:
        """Free blocks of an open epoch, and the pieces that they are part of; what runs on them ends on them."""
        if key in self._open:
            epoch = self._open[key]
            self._open[key] = dataclasses.replace(epoch, blocks=epoch.blocks.without_blocks(blocks))

    def close(self, key: EpochKey) -> None:
        """Free an epoch's blocks and let the store evict its files."""
        self._open.pop(key, None)
        self._engine.codec.coders.close(_owner(key))
        self._store.release(_owner(key))

    async def tidy(self) -> None:
        """Give the memory of what was closed back to the system."""
        await self._engine.tidy()

    async def check(self) -> bool:
        """Run a synthetic inference over every held block; False when there is none to run.

        What epochs share is run once: a cloud of a thousand boards may hold one set of blocks a thousand times.
        """
        checked: set[tuple[Path, frozenset[object]]] = set()
        for epoch in list(self._open.values()):
            if (
                epoch.golden is not None
                and (what := (epoch.golden, frozenset(_by_what_they_are(epoch.blocks)))) not in checked
            ):
                await self._engine.verify(epoch.blocks, epoch.golden, epoch.book.tolerance)
                checked.add(what)
        return bool(checked)

    async def _make(self, command: OpenEpoch) -> OpenedEpoch:
        book = command.book
        held = [block for block in book.blocks if block.index in set(command.hold)]
        self._tell(command, "fetching", 0, 0)
        later = [block for block in book.blocks if block.index in set(command.later)]
        files = await self._files([*held, *later])
        weights = await self._weights(command, [*held, *later])
        labels = {spec.labels: await self._lines(spec.labels) for spec in book.outputs if spec.labels}
        golden = await self._store.artifact(book.golden, self._fetch) if book.golden else None
        self._tell(command, "opening", 0, len(held))
        await self._open_coders(command)
        blocks = await self._blocks(held, files, weights, command)
        self._tell(command, "verifying", 0, len(held))
        if golden is not None:
            blocks = await self._accepted(blocks, golden, command)
        blocks = dataclasses.replace(blocks, fused=await self._open_fused(command, weights, golden))
        return OpenedEpoch(book, blocks, labels, golden)

    async def _open_coders(self, command: OpenEpoch) -> None:
        """Open the trained codecs of the book: every device is one end of some page."""
        coders = command.book.coders
        names = [name for one in coders for name in (one.encoder, one.decoder)]
        files = {name: await self._store.artifact(name, self._fetch) for name in names}
        await asyncio.to_thread(self._engine.codec.coders.open, _owner(command.key), coders, files)

    def _fused(self, command: OpenEpoch) -> list[Fused]:
        held = set(command.hold)
        mine = [one for one in command.book.fused if one.device == self._device]
        return [one for one in mine if held.issuperset(range(one.first, one.last))]

    async def _files(self, blocks: list[Block]) -> dict[int, Path]:
        return {
            int(block.index): await self._store.artifact(block.artifact, self._fetch)
            for block in blocks
            if block.artifact
        }

    async def _open_fused(
        self, command: OpenEpoch, weights: Path | None, golden: Path | None
    ) -> dict[tuple[int, int], OpenBlock]:
        """Open what runs faster as one; where it cannot be had, or answers otherwise, the blocks do as well."""
        opened: dict[tuple[int, int], OpenBlock] = {}
        for one in self._fused(command):
            try:
                files = await self._files([one.block])
                blocks = await self._blocks([one.block], files, weights, command)
                if golden is not None:
                    blocks = await self._accepted(blocks, golden, command)
            except LeptonError as error:
                log.warning("a stage runs block by block", model=command.book.model, reason=error.message)
                continue
            opened[one.first, one.last] = blocks.held[int(one.block.index)]
        return opened

    async def _accepted(self, blocks: OpenBlocks, golden: Path, command: OpenEpoch) -> OpenBlocks:
        tolerance, prove = command.book.tolerance, bool(command.command)
        known = self._proven(blocks, golden, tolerance)
        if known is not None and not (prove and known.unproven):
            return known
        return await self._engine.accept(blocks, golden, tolerance, prove=prove)

    def _proven(self, blocks: OpenBlocks, golden: Path, tolerance: float) -> OpenBlocks | None:
        """Return blocks as another open epoch proved them, the same ones by the same sample; None where none did."""
        for epoch in self._open.values():
            there = _by_what_they_are(epoch.blocks)
            same = epoch.golden == golden and epoch.book.tolerance <= tolerance
            if same and all(_what(one) in there for one in blocks.held.values()):
                held = {
                    index: dataclasses.replace(there[_what(one)], block=one.block, opened=one.opened)
                    for index, one in blocks.held.items()
                }
                return dataclasses.replace(blocks, held=held, activation=epoch.blocks.activation)
        return None

    async def _weights(self, command: OpenEpoch, held: list[Block]) -> Path | None:
        refs = [ref for block in held for ref in block.weights]
        if not refs:
            return None
        book = command.book

        def arrived(here: int, total: int) -> None:
            self._tell(command, "fetching", here, total)

        return await self._store.weights(book.blob, book.blob_size, refs, self._fetch, arrived)

    async def _lines(self, name: Sha256) -> list[str]:
        file = await self._store.artifact(name, self._fetch)
        return (await asyncio.to_thread(file.read_text, "utf-8")).splitlines()

    async def _blocks(
        self, held: list[Block], files: dict[int, Path], weights: Path | None, command: OpenEpoch
    ) -> OpenBlocks:
        known = {block: self._known(block, command.book) for block in held}
        fresh = [block for block in held if known[block] is None]
        opened = await self._engine.open(fresh, files, weights)
        shared = {int(block.index): one for block, one in known.items() if one is not None}
        return OpenBlocks({**opened.held, **shared})

    def _known(self, block: Block, book: PlanBook) -> OpenBlock | None:
        """Return this block as another open epoch of the same variant holds it."""
        for epoch in self._open.values():
            for one in (*epoch.blocks.held.values(), *epoch.blocks.fused.values()):
                same = dataclasses.replace(one.block, index=block.index, name=block.name) == block
                if same and block.artifact and epoch.book.blob == book.blob:
                    return dataclasses.replace(one, block=block, opened=type(one.opened)(0.0))
        return None

    def _tell(self, command: OpenEpoch, stage: str, done: int, total: int) -> None:
        if command.command:
            self._progress(command.command, stage, done, total)


def _what(one: OpenBlock) -> object:
    """Return what tells whether blocks are the same: what runs them, which epochs share; of code, what it does."""
    if one.block.artifact:
        return id(one.runner)
    return dataclasses.replace(one.block, index=BlockIndex(0), name="")


def _by_what_they_are(blocks: OpenBlocks) -> dict[object, OpenBlock]:
    return {_what(one): one for one in (*blocks.held.values(), *blocks.fused.values())}


def _owner(key: EpochKey) -> str:
    return f"{key.model}/{key.epoch}"


def _artifacts(command: OpenEpoch) -> list[Sha256]:
    book = command.book
    here = {*command.hold, *command.later}
    files = [block.artifact for block in book.blocks if block.index in here]
    files += [one.block.artifact for one in (*book.fused, *book.spare)]
    files += [spec.labels for spec in book.outputs]
    files += [name for one in book.coders for name in (one.encoder, one.decoder)]
    return [name for name in (*files, book.golden, book.blob) if name]
