"""Latency against the link's rate: the pages of the book, the full book, and the thresholds.

Law: as the room's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    log_up,
    logarithmic,
    short_time,
    svg,
    x_tick,
    y_axis,
)
from partitioner.report.html.markup import Markup, tag
from partitioner.report.quantities import megabits, milliseconds

Document = dict[str, Any]

ONE_PLAN = "One plan is best at every rate shown."


def bandwidth(document: Document) -> Markup | None:
    """Return latency against the link's rate, with the thresholds of the book."""
    curve = document.get("curve")
    if not curve:
        return None
    pages = [page for page in curve["pages"] if page["eligible"]]
    low, high = _range(pages, curve)
    rates = curve["rates"]
    across = logarithmic(rates[0], rates[-1], LEFT, WIDTH - RIGHT)
    up = log_up(low, high)
    chosen = document["page"]
    drawn = svg(
        "latency against bandwidth",
        tag("defs", tag("clipPath", _frame(), id="frame")),
        y_axis(low, high, up, short_time), _rate_axis(rates, across),
        tag("g", _lines(pages, rates, (across, up), chosen), _full(curve, (across, up)), clip_path="url(#frame)"),
        [_threshold(one, across) for one in curve["thresholds"]], _now(curve["now"], across),
        _columns(pages, rates, across),
    )  # fmt: skip
    words = (
        "Down scaled like up; plans as told above. The lowest line is the page of this book to take; it changes at "
        "the dashed thresholds."
    )
    return chart(
        "bandwidth", "Latency against bandwidth", words, drawn, _page_legend(pages, chosen), _book(curve)
    )


def _range(pages: Sequence[Document], curve: Document) -> tuple[float, float]:
    """Return the lowest and highest latency to draw: the book's own, well above them the rest is cut off."""
    best = [min(column) for column in zip(*(page["latency"] for page in pages), strict=True)]
    fastest = curve["rates"][-1]
    best += [span["fixed"] + span["wire"] / (span["high"] or fastest) for span in curve["full_book"]]
    low = max(min(best), 1e-6)
    return low / 1.3, max(max(best) * 2.5, low * 10)


def _lines(
    pages: Sequence[Document], rates: Sequence[float], scales: tuple[Scale, Scale], chosen: str
) -> list[Markup]:
    return [
        tag(
            "path",
            d=_points(page, rates, scales),
            class_=f"curve s{index % 8}{' on' * (page['page'] == chosen)}",
        )
        for index, page in enumerate(pages)
    ]


def _points(line: Document, rates: Iterable[float], scales: tuple[Scale, Scale]) -> str:
    across, up = scales
    return "M" + "L".join(
        f"{across(rate):.1f} {up(line['fixed'] + line['wire'] / rate):.1f}" for rate in rates
    )


def _full(curve: Document, scales: tuple[Scale, Scale]) -> list[Markup]:
    """Draw the full book, span by span, within the range of the axis."""
    first, last = curve["rates"][0], curve["rates"][-1]
    drawn = []
    for span in curve["full_book"]:
        low, high = max(span["low"], first), min(span["high"] or last, last)
        if low < high:
            steps = [low * (high / low) ** (step / 8) for step in range(9)]
            drawn.append(tag("path", d=_points(span, steps, scales), class_="full"))
    return drawn


def _threshold(threshold: Document, across: Scale) -> Markup:
    x = f"{across(threshold['rate']):.1f}"
    return tag("line", x1=x, x2=x, y1=TOP, y2=HIGH - BOTTOM, class_="flip")


def _now(rate: float, across: Scale) -> list[Markup]:
    x = min(max(across(rate), LEFT), WIDTH - RIGHT)
    anchor = "start" if x < WIDTH / 2 else "end"
    return [
        tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP - 4, y2=HIGH - BOTTOM, class_="now"),
        tag("text", f"now {megabits(rate)}", x=f"{x:.1f}", y=TOP - 7, text_anchor=anchor, class_="ink"),
    ]


def _columns(pages: Sequence[Document], rates: Sequence[float], across: Scale) -> list[Markup]:
    """Lay an invisible column over each sampled rate, that tells every plan's latency there."""
    half = (across(rates[1]) - across(rates[0])) / 2
    return [
        tag(
            "rect", x=f"{across(rate) - half:.1f}", y=TOP, width=f"{2 * half:.1f}", height=HIGH - TOP - BOTTOM,
            class_="hit", data_tip=_at(pages, rate, index),
        )
        for index, rate in enumerate(rates)
    ]  # fmt: skip


def _at(pages: Sequence[Document], rate: float, index: int) -> str:
    ranked = sorted(pages, key=lambda page: float(page["latency"][index]))
    lines = [f"{milliseconds(page['latency'][index])}  {page['label']}" for page in ranked]
    return "\n".join([f"at {megabits(rate)}", *lines])


def _page_legend(pages: Sequence[Document], chosen: str) -> Markup:
    keys = [
        tag("span", tag("i", class_=f"line k{index % 8}"), page["label"], class_=_on(page, chosen))
        for index, page in enumerate(pages)
    ]
    return tag("div", keys, class_="legend")


def _on(page: Document, chosen: str) -> str | None:
    return "on" if page["page"] == chosen else None


def _book(curve: Document) -> list[Markup] | None:
    labels = {page["page"]: page["label"] for page in curve["pages"]}
    flips = [
        tag("li", f"above {megabits(one['rate'])}: {labels[one['above']]} instead of {labels[one['below']]}")
        for one in curve["thresholds"]
    ]
    spans = len(curve["full_book"])
    dotted = f"Dotted: the full book, the best of all plans at each rate ({spans} different ones)."
    return [
        tag("ul", flips, class_="small") if flips else tag("p", ONE_PLAN, class_="small"),
        *([tag("p", dotted, class_="small soft")] if spans else []),
    ]  # fmt: skip


def _frame() -> Markup:
    return tag("rect", x=LEFT, y=TOP, width=WIDTH - LEFT - RIGHT, height=HIGH - TOP - BOTTOM)


def _rate_axis(rates: Sequence[float], across: Scale) -> list[list[Markup]]:
    decades = [10.0**power / 8 * 1e6 for power in range(-3, 6)]
    shown = [rate for rate in decades if rates[0] * 0.999 <= rate <= rates[-1] * 1.001]
    unit = tag("text", "Mbit/s", x=WIDTH - RIGHT, y=HIGH - 3, text_anchor="end")
    return [*(x_tick(across(rate), megabits(rate).replace(" Mbit/s", "")) for rate in shown), [unit]]
