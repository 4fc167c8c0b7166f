"""Labels: vectors of costs so far, of which only those that no other beats in every metric are kept.

Law: arithmetic over float64 [labels, metrics]; what a metric means is not known here. Less is better in each; two
metrics x and -x make labels comparable only where x is equal.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

ROUNDING = 1e-12  # relative; nothing is kept for a difference that is none


def undominated(labels: Floats) -> Rows:
    """Return the rows that no other row beats or equals in every metric (one of equals stays), least first."""
    if len(labels) < 2:
        return np.arange(len(labels), dtype=np.intp)
    labels = labels[:, labels.max(axis=0) > labels.min(axis=0)]
    if labels.shape[1] < 2:
        least = int(np.argmin(labels[:, 0])) if labels.shape[1] else 0
        return np.array([least], dtype=np.intp)
    if labels.shape[1] == 2:
        return _staircase(labels)
    return _stairs(labels) if labels.shape[1] == 3 else _sweep(labels)


def _staircase(labels: Floats) -> Rows:
    order = np.lexsort((labels[:, 1], labels[:, 0]))
    second = labels[order, 1]
    best = np.minimum.accumulate(second)
    keep = np.ones(len(order), dtype=np.bool_)
    keep[1:] = second[1:] < best[:-1] - ROUNDING * np.abs(best[:-1])
    return np.asarray(order[keep], dtype=np.intp)


def _stairs(labels: Floats) -> Rows:
    """Go through three metrics by the first, and keep the staircase of the other two: O(n log n)."""
    order = np.lexsort((labels[:, 2], labels[:, 1], labels[:, 0]))
    second = (labels[order, 1]).tolist()
    third = (labels[order, 2] * (1 + ROUNDING)).tolist()
    rises: list[float] = []  # the second metric of the stairs, growing; the third falls along
    falls: list[float] = []
    kept: list[int] = []
    for row, (across, height) in enumerate(zip(second, third, strict=True)):
        place = bisect_right(rises, across)
        if place and falls[place - 1] <= height:
            continue
        end = place
        while end < len(falls) and falls[end] >= height:
            end += 1
        start = place - 1 if place and rises[place - 1] == across else place
        rises[start:end], falls[start:end] = [across], [height]
        kept.append(row)
    return np.asarray(order[kept], dtype=np.intp)


def _sweep(labels: Floats) -> Rows:
    """Take the least sum, which nothing beats, drop what it beats, and go on: O(kept x labels)."""
    order = np.argsort(_sums(labels), kind="stable")
    slack = ROUNDING * np.abs(labels)
    kept: list[int] = []
    while len(order):
        first = int(order[0])
        kept.append(first)
        rest = order[1:]
        beaten = np.all(labels[first] <= labels[rest] + slack[rest], axis=1)
        order = rest[~beaten]
    return np.array(kept, dtype=np.intp)


def _sums(labels: Floats) -> Floats:
    scale = np.maximum(np.max(np.abs(labels), axis=0), 1e-300)
    total: Floats = np.sum(labels / scale, axis=1)
    return total


def thinned(labels: Floats, most: int) -> tuple[Rows, npt.NDArray[np.intp]]:
    """Choose at most `most` of the rows; return them, and for every row the place of the one that stands for it.

    Rows are cut into runs along the first metric; the least of a run in that metric stands for it. An optimistic
    caller gives it the least of the run in every metric, which is a bound for all of them.
    """
    order = np.argsort(labels[:, 0], kind="stable")
    run = np.minimum(np.arange(len(order)) * most // max(len(order), 1), most - 1)
    first = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.cumsum(np.r_[False, run[1:] != run[:-1]])
    return np.asarray(order[first], dtype=np.intp), place


def ideals(labels: Floats, place: npt.NDArray[np.intp], count: int) -> Floats:
    """Return the least of each run (see `thinned`) in every metric: [count, metrics]."""
    least = np.full((count, labels.shape[1]), np.inf)
    np.minimum.at(least, place, labels)
    return least
