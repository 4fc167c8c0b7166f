"""The pieces of the active page, cut as one block each, and those of the pages that an entry may turn to.

Law: runs in the worker process; cuts what the draft says and decides nothing (`partitioner.book.fusing` did, and
costed the pages by it).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from partitioner.book import Draft, Piece
from partitioner.compiled import CompiledModel
from partitioner.onnx_io import CutBlock, Cutter
from partitioner.plan import Fused

Cuts = list[tuple[Fused, CutBlock]]


def fuse(directory: Path, compiled: CompiledModel, draft: Draft) -> tuple[Cuts, Cuts]:
    """Return the pieces of the draft's active page, and its spare ones, each with the block to keep for it.

    They are numbered behind the book's own blocks.
    """
    cutter = Cutter(directory, compiled)
    active = _cut(cutter, draft, draft.chosen.pieces, len(draft.boundaries) - 1)
    spare = _cut(cutter, draft, draft.spare, len(draft.boundaries) - 1 + len(active))
    return active, spare


def _cut(cutter: Cutter, draft: Draft, pieces: Sequence[Piece], index: int) -> Cuts:
    found = []
    for number, piece in enumerate(pieces, index):
        cut = cutter.block(number, draft.boundaries[piece.first], draft.boundaries[piece.last])
        found.append((Fused(piece.device, piece.first, piece.last, cut.block), cut))
    return found
