"""The pieces of the active page, cut as one block each.

Law: runs in the worker process; cuts what the draft says and decides nothing (`partitioner.book.fusing` did, and
costed the page by it).
"""

from __future__ import annotations

from pathlib import Path

from partitioner.book import Draft
from partitioner.compiled import CompiledModel
from partitioner.onnx_io import CutBlock, Cutter
from partitioner.plan import Fused


def fuse(directory: Path, compiled: CompiledModel, draft: Draft) -> list[tuple[Fused, CutBlock]]:
    """Return each piece of the draft's active page, and the block to keep for it; numbered behind the book's own."""
    cutter, bounds = Cutter(directory, compiled), draft.boundaries
    found = []
    for index, piece in enumerate(draft.chosen.pieces, len(bounds) - 1):
        cut = cutter.block(index, bounds[piece.first], bounds[piece.last])
        found.append((Fused(piece.device, piece.first, piece.last, cut.block), cut))
    return found
