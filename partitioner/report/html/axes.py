"""Scales, axes and the frame of a chart.

Law: geometry, nothing of plans. Every chart has a view box of WIDTH x HIGH units, so that its letters stay
readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from partitioner.report.html.markup import Markup, tag

Scale = Callable[[float], float]

WIDTH, HIGH = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 18, 34


def chart(name: str, title: str, words: str, *children: object) -> Markup:
    """Return a section with a title, a line of words, and what is drawn."""
    return tag("section", tag("h2", title), tag("p", words, class_="soft small"), *children, id=name)


def svg(label: str, *children: object) -> Markup:
    """Return a drawing of WIDTH x HIGH units."""
    return tag("svg", *children, viewBox=f"0 0 {WIDTH} {HIGH}", role="img", aria_label=label)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return the scale that takes `low` to `start` and `high` to `end`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return the logarithmic scale that takes `low` to `start` and `high` to `end`."""
    scale = linear(math.log(low), math.log(high), start, end)
    return lambda value: scale(math.log(value))


def log_up(low: float, high: float) -> Scale:
    """Return the logarithmic scale from the floor of a chart to its top."""
    return logarithmic(low, high if high > low else low * 10, HIGH - BOTTOM, TOP)


def y_axis(low: float, high: float, up: Scale, words: Callable[[float], str]) -> list[list[Markup]]:
    """Return a line and a label at each power of ten."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(max(high, low * 10)))
    return [y_tick(up(10.0**power), _short(words(10.0**power))) for power in range(first, last + 1)]


def y_tick(y: float, words: str) -> list[Markup]:
    """Return a line across the chart with a label on its left."""
    return [
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="axis"),
        tag("text", words, x=LEFT - 5, y=f"{y + 4:.1f}", text_anchor="end"),
    ]


def _short(words: str) -> str:
    return words.replace(".0 ", " ").replace("1000 ms", "1 s").replace("10000 ms", "10 s")


def x_tick(x: float, words: str) -> list[Markup]:
    """Return a short mark below the chart with a label."""
    floor = HIGH - BOTTOM
    return [
        tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=floor, y2=floor + 4, class_="axis"),
        tag("text", words, x=f"{x:.1f}", y=floor + 17, text_anchor="middle"),
    ]
