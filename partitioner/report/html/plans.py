"""The candidates side by side, and why not another one.

Law: as the room's. All bars have one linear scale, so that lengths compare.
"""

from __future__ import annotations

from typing import Any

from partitioner.report.html.markup import Markup, tag
from partitioner.report.quantities import joules, milliseconds, per_second, sentence, size
from partitioner.report.sentences import run_line

Document = dict[str, Any]

PARTS = (
    ("board", "d0", "board"),
    ("uplink", "wire", "way up"),
    ("cloud", "d1", "cloud"),
    ("downlink", "home", "way back"),
)


ONE_REQUEST = "One request from the application and back to it"


def plans(document: Document) -> Markup:
    """Return every candidate as a bar: where its time goes, predicted, and measured where that is known."""
    rows = sorted(document["candidates"], key=lambda row: not row["eligible"])
    longest = max(_length(row) for row in rows) or 1.0
    measured = any(row.get("measured") is not None for row in rows)
    return tag(
        "section",
        tag("h2", "What was considered"),
        [tag("p", sentence(line), class_="soft small") for line in (ONE_REQUEST, *run_line(document))],
        [_plan(row, longest) for row in rows],
        _legend(measured),
        id="plans",
        class_="wide",
    )


def _length(row: Document) -> float:
    return float(max(row["predicted"]["latency"], row.get("measured") or 0.0))


def _plan(row: Document, longest: float) -> Markup:
    state = "on" if row["chosen"] else "" if row["eligible"] else "off"
    return tag(
        "div",
        tag("div", row["label"], _tags(row), class_="title"),
        _bar(row, longest),
        _figure(row),
        None if row["eligible"] else tag("div", f"Not eligible: {row['why_not']}", class_="why"),
        class_=f"plan {state}".strip(),
        data_tip=_details(row),
    )


def _tags(row: Document) -> list[Markup]:
    tags = [tag("span", "chosen", class_="tagged good")] if row["chosen"] else []
    return tags + ([tag("span", "best cut", class_="tagged")] if row["best_cut"] else [])


def _bar(row: Document, longest: float) -> Markup:
    pieces, left = [], 0.0
    for part, colour, _ in PARTS:
        width = row["predicted"][part] / longest * 100
        if width > 0:
            pieces.append(tag("i", class_=colour, style=f"left:{left:.3f}%;width:{width:.3f}%"))
        left += width
    if row.get("measured") is not None:
        pieces.append(tag("u", style=f"left:{row['measured'] / longest * 100:.3f}%"))
    return tag("div", pieces, class_="bar", role="img", aria_label=_details(row))


def _figure(row: Document) -> Markup:
    one = row["predicted"]
    figure = f"{one['latency'] * 1e3:.1f} ± {one['spread'] * 1e3:.1f} ms"
    seen = row.get("measured")
    below = f"measured {milliseconds(seen)}" if seen is not None else f"{size(one['bytes_up'])} sent"
    return tag("div", tag("div", figure), tag("div", below, class_="soft small"), class_="figure num")


def _details(row: Document) -> str:
    one = row["predicted"]
    parts = [f"{words} {milliseconds(one[part])}" for part, _, words in PARTS if one[part] > 0]
    sent = f"sent {size(one['bytes_up'])}, back {size(one['bytes_down'])}"
    more = [f"pipelined {per_second(one['throughput'])}"] if one.get("throughput") else []
    more += [f"{joules(one['energy'])} (as declared)"] if one.get("energy") else []
    return "\n".join([f"{row['label']} ({row['page']})", *parts, sent, *more])


def _legend(measured: bool) -> Markup:
    keys = [tag("span", tag("i", class_=colour), words) for _, colour, words in PARTS]
    if measured:
        keys.append(tag("span", tag("i", class_="mark"), "measured in service"))
    return tag("div", keys, class_="legend")


def why_not(document: Document) -> Markup | None:
    """Return one sentence for each device or baseline that was not chosen."""
    reasons = document.get("why_not")
    if not reasons:
        return None
    return tag(
        "section",
        tag("h2", "Why not another plan"),
        tag("ul", [tag("li", sentence(one["sentence"])) for one in reasons]),
        id="why-not",
    )
