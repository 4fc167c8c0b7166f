"""What runs faster, and blocks that a page lacks, opened beside requests.

Law: chooses what of it fits into memory, by the bytes of weights; `Holdings` fetches, opens and verifies. What all
pieces of an epoch take stays within `SHARE` of what the process takes without them: beyond, those that nobody uses are
dropped, and where that is not enough nothing is opened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import structlog

from device_agents.driver.holdings import Holdings
from device_agents.engine import Engine
from device_agents.machine.commands import OpenPieces
from device_agents.machine.events import EpochKey, PiecesOpened
from device_agents.machine.failures import as_wire
from lepton_edge.core.errors import PrepareFailed
from partitioner.errors import LeptonError
from partitioner.plan import Block, Fused
from partitioner.units import Bytes, DeviceId

SHARE = 0.12
"""Of the memory that the process takes with all its blocks, for all pieces together: blocks alone take up to 1.06 times
what the whole model takes in one piece, and all of it together shall stay below 1.2 times that."""

Run = tuple[int, int]

log = structlog.get_logger("agent")


class Background:
    """Opens pieces of open epochs, one command at a time."""

    def __init__(self, holdings: Holdings, engine: Engine, device: DeviceId) -> None:
        self._holdings, self._engine, self._device = holdings, engine, device
        self._proving: set[asyncio.Task[None]] = set()  # of one epoch's blocks each, one after the other

    async def open(self, command: OpenPieces) -> PiecesOpened:
        """Open what the command asks for, or tell what went wrong and what was given up for it all the same.

        Raises (with everything as it was):
            StaleEpoch: the epoch was closed.
            ModelTooLarge, PrepareFailed: there is no memory for it, or it computes something else.
        """
        epoch = self._holdings.opened(command.key)
        wanted = [] if command.blocks else self._wanted(command)
        dropped = self._to_drop(command, wanted)
        if dropped:
            self._holdings.drop(command.key, dropped)
        blocks = [block for block in epoch.book.blocks if block.index in command.blocks]
        begun = time.monotonic()
        try:
            await self._holdings.add(command.key, blocks, wanted)
        except LeptonError as error:
            return self._failed(command, dropped, error)
        seconds = round(time.monotonic() - begun, 4)
        found = {"blocks": len(blocks), "pieces": len(wanted), "seconds": seconds}
        await self._engine.tidy()  # reading a graph took as much again; it takes some milliseconds
        log.info("opened beside requests", model=command.key.model, **found)
        if blocks:  # the page may be taken already: whether its requests may be batched can wait
            self.prove(command.key, command.blocks)
        return PiecesOpened(command.key, command.first, command.last, command.blocks, dropped)

    def prove(self, key: EpochKey, blocks: Collection[int] | None = None) -> None:
        """Begin to find out which of an epoch's `blocks` (None: all) may run for several requests."""
        task = asyncio.create_task(self._prove(key, blocks))
        self._proving.add(task)
        task.add_done_callback(self._proving.discard)

    async def _prove(self, key: EpochKey, blocks: Collection[int] | None) -> None:
        try:
            await self._holdings.prove(key, blocks)
        except LeptonError as error:  # the epoch is gone, say
            log.info("blocks are not batched", model=key.model, why=error.message)

    def _failed(self, command: OpenPieces, dropped: tuple[Run, ...], error: LeptonError) -> PiecesOpened:
        """Return what is to be told after a failure: what was dropped runs block by block now."""
        if not dropped:
            raise error
        log.info("no pieces opened", model=command.key.model, why=error.message, dropped=dropped)
        told = as_wire(error, self._device)
        return PiecesOpened(command.key, command.first, command.last, dropped=dropped, error=told)

    def _wanted(self, command: OpenPieces) -> list[Fused]:
        """Return the pieces that the run would be made of and that are not open: from its beginning on, the longest."""
        epoch = self._holdings.opened(command.key)
        known = [one for one in (*epoch.book.fused, *epoch.book.spare) if one.device == self._device]
        found, at = list[Fused](), command.first
        while at < command.last:
            here = [one for one in known if one.first == at and one.last <= command.last]
            longest = max(here, key=lambda one: one.last, default=None)
            if longest is not None and (longest.first, longest.last) not in epoch.blocks.fused:
                found.append(longest)
            at = longest.last if longest is not None else at + 1
        return found

    def _to_drop(self, command: OpenPieces, wanted: list[Fused]) -> tuple[Run, ...]:
        """Return the pieces to give up for `wanted`, the largest first.

        Raises:
            PrepareFailed: it would be too much all the same.
        """
        epoch = self._holdings.opened(command.key)
        sizes = {ends: weight_of(one.block) for ends, one in epoch.blocks.fused.items()}
        needs = sum(weight_of(one.block) for one in wanted)
        room = SHARE * max(0, self._engine.resident() - sum(sizes.values())) - sum(sizes.values())
        dropped: list[Run] = []
        for ends in sorted(sizes, key=lambda ends: -sizes[ends]):
            if needs <= room:
                break
            if not any(first <= ends[0] and ends[1] <= last for first, last in command.keep):
                dropped.append(ends)
                room += sizes[ends]
        if needs > room:
            raise PrepareFailed(
                f"blocks {command.first}..{command.last - 1} in one piece take {needs / 1e6:.1f} MB, and "
                f"{max(0.0, room) / 1e6:.1f} MB may be spent on it",
                "they run block by block",
            )
        return tuple(dropped)


def weight_of(block: Block) -> Bytes:
    """Return the bytes of the weights that an open block has for itself."""
    return Bytes(sum({ref.sha256: ref.length for ref in block.weights}.values()))
