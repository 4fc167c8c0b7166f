"""A book by which the board holds the whole model as one session, and nothing else: the yardstick for all others.

Law: rewrites what an agent has saved, before it starts; what runs is the agent itself. The one session is the piece
that the book has for the longest run of blocks: all of the model behind what prepares a picture. It is copied from the
coordinator's store where the board never had it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from device_agents.driver.saved import SavedEpochs
from partitioner.plan import LOCAL_PAGE, Fused, Page, PlanBook, Stage, TurnRule
from partitioner.units import BlockIndex, DeviceId, Sha256


def hold_whole(state: Path, device: str) -> None:
    """Let the board of a kept state hold the whole model as one session from its next start on."""
    saved = SavedEpochs(state / device / "epochs.json")
    epoch = saved.read()[-1]
    piece = longest(epoch.book, DeviceId(device))
    book = as_one(epoch.book, piece, DeviceId(device))
    _copy(piece.block.artifact, state / "coordinator" / "artifacts", state / device / "artifacts")
    saved.write((replace(epoch, book=book, hold=tuple(range(len(book.blocks)))),))


def longest(book: PlanBook, device: DeviceId) -> Fused:
    """Return the piece that runs the most blocks up to the end; LookupError where the book has none."""
    pieces = [
        one for one in (*book.fused, *book.spare) if one.last == len(book.blocks) and one.device == device
    ]
    if not pieces:
        raise LookupError(f"the book of {book.model} has no piece that ends with it")
    return min(pieces, key=lambda one: one.first)


def as_one(book: PlanBook, piece: Fused, device: DeviceId) -> PlanBook:
    """Return `book` with `piece` in the place of its blocks, and the board alone as its one page."""
    block = replace(piece.block, index=BlockIndex(piece.first))
    blocks = (*book.blocks[: piece.first], block)
    page = book.page(LOCAL_PAGE)
    stage = Stage(device, BlockIndex(0), BlockIndex(len(blocks)))
    return replace(
        book,
        blocks=blocks,
        frontiers=(*book.frontiers[: piece.first + 1], book.frontiers[-1]),
        pages=(Page(LOCAL_PAGE, (stage,), page.prediction),),
        active=LOCAL_PAGE,
        golden=Sha256(""),
        fused=(),
        spare=(),
        turning=TurnRule(),
        replicas=(),
    )


def _copy(name: str, source: Path, target: Path) -> None:
    if not (target / name).exists():
        shutil.copyfile(source / name[:2] / name, target / name)
