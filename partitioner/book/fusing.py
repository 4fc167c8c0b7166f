"""Which blocks of a stage run as one piece: decided here alone, for what is predicted and for what is cut.

Law: pure. Pages share blocks, so a page pays for every boundary of the book; the page that requests really take
need not, where its device has memory for its stage once more, beside all blocks. Pseudo-nodes stay blocks of their
own, since no engine runs them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

from partitioner.book.draft import Candidate, Piece
from partitioner.graph import CostGraph, frontiers, needed_boundaries
from partitioner.plan import have_rows
from partitioner.solve.costing import weights_of
from partitioner.solve.problem import Device, Problem
from partitioner.units import BlockIndex, Bytes, DeviceId

DownSet = frozenset[int]
Cuts = tuple[DownSet, ...]
Run = tuple[int, int]
"""Blocks [first, last) that run as one piece."""

LEAST_BLOCKS = 2
MEGA = 1e6


class Pieces:
    """The pieces that stages over the boundaries `cuts` run in, on the devices of a problem; each is looked at once."""

    def __init__(self, problem: Problem, cuts: Cuts) -> None:
        self._problem, self._cuts = problem, cuts
        self._rows = rows(problem.graph, cuts)
        pseudo = set(needed_boundaries(problem.graph))
        self._begin = sum(cut in pseudo for cut in cuts)  # each of the first blocks is a pseudo-node
        self._known: dict[tuple[DeviceId, int, int], Bytes] = {}

    def of(self, device: Device, first: int, last: int) -> list[Run]:
        """Return the runs of blocks that `device` runs as one piece each in the stage [first, last)."""
        found = self._worth(first, last)
        return [] if found and self._excess(device, first, last) else found

    def why_not(self, device: Device, first: int, last: int) -> str:
        """Return what `device` lacks to run the stage in one piece; nothing where it does, or need not."""
        needs = self._excess(device, first, last) if self._worth(first, last) else 0
        if not needs:
            return ""
        return (
            f"{device.name} runs its part block by block, which is slower: to hold it in one piece as well takes "
            f"{needs / MEGA:.1f} MB, and it has {device.memory / MEGA:.1f} MB"
        )

    def ends(self, device: Device, first: int, last: int) -> Cuts:
        """Return the boundaries that the stage [first, last) of `device` runs through."""
        inside = {index for begin, end in self.of(device, first, last) for index in range(begin + 1, end)}
        return tuple(self._cuts[index] for index in range(first, last + 1) if index not in inside)

    def _worth(self, first: int, last: int) -> list[Run]:
        begin = max(first, self._begin)
        return [(begin + one, begin + end) for one, end in runs(self._rows[begin:last])]

    def _excess(self, device: Device, first: int, last: int) -> Bytes:
        """Return the bytes that `device` would need, where it has less; 0 where the stage fits once more."""
        key = device.name, first, last
        if device.memory > 0 and key not in self._known:
            layers = self._cuts[last] - self._cuts[max(first, self._begin)]
            self._known[key] = once_more(self._problem, device, layers)
        return self._known[key] if 0 < device.memory < self._known[key] else Bytes(0)


def in_pieces(problem: Problem, candidate: Candidate, pieces: Pieces) -> Candidate:
    """Return the candidate of `problem`, with the pieces that its stages run in; none where it cannot run at all."""
    if not candidate.in_book:  # it may even be divided where the book has no boundary
        return dataclasses.replace(candidate, fused=True)
    stages = list(zip(problem.devices, candidate.page.stages, strict=True))
    found = tuple(
        Piece(device.name, BlockIndex(first), BlockIndex(last))
        for device, stage in stages
        for first, last in pieces.of(device, stage.first, stage.last)
    )
    left = (pieces.why_not(device, stage.first, stage.last) for device, stage in stages)
    return dataclasses.replace(candidate, fused=True, pieces=found, blockwise=tuple(filter(None, left)))


def once_more(problem: Problem, device: Device, layers: DownSet) -> Bytes:
    """Return the bytes a device needs for every block, for `layers` a second time, and for activations; with headroom.

    Activations count as they do for any plan: those of one run, and where the profile measured their peak.
    """
    everything = range(len(problem.graph.layers))
    twice = (weights_of(problem, device.name, held) for held in (everything, layers))
    held = sum(twice) + max(device.activations, default=0)
    return Bytes(math.ceil(held * (1 + problem.headroom) * (1 - 1e-12)))


def runs(has_rows: Sequence[bool]) -> list[Run]:
    """Return the runs [first, last) of a stage's blocks that become one piece each.

    What prepares one picture is not fused with a model that several requests may share a run of: together they could
    not, and between them lies the model's own input, where a boundary costs next to nothing.
    """
    border = len(has_rows) - next((at for at, has in enumerate(reversed(has_rows)) if not has), len(has_rows))
    parts = ((0, border), (border, len(has_rows)))
    return [(first, last) for first, last in parts if last - first >= LEAST_BLOCKS]


def rows(graph: CostGraph, cuts: Cuts) -> list[bool]:
    """Return, for each block between `cuts`, whether requests may share a run of it (see `Block.has_rows`)."""
    live = frontiers(graph, cuts)
    outputs = [one for one in graph.tensors if one.is_output]
    found = []
    for index, (inner, outer) in enumerate(itertools.pairwise(cuts)):
        layers = outer - inner
        entering = [one.shape for one in live[index] if not layers.isdisjoint(one.consumers)]
        leaving = [one.shape for one in (*live[index + 1], *outputs) if one.producer in layers]
        found.append(have_rows(entering, leaving))
    return found
