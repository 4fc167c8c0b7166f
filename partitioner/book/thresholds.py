"""Where the choice flips: at which board speed, and at which rates of the link.

Law: arithmetic on the predictions of pages that exist; codecs and cuts are those of the book. Pages are
straight lines in the board's slowdown and in the seconds per byte of the link, so the crossings are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from partitioner.book.draft import Threshold
from partitioner.costs import LinkProfile, transfer_time
from partitioner.plan import LOCAL_PAGE, Page, Prediction
from partitioner.units import BytesPerSecond, Seconds


def flip_slowdown(pages: Sequence[Page], slowdown: float, overhead: Seconds) -> float | None:
    """Return the slowdown of the board at which the board alone stops being the best of `pages`.

    `slowdown` is the one the board was measured at, `overhead` the part of its time that does not grow with
    it. None when the board alone is best at every speed, or at none, or is no page.
    """
    local = next((page for page in pages if page.name == LOCAL_PAGE), None)
    if local is None:
        return None
    slope, rest = _line(local.prediction, slowdown, overhead)
    crossings = []
    for page in pages:
        other_slope, other_rest = _line(page.prediction, slowdown, overhead)
        if page is not local and slope > other_slope:
            crossings.append((other_rest - rest) / (slope - other_slope))
    flip = min(crossings, default=0.0)
    return flip if flip > 0 else None


def link_thresholds(
    pages: Sequence[Page], active: Page, link: LinkProfile
) -> tuple[Threshold | None, Threshold | None]:
    """Return the nearest lower and higher rate of the uplink at which `active` is no longer the best.

    Up and down are scaled alike; delays stay.
    """
    slower, faster = math.inf, 0.0  # factors on the seconds per byte
    below = above = None
    wire = _wire_seconds(active.prediction, link)
    for page in pages:
        more = _wire_seconds(page.prediction, link) - wire
        if page is active or more == 0:
            continue
        factor = 1 + (active.prediction.latency - page.prediction.latency) / more
        if 1 < factor < slower and more < 0:
            slower, below = factor, page.name
        if faster < factor <= 1 and more > 0:
            faster, above = factor, page.name
    return (
        Threshold(BytesPerSecond(link.up / slower), below) if below else None,
        Threshold(BytesPerSecond(link.up / faster), above) if above else None,
    )


def _line(prediction: Prediction, slowdown: float, overhead: Seconds) -> tuple[float, float]:
    growing = max(prediction.board - overhead, 0.0)
    return growing / slowdown, prediction.latency - growing


def _wire_seconds(prediction: Prediction, link: LinkProfile) -> float:
    up = transfer_time(prediction.bytes_up, link.up, link.overhead)
    return up + transfer_time(prediction.bytes_down, link.down, link.overhead)
