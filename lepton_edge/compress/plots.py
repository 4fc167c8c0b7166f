"""The report of a search as one HTML page that opens offline: size and time against the score, and every candidate.

Law: knows the document "lepton-edge/compress/1" and geometry; asks no network, runs no model. Every word of the
document passes `markup.tag`, which escapes it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from lepton_edge.compress.report import span
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
    round_ticks,
    short_size,
    short_time,
    svg,
    x_tick,
    y_tick,
)
from partitioner.report.html.markup import Markup, tag
from partitioner.report.html.style import SCRIPT, STYLE
from partitioner.report.html.tables import table
from partitioner.report.quantities import digits, size

Document = dict[str, Any]
Reading = Callable[[Document], float]


def page(document: Document) -> str:
    """Return a whole HTML page, in UTF-8 when it is written, about the report `document`."""
    devices = [one["device"] for one in document["original"]["timings"]]
    charts = [_against("size", "Size against the score", document, _bytes, short_size)]
    for number, device in enumerate(devices):
        title = f"Time on {device} against the score"
        charts.append(_against(f"time-{number}", title, document, _time(document, number), short_time))
    sections = [*charts, _candidates(document), _notes(document)]
    body = tag(
        "body",
        _headline(document),
        tag("main", tag("div", [one for one in sections if one is not None], class_="grid")),
        tag("footer", tag("code", str(document["schema"]))),
        tag("div", id="tip", hidden="", role="status"),
        tag("script", Markup(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(document), body, lang='en')}\n"


def _head(document: Document) -> Markup:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # or a browser asks a server for one
        tag("title", f"{document['model']}: compressed"),
        tag("style", Markup(STYLE)),
    )


def _headline(document: Document) -> Markup:
    best, budget = document["best"], document["budget"]
    wanted = "smallest" if budget["objective"] == "size" else "fastest"
    told = (
        f"The {wanted} that loses at most {100 * budget['max_drop']:g} points: {best['called']}"
        if best
        else f"No candidate loses at most {100 * budget['max_drop']:g} points and is the better for it"
    )
    counted = f"{len(document['candidates'])} candidates; it ended with {document['ended']}."
    return tag(
        "header", tag("h1", str(document["model"])), tag("p", told, class_="choice"), tag("p", counted)
    )


def _bytes(one: Document) -> float:
    return float(min(one["size"], one["stored"]) if one["stored"] else one["size"])


def _time(document: Document, number: int) -> Reading:
    """Return what reads a candidate's time on a device, as if the original had taken what it took first.

    Candidates are timed beside the original in different minutes, in which a machine has different speeds.
    """
    base = float(document["original"]["timings"][number]["median"])

    def read(one: Document) -> float:
        if number >= min(len(one["timings"]), len(one["originals"])):
            return 0.0
        mine, its = (float(one[key][number]["median"]) for key in ("timings", "originals"))
        return base * mine / its if its > 0 else 0.0

    return read


def _against(
    name: str, title: str, document: Document, read: Reading, words: Callable[[float], str]
) -> Markup | None:
    """Return a chart of the score over what `read` reads, with the original, and the budget as a line."""
    points = [
        one for one in [document["original"], *document["candidates"]] if one["score"] and read(one) > 0
    ]
    if len(points) < 2:
        return None
    floor = document["original"]["score"]["mean"] - document["budget"]["max_drop"]
    scores = [one["score"]["mean"] for one in points]
    low = min(floor, max(min(scores), floor - 6 * max(document["budget"]["max_drop"], 0.005)))
    margin = (max(scores) - low) * 0.08 or 0.01
    across = linear(0, max(map(read, points)) * 1.08, LEFT, WIDTH - RIGHT)
    up = linear(low - margin, max(scores) + margin, HIGH - BOTTOM, TOP)
    shown = [one for one in points if one["score"]["mean"] >= low]
    dots = [_dot(one, document, across(read(one)), up(one["score"]["mean"])) for one in shown]
    below = [x_tick(across(tick), words(tick)) for tick in round_ticks(max(map(read, points)))]
    hidden = len(points) - len(shown)
    more = f" {hidden} far worse are only in the table." if hidden else ""
    said = f"Left and up is better; the line is the budget.{more} {_LEGEND}"
    drawn = svg(title, _score_axis(low, max(scores), up), below, _line(up(floor)), dots)
    return chart(name, title, said, drawn)


_LEGEND = "Large and grey: the original; large and black: the best; blue: may be used; orange: rejected."


def _score_axis(low: float, high: float, up: Scale) -> list[list[Markup]]:
    step = (high - low) / 3 or 0.01
    return [y_tick(up(low + step * turn), f"{low + step * turn:.3f}") for turn in range(4)]


def _line(y: float) -> Markup:
    return tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="now")


def _dot(one: Document, document: Document, x: float, y: float) -> Markup:
    best = document["best"]
    chosen = best is not None and one["recipe"] == best["recipe"]
    original = one is document["original"]
    colour = "nx" if original else "nk" if chosen else "n1" if one["rejected"] else "n0"
    called = "the original" if original else one["called"]
    told = [called, _figures(one), one["rejected"] and f"rejected: {one['rejected']}"]
    tip = "\n".join(line for line in told if line)
    return tag(
        "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=7 if chosen or original else 5, class_=colour, data_tip=tip
    )


def _figures(one: Document) -> str:
    times = [f"{span(each['median'])} on {each['device']}" for each in one["timings"]]
    return ", ".join([size(_bytes(one)), f"{one['score']['metric']} {digits(one['score']['mean'])}", *times])


def _candidates(document: Document) -> Markup:
    rows = [_row(document["original"], "the original", "")]
    rows += [_row(one, one["called"], one["rejected"]) for one in document["candidates"]]
    headings = ("recipe", "bytes", "score", "worst", "time", "why not")
    return tag(
        "section", tag("h2", "Every candidate"), table(headings, rows, {1, 2, 3, 4}), id="all", class_="wide"
    )


def _row(one: Document, called: str, rejected: str) -> Sequence[object]:
    score = one["score"] or {"mean": None, "worst": None}
    pairs = zip(one["timings"], one["originals"], strict=False)
    times = ", ".join(f"{span(mine['median'])} of {span(its['median'])}" for mine, its in pairs)
    shown = (f"{score[key]:.4f}" if score[key] is not None else "" for key in ("mean", "worst"))
    return (called, size(_bytes(one)) if one["size"] else "", *shown, times, rejected)


def _notes(document: Document) -> Markup | None:
    if not document["notes"]:
        return None
    return tag(
        "section", tag("h2", "To read the figures"), [tag("p", one) for one in document["notes"]], id="notes"
    )
