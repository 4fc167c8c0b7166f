"""The graph coloured by device, with each frontier and its bytes.

Law: as the room's; where things are is `lanes.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partitioner.report.html.lanes import INPUT, Edge, Lanes, Row, edges_of, lanes_of, live_bytes, rows_of
from partitioner.report.html.markup import Markup, tag
from partitioner.report.html.palette import palette
from partitioner.report.quantities import milliseconds, size

Document = dict[str, Any]

Place = tuple[Lanes, dict[int, list[Document]]]

HIGH, CUT_HIGH, HEAD = 20, 44, 21  # pixels; as in style.py
COLUMN, MARGIN = 13, 14


def drawing(document: Document) -> Markup | None:
    """Return the section with the graph; None where the document has none, or too large a one."""
    graph = document.get("graph")
    if not graph or not graph["layers"]:
        return None
    rows = rows_of(graph)
    edges = edges_of(graph, rows)
    lanes = lanes_of(edges, len(rows))
    gaps = _gaps(graph, rows)
    return tag(
        "section",
        tag("h2", "The model, and where it is cut"),
        tag("p", _words(graph, rows), class_="soft small"),
        tag("div", _head(lanes), _canvas(document, rows, edges, (lanes, gaps)), class_="graph"),
        _legend(document),
        id="graph",
        class_="wide",
    )


def _words(graph: Document, rows: Sequence[Row]) -> str:
    runs = "" if len(rows) == len(graph["layers"]) else f", drawn as {len(rows)} runs"
    return (
        f"{graph['count']} layers{runs}, in the order in which they run. Lines are tensors; on the right, the time on "
        "the layer's own device and the bytes that a cut behind it would have to carry."
    )


def _gaps(graph: Document, rows: Sequence[Row]) -> dict[int, list[Document]]:
    """Return the frontiers in front of each row (the row that starts the next stage that holds layers)."""
    found: dict[int, list[Document]] = {}
    counts = [len(row.layers) for row in rows]
    for frontier in graph["frontiers"]:
        before, row = 0, 0
        while before < frontier["layers_before"]:
            before += counts[row]
            row += 1
        found.setdefault(row, []).append(frontier)
    return found


def _head(lanes: Lanes) -> Markup:
    return tag(
        "div",
        tag("span", "layer", class_="n"),
        tag("span", "time on its device", class_="t"),
        tag("span", class_="b"),
        tag("span", "cut bytes", class_="b"),
        class_="row head",
        style=f"padding-left:{_left(lanes)}px",
    )


def _left(lanes: Lanes) -> int:
    return 2 * MARGIN + lanes.width * COLUMN


def _canvas(
    document: Document,
    rows: Sequence[Row],
    edges: Sequence[Edge],
    place: Place,
) -> Markup:
    (lanes, gaps), colours = place, palette(document)
    slowest = max((_seconds(row) for row in rows), default=0.0) or 1.0
    live = live_bytes(edges, len(rows))
    left = f"padding-left:{_left(lanes)}px"
    lines = [tag("div", tag("span", "the caller's input", class_="n"), class_="row end", style=left)]
    for index, row in enumerate(rows):
        lines += [_cut(frontier, left) for frontier in gaps.get(index, [])]
        lines.append(_line(row, live[index], slowest, (left, colours)))
    lines.append(tag("div", tag("span", _answer(document), class_="n"), class_="row end", style=left))
    return tag("div", _svg(rows, edges, place, colours), lines, class_="canvas")


def _line(row: Row, live: int, slowest: float, look: tuple[str, dict[str, int]]) -> Markup:
    left, colours = look
    share = _seconds(row) / slowest * 100
    return tag(
        "div",
        tag("span", row.name, class_="n"),
        tag("span", tag("i", class_=f"d{colours[row.device]}", style=f"width:{share:.2f}%"), class_="t"),
        tag("span", milliseconds(_seconds(row)), class_="b"),
        tag("span", size(live) if live else "", class_="b"),
        class_="row",
        style=left,
        data_tip=_tip(row, live),
    )


def _seconds(row: Row) -> float:
    return sum(float(layer["seconds"].get(layer["device"], 0.0)) for layer in row.layers)


def _tip(row: Row, live: int) -> str:
    first = row.layers[0]
    title = row.name if len(row.layers) == 1 else f"{len(row.layers)} layers: {row.name}"
    devices = [
        f"{device}: {milliseconds(sum(layer['seconds'][device] for layer in row.layers))}"
        for device in first["seconds"]
    ]
    weights = sum(layer["weights"] for layer in row.layers)
    place = f"on {first['device']}, block {first['block']}, weights {size(weights)}"
    return "\n".join([title, place, *devices, f"a cut here carries {size(live)}"])


def _cut(frontier: Document, left: str) -> Markup:
    tensors = frontier["tensors"]
    codecs = ", ".join(sorted({one["codec"] for one in tensors}))
    several = f"{len(tensors)} tensors, " if len(tensors) != 1 else ""
    how = "as it is" if codecs == "raw" else f"{size(frontier['size'])} as {codecs}"
    return tag(
        "div",
        tag("b", f"{frontier['from']} → {frontier['to']}: {size(frontier['wire_bytes'])} on the wire"),
        tag("span", f"{several}{how}"),
        class_="cut",
        style=left,
        data_tip="\n".join(f"{one['tensor']}: {size(one['size'])}, {one['codec']}" for one in tensors),
    )


def _answer(document: Document) -> str:
    back = document["predicted"]["bytes_down"]
    return f"the answer goes home: {size(back)}" if back else "the answer is here"


def _svg(rows: Sequence[Row], edges: Sequence[Edge], place: Place, colours: dict[str, int]) -> Markup:
    lanes, gaps = place
    heights = _heights(len(rows), gaps)
    whole = heights[-1] + HIGH + HIGH // 2
    crossed = sorted(gaps)
    drawn = [
        tag("path", d=_path(edge, column, lanes, heights), class_=_edge_class(edge, crossed))
        for edge, column in zip(edges, lanes.columns, strict=True)
    ]
    dots = [
        tag("circle", cx=_x(column), cy=heights[index + 1], r=4.5, class_=f"n{colours[row.device]}")
        for index, (row, column) in enumerate(zip(rows, lanes.dots, strict=True))
    ]
    start = tag("circle", cx=_x(0), cy=heights[0], r=3.5, class_="nx")
    style = f"width:{_left(lanes)}px;height:{whole}px"
    return tag("svg", drawn, start, dots, style=style, aria_hidden="true")


def _edge_class(edge: Edge, crossed: Sequence[int]) -> str:
    crosses = any(edge.source < row <= edge.targets[-1] for row in crossed)
    return "edge cross" if crosses else "edge"


def _heights(count: int, gaps: dict[int, list[Document]]) -> list[int]:
    """Return the y of the input's row, then of each row."""
    heights, top = [HIGH // 2], HIGH
    for index in range(count):
        top += CUT_HIGH * len(gaps.get(index, []))
        heights.append(top + HIGH // 2)
        top += HIGH
    return heights


def _x(column: int) -> int:
    return MARGIN + column * COLUMN


def _path(edge: Edge, column: int, lanes: Lanes, heights: Sequence[int]) -> str:
    """Return a path from the source's dot down the edge's lane, with a branch to each target's dot."""
    start = heights[edge.source + 1]
    from_x = _x(0) if edge.source == INPUT else _x(lanes.dots[edge.source])
    lane = _x(column)
    parts = [f"M{from_x} {start}", _bend(from_x, start, lane, start + HIGH // 2)]
    for target in edge.targets:
        y = heights[target + 1]
        parts.append(f"M{lane} {start + HIGH // 2}L{lane} {y - HIGH // 2}")
        parts.append(_bend(lane, y - HIGH // 2, _x(lanes.dots[target]), y))
        start = y - HIGH
    return "".join(parts)


def _bend(x: int, y: int, to_x: int, to_y: int) -> str:
    if x == to_x:
        return f"L{to_x} {to_y}"
    middle = (y + to_y) / 2
    return f"C{x} {middle} {to_x} {middle} {to_x} {to_y}"


def _legend(document: Document) -> Markup:
    used = {layer["device"] for layer in document["graph"]["layers"]}
    colours = palette(document)
    keys = [
        tag("span", tag("i", class_=f"d{colours[one]}"), f"runs on {one}") for one in colours if one in used
    ]
    return tag("div", keys, class_="legend")
