"""Scales, axes and the frame of a chart.

Law: geometry, nothing of plans. Every chart has a view box of WIDTH x HIGH units, so that its letters stay
readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from partitioner.report.html.markup import Markup, tag
from partitioner.report.quantities import digits

Scale = Callable[[float], float]

WIDTH, HIGH = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 18, 34
FEW_DECADES = 2.2


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
    return [y_tick(up(tick), words(tick)) for tick in _ticks(low, high)]


def _ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten from `low` to `high`, with their doubles and fives where there are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(max(high, low))) + 1)
    steps = (1, 2, 5) if math.log10(max(high, low) / low) < FEW_DECADES else (1,)
    return [step * 10.0**power for power in decades for step in steps if low <= step * 10.0**power <= high]


def y_tick(y: float, words: str) -> list[Markup]:
    """Return a line across the chart with a label on its left."""
    return [
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="axis"),
        tag("text", words, x=LEFT - 5, y=f"{y + 4:.1f}", text_anchor="end"),
    ]


def short_time(seconds: float) -> str:
    """Return "50 ms" or "2 s", for the label of a tick."""
    return f"{digits(seconds)} s" if seconds >= 1 else f"{digits(seconds * 1e3)} ms"


def short_size(count: float) -> str:
    """Return "50 kB", for the label of a tick."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{digits(count / factor)} {unit}"
    return f"{digits(count)} B"


def round_ticks(highest: float) -> list[float]:
    """Return three to six round numbers from 0 up to `highest`."""
    step = 10.0 ** math.floor(math.log10(highest or 1.0))
    step = next(one for one in (step, step / 2, step / 5, step / 10) if highest / one >= 3)
    return [count * step for count in range(math.floor(highest / step) + 1)]


def x_tick(x: float, words: str) -> list[Markup]:
    """Return a short mark below the chart with a label."""
    floor = HIGH - BOTTOM
    return [
        tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=floor, y2=floor + 4, class_="axis"),
        tag("text", words, x=f"{x:.1f}", y=floor + 17, text_anchor="middle"),
    ]
