"""What is said in rows and sentences: tensors that cross, memory, changes, proof, devices and link.

Law: as the room's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from partitioner.report.html.markup import Markup, tag
from partitioner.report.html.palette import palette
from partitioner.report.quantities import digits, milliseconds, percent, sentence, size
from partitioner.report.sentences import (
    bound_lines,
    change_lines,
    limit_lines,
    link_line,
    load_line,
    regret_line,
)

Document = dict[str, Any]


def crossing(document: Document) -> Markup | None:
    """Return the tensors that cross the link, with their codecs and bytes."""
    rows = document["frontier"]
    if not rows:
        return None
    cells = [
        (
            tag("code", one["tensor"]),
            _type(one),
            size(one["size"]),
            _whole(one["codec"]),
            size(one["wire_bytes"]),
        )
        for one in rows
    ]
    headings = ("tensor", "type", "size", "codec", "on the wire")
    return _section("crossing", "What crosses the link", table(headings, cells, {2, 4}))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], right: set[int]) -> Markup:
    """Return a table; the columns whose numbers are in `right` are set flush right."""
    classes = ["right" if index in right else None for index in range(len(headings))]
    head = [tag("th", words, class_=one) for words, one in zip(headings, classes, strict=True)]
    body = [
        tag("tr", [tag("td", cell, class_=one) for cell, one in zip(row, classes, strict=True)])
        for row in rows
    ]
    return tag("div", tag("table", tag("thead", tag("tr", head)), tag("tbody", body)), class_="scroll")


def variants(document: Document) -> Markup | None:
    """Return who may run which precision of the model, what each way would take, and which was taken."""
    told = document.get("variants")
    if not told:
        return None
    kinds = told.get("precisions") or {}
    ways = sorted(told["ways"], key=lambda way: float(way["seconds"]))
    cells = [
        (
            tag("b", way["label"]) if way["label"] == told["label"] else way["label"],
            " and ".join(dict.fromkeys(kinds.values())) if way["label"] == told["label"] else "",
            way["page"],
            milliseconds(way["seconds"]),
        )
        for way in ways
    ]
    return _section(
        "variants",
        "Which precision runs where",
        table(("who runs what", "taken as", "page", "predicted"), cells, {3}),
    )


def memory(document: Document) -> Markup | None:
    """Return what each device needs, in parts, against what it has."""
    rows = document.get("memory")
    if not rows:
        return None
    colours = palette(document)
    widest = max(max(row["needed"], row["limit"]) for row in rows) or 1
    return _section(
        "memory",
        "Memory on each device",
        tag("p", "So that every plan of the book can run at once.", class_="soft small"),
        [_needs(colours[row["device"]], row, widest) for row in rows],
        _memory_legend(rows),
    )


def _needs(colour: int, row: Document, widest: float) -> Markup:
    parts = (row["weights"], row["activations"], row["needed"] - row["weights"] - row["activations"])
    pieces, left = [], 0.0
    for part, look in zip(parts, (f"d{colour}", "wire", "ghost"), strict=True):
        pieces.append(tag("i", class_=look, style=f"left:{left:.3f}%;width:{part / widest * 100:.3f}%"))
        left += part / widest * 100
    if row["limit"]:
        pieces.append(tag("u", style=f"left:{row['limit'] / widest * 100:.3f}%"))
    has = f"of {size(row['limit'])}" if row["limit"] else "no limit"
    return tag(
        "div",
        tag("div", row["device"], class_="title"),
        tag("div", pieces, class_="bar"),
        tag("div", size(row["needed"]), tag("div", has, class_="soft small"), class_="figure num"),
        class_="plan slim",
        data_tip=_needs_in_words(row),
    )


def _needs_in_words(row: Document) -> str:
    how = "measured" if row["activations_measured"] else "from tensor sizes"
    lines = [
        f"{row['device']}: {row['layers']} layers",
        f"weights {size(row['weights'])}",
        f"activations {size(row['activations'])} ({how})",
        f"headroom {row['headroom']:.0%}",
    ]
    return "\n".join(lines)


def _memory_legend(rows: Sequence[Document]) -> Markup:
    headroom = f"{rows[0]['headroom']:.0%} headroom"
    keys = [("d0", "weights"), ("wire", "largest activations"), ("ghost", headroom)]
    keys += [("mark", "what it has")] if any(row["limit"] for row in rows) else []
    return tag("div", [tag("span", tag("i", class_=one), words) for one, words in keys], class_="legend")


def changes(document: Document) -> Markup | None:
    """Return what would change the decision."""
    lines = change_lines(document)
    words = tag("p", "Each plan judged in one piece, as it would run if it were chosen.", class_="soft small")
    return _section("changes", "What would change the decision", words, _list(lines)) if lines else None


def proof(document: Document) -> Markup:
    """Return what is proven, how, what the book gives away, and how well the predictor did."""
    lines = [*bound_lines(document), *regret_line(document), *limit_lines(document)]
    lines += [
        f"On {one['device']} the predictor errs by {percent(one['predictor_error'])} (one sigma) of a segment"
        for one in document["devices"]
    ]
    return _section("proof", "What is proven, and what is not", _list(lines))


def devices(document: Document) -> Markup:
    """Return the devices and the link that all of this was worked out for."""
    rows = [
        (
            tag("span", one["device"], _notes(one)),
            _whole(one["role"]),
            f"{one['whole'] * 1e3:.1f} ± {one['whole_spread'] * 1e3:.1f} ms",
            one["threads"],
            one["runs"],
        )
        for one in document["devices"]
    ]
    headings = ("device", "role", "whole model", "threads", "runs")
    lines = [*link_line(document), *load_line(document)]
    return _section(
        "devices",
        "Devices and link",
        table(headings, rows, {2, 3, 4}),
        [tag("p", sentence(line), class_="small soft") for line in lines],
    )


def _notes(device: Document) -> list[Markup]:
    notes = []
    if device["simulated"]:
        notes.append(f"simulated {digits(device['simulated_slowdown'])}x slower")
    if device.get("estimated_from"):
        notes.append(f"estimated from {device['estimated_from']}")
    return [tag("span", note, class_="tagged warn") for note in notes]


def _whole(word: str) -> Markup:
    return tag("span", word, class_="whole")


def _type(one: Document) -> str:
    return f"{one['dtype']} [{', '.join(map(str, one['shape']))}]"


def _list(lines: Iterable[str]) -> Markup:
    return tag("ul", [tag("li", sentence(line)) for line in lines])


def _section(name: str, title: str, *children: object) -> Markup:
    return tag("section", tag("h2", title), *children, id=name)
