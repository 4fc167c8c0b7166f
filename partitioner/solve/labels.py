"""Labels: vectors of costs so far, of which only those that no other beats in every metric are kept.

Law: arithmetic over float64 [labels, metrics]; what a metric means is not known here. Less is better in each; two
metrics x and -x make labels comparable only where x is equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

ROUNDING = 1e-12  # relative; nothing is kept for a difference that is none


def undominated(labels: Floats) -> Rows:
    """Return the rows that no other row beats or equals in every metric (one of equals stays), least sum first."""
    if not len(labels):
        return np.empty(0, dtype=np.intp)
    if labels.shape[1] == 1:
        return np.array([int(np.argmin(labels[:, 0]))], dtype=np.intp)
    if labels.shape[1] == 2:
        return _staircase(labels)
    return _sweep(labels)


def _staircase(labels: Floats) -> Rows:
    order = np.lexsort((labels[:, 1], labels[:, 0]))
    second = labels[order, 1]
    best = np.minimum.accumulate(second)
    keep = np.ones(len(order), dtype=np.bool_)
    keep[1:] = second[1:] < best[:-1] - ROUNDING * np.abs(best[:-1])
    return np.asarray(order[keep], dtype=np.intp)


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
