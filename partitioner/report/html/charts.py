"""Charts: bytes at each cut, and the Pareto front.

Law: as the room's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partitioner.report.html.axes import (
    BOTTOM,
    HIGH,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    chart,
    linear,
    log_up,
    round_ticks,
    short_size,
    short_time,
    svg,
    x_tick,
    y_axis,
    y_tick,
)
from partitioner.report.html.lanes import Row, edges_of, live_bytes, rows_of
from partitioner.report.html.markup import Markup, tag
from partitioner.report.html.palette import palette
from partitioner.report.html.tables import table
from partitioner.report.quantities import digits, joules, milliseconds, per_second, size

Document = dict[str, Any]


def landscape(document: Document) -> Markup | None:
    """Return the bytes that a cut would have to carry, along the model, with the frontiers of the plan."""
    graph = document.get("graph")
    if not graph or len(graph["layers"]) < 2:
        return None
    rows = rows_of(graph)
    live = [max(one, 1) for one in live_bytes(edges_of(graph, rows), len(rows))][:-1]
    across, up = linear(0, len(rows), LEFT, WIDTH - RIGHT), log_up(min(live), max(live))
    counted = [0]
    for row in rows:
        counted.append(counted[-1] + len(row.layers))
    cuts = [_cut_line(one, index, counted, across) for index, one in enumerate(graph["frontiers"])]
    drawn = svg(
        "bytes at each cut", y_axis(min(live), max(live), up, short_size), _area(live, across, up), cuts,
        tag("text", "input", x=LEFT, y=HIGH - 18),
        tag("text", "output", x=WIDTH - RIGHT, y=HIGH - 18, text_anchor="end"),
        tag("g", _bands(rows, across, palette(document))),
    )  # fmt: skip
    words = "Uncompressed, on a log scale; a cut is cheap where the curve is low."
    return chart("landscape", "Bytes at each cut", words, drawn)


def _area(live: Sequence[int], across: Scale, up: Scale) -> Markup:
    points = [f"{across(index + 1):.1f} {up(one):.1f}" for index, one in enumerate(live)]
    floor = HIGH - BOTTOM
    first, last = across(1), across(len(live))
    return tag("path", d=f"M{first:.1f} {floor}L{'L'.join(points)}L{last:.1f} {floor}Z", class_="area")


def _bands(rows: Sequence[Row], across: Scale, colours: dict[str, int]) -> list[Markup]:
    y = HIGH - BOTTOM
    return [
        tag(
            "rect", x=f"{across(index):.2f}", y=y, width=f"{across(index + 1) - across(index) + 0.2:.2f}", height=5,
            class_=f"n{colours[row.device]}",
        )
        for index, row in enumerate(rows)
    ]  # fmt: skip


def _cut_line(frontier: Document, index: int, counted: Sequence[int], across: Scale) -> list[Markup]:
    x = across(counted.index(frontier["layers_before"]))
    side = "start" if x < WIDTH / 2 else "end"
    shift = 5 if x < WIDTH / 2 else -5
    return [
        tag("line", x1=x, x2=x, y1=TOP - 4, y2=HIGH - BOTTOM, class_="now"),
        tag(
            "text",
            f"cut: {size(frontier['size'])}",
            x=x - shift,
            y=TOP - 7 + 13 * index,
            text_anchor=side,
            class_="ink",
        ),
    ]


def pareto(document: Document) -> Markup | None:
    """Return the Pareto front: what a plan gains in throughput, energy or bytes for its latency."""
    front = document.get("pareto")
    if not front:
        return None
    drawn = _scatter(front) if len(front) > 1 else None
    cells = [_front_row(one) for one in front]
    declared = any(one["energy"] for one in front)
    headings = ("plan", "latency", "pipelined", "energy*" if declared else "energy", "sent")
    note = tag("p", "* from watts that a person declared", class_="small soft") if declared else None
    words = "No plan is better than one of these in every respect."
    shown = table(headings, cells, {1, 2, 3, 4})
    return chart("pareto", "Pareto front", words, drawn, shown, note)


def _front_row(one: Document) -> tuple[object, ...]:
    label = tag("b", one["label"]) if one["chosen"] else one["label"]
    return (
        label, milliseconds(one["latency"]), per_second(one["throughput"]), joules(one["energy"]), size(one["egress"]),
    )  # fmt: skip


def _scatter(front: Sequence[Document]) -> Markup:
    known = [one for one in front if one["throughput"] is not None]
    longest = max((one["latency"] for one in known), default=1.0) * 1.08
    highest = max((one["throughput"] for one in known), default=1.0) * 1.1
    across, up = linear(0, longest, LEFT, WIDTH - RIGHT), linear(0, highest, HIGH - BOTTOM, TOP)
    dots = [_dot(one, across(one["latency"]), up(one["throughput"])) for one in known]
    below = [x_tick(across(tick), short_time(tick)) for tick in round_ticks(longest)]
    beside = [y_tick(up(tick), f"{digits(tick)}/s") for tick in round_ticks(highest)]
    return svg("throughput against latency", beside, below, dots)


def _dot(one: Document, x: float, y: float) -> Markup:
    radius, colour = (7, "nk") if one["chosen"] else (5, "n0")
    tip = f"{one['label']}\n{milliseconds(one['latency'])}, {per_second(one['throughput'])}"
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius, class_=colour, data_tip=tip)
