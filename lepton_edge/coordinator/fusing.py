"""Stages of the active page as one block each, where memory allows.

Law: runs in the worker process; decides which runs of blocks are worth a second session and cuts them. A
book's pages share blocks, so a page pays for every boundary of the book; the page that requests really take
need not. Pseudo-nodes stay blocks of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lepton_edge.coordinator.placement import fits
from partitioner.compiled import CompiledModel
from partitioner.graph import needed_boundaries
from partitioner.onnx_io import CutBlock, Cutter
from partitioner.plan import Block, Fused, Page, Stage
from partitioner.units import BlockIndex, Bytes, DeviceId

Boundaries = tuple[frozenset[int], ...]
LEAST_BLOCKS = 2


def fuse(
    directory: Path,
    compiled: CompiledModel,
    boundaries: Boundaries,
    active: Page,
    memory: Mapping[DeviceId, Bytes],
) -> list[tuple[Fused, CutBlock]]:
    """Return the stages of `active` that are worth a block of their own, and what to keep of each.

    `boundaries` are the book's, from the empty down-set to the full one; `memory` is what each device has for
    models, in bytes (0, or not there: not known, and trusted).
    """
    cutter = Cutter(directory, compiled)
    count = len(boundaries) - 1
    found: list[tuple[Fused, CutBlock]] = []
    for stage in active.stages:
        begin = _behind_pseudo(compiled, stage)
        if stage.last - begin < LEAST_BLOCKS or not _room(compiled, stage, boundaries, memory):
            continue
        pairs = list(zip(boundaries, boundaries[1:], strict=False))[begin : stage.last]
        for first, last in runs([cutter.block(0, inner, outer).block for inner, outer in pairs]):
            ends = begin + first, begin + last
            cut = cutter.block(count + len(found), boundaries[ends[0]], boundaries[ends[1]])
            found.append((Fused(stage.device, BlockIndex(ends[0]), BlockIndex(ends[1]), cut.block), cut))
    return found


def runs(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """Return the runs [first, last) of a stage's blocks that become one block each.

    What prepares one picture is not fused with a model that several requests may share a run of: together they could
    not, and between them lies the model's own input, where a boundary costs next to nothing.
    """
    rows = [block.has_rows for block in blocks]
    border = len(rows) - next((at for at, has in enumerate(reversed(rows)) if not has), len(rows))
    parts = ((0, border), (border, len(blocks)))
    return [(first, last) for first, last in parts if last - first >= LEAST_BLOCKS]


def may_fuse(compiled: CompiledModel, weights: Bytes, memory: Bytes) -> bool:
    """Return whether a device holds all weights, and `weights` bytes of a fused stage beside them."""
    return fits(Bytes(sum(ref.length for ref in compiled.weights) + weights), memory)


def _room(
    compiled: CompiledModel, stage: Stage, boundaries: Boundaries, memory: Mapping[DeviceId, Bytes]
) -> bool:
    layers = boundaries[stage.last] - boundaries[stage.first]
    names = {name for index in layers for name in compiled.graph.layers[index].weight_names}
    held = Bytes(sum(ref.length for ref in compiled.weights if ref.name in names))
    return may_fuse(compiled, held, memory.get(stage.device, Bytes(0)))


def _behind_pseudo(compiled: CompiledModel, stage: Stage) -> int:
    """Return the first block of `stage` that the engine runs; each pseudo-node is a block at the beginning."""
    return max(int(stage.first), len(needed_boundaries(compiled.graph)))
