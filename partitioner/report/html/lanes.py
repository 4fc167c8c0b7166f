"""Where the layers and tensors of a graph are drawn: one row a layer, one lane a tensor that is alive.

Law: geometry over the document's graph; no markup. Rows are sorted by stage, then by the graph's own order, which
is a topological order too, since the stages up to any one are a down-set: so a frontier lies between two rows,
and what crosses it is what passes that gap. Graphs beyond `MOST_ROWS` are drawn as runs of layers; lanes beyond
`MOST_LANES` share the last one. Everything is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

MOST_ROWS = 300
RUNS = 120
MOST_LANES = 12
INPUT, OUTPUT = -1, -2


@dataclass(frozen=True)
class Row:
    """One layer, or a run of neighbouring layers of one stage and block."""

    layers: tuple[Document, ...]

    @property
    def stage(self) -> int:
        """The stage that runs it."""
        return int(self.layers[0]["stage"])

    @property
    def device(self) -> str:
        """The device that runs it."""
        return str(self.layers[0]["device"])

    @property
    def name(self) -> str:
        """The layer's name, or the first one's and how many follow."""
        first = str(self.layers[0]["name"])
        return first if len(self.layers) == 1 else f"{first} … {self.layers[-1]['name']}"


@dataclass(frozen=True)
class Edge:
    """Tensors made in one row and needed in later ones; a source of -1 is the caller."""

    source: int
    targets: tuple[int, ...]
    size: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Lanes:
    """The drawing: the column of each row's dot, the column of each edge, and how many columns there are."""

    dots: tuple[int, ...]
    columns: tuple[int, ...]
    width: int


def rows_of(graph: Document) -> list[Row]:
    """Return the rows of a graph, from the input to the output."""
    layers = sorted(graph["layers"], key=lambda layer: (layer["stage"], layer["index"]))
    if len(layers) <= MOST_ROWS:
        return [Row((layer,)) for layer in layers]
    return list(_runs(layers, -(-len(layers) // RUNS)))


def _runs(layers: Sequence[Document], longest: int) -> Iterable[Row]:
    run: list[Document] = []
    for layer in layers:
        if run and (len(run) == longest or _place(run[0]) != _place(layer)):
            yield Row(tuple(run))
            run = []
        run.append(layer)
    yield Row(tuple(run))


def _place(layer: Document) -> tuple[int, int]:
    return layer["stage"], layer["block"]


def edges_of(graph: Document, rows: Sequence[Row]) -> list[Edge]:
    """Return what runs between the rows; tensors with the same source and the same targets are one edge."""
    row_of = {layer["index"]: index for index, row in enumerate(rows) for layer in row.layers}
    found: dict[tuple[int, tuple[int, ...]], list[Document]] = {}
    for tensor in graph["tensors"]:
        source = row_of[tensor["producer"]] if tensor["producer"] >= 0 else INPUT
        targets = tuple(sorted({row_of[one] for one in tensor["consumers"]} - {source}))
        if targets:
            found.setdefault((source, targets), []).append(tensor)
    edges = [
        Edge(source, targets, sum(one["size"] for one in several), tuple(one["name"] for one in several))
        for (source, targets), several in found.items()
    ]
    return sorted(edges, key=lambda edge: (edge.source, edge.targets[-1]))


def live_bytes(edges: Sequence[Edge], count: int) -> list[int]:
    """Return the bytes that would cross a cut behind each of `count` rows."""
    steps = [0] * (count + 1)
    for edge in edges:
        steps[max(edge.source, 0)] += edge.size
        steps[edge.targets[-1]] -= edge.size
    live, found = 0, []
    for step in steps[:count]:
        live += step
        found.append(live)
    return found


def lanes_of(edges: Sequence[Edge], count: int) -> Lanes:
    """Give each row's dot and each edge a column, as few as greedy reuse from top to bottom needs."""
    made: dict[int, list[int]] = {}
    ending: dict[int, list[int]] = {}
    for index, edge in enumerate(edges):
        made.setdefault(edge.source, []).append(index)
        ending.setdefault(edge.targets[-1], []).append(index)
    columns = [0] * len(edges)
    busy: set[int] = set()
    _open(made.get(INPUT, []), 0, busy, columns)
    dots: list[int] = []
    for row in range(count):
        freed = [columns[index] for index in ending.get(row, [])]
        busy -= set(freed)
        dots.append(freed[-1] if freed else _free(busy))  # of the latest source: a chain stays straight
        _open(made.get(row, []), dots[-1], busy, columns)
    return Lanes(tuple(dots), tuple(columns), 1 + max([*dots, *columns], default=0))


def _open(edges: Iterable[int], first: int, busy: set[int], columns: list[int]) -> None:
    """Give each of `edges` a column that is free: the dot's own to the first of them."""
    for index in edges:
        columns[index] = first if first not in busy else _free(busy)
        busy.add(columns[index])


def _free(busy: set[int]) -> int:
    return next((column for column in range(MOST_LANES - 1) if column not in busy), MOST_LANES - 1)
