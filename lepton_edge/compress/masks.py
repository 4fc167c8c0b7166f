"""Which weights are small enough to be dropped, and how many of each layer.

Law: arithmetic on arrays by name. The share of all weights is given; how it is spread over the layers is what these
functions differ in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lepton_edge.core.results import Array


def smallest(values: Array, share: float) -> Array:
    """Return where the `share` of `values` with the least magnitude are, bool; what is 0 is always among them."""
    count = int(round(share * values.size))
    size = np.abs(values.reshape(-1))
    found = size == 0
    if count > np.count_nonzero(found):
        found[np.argpartition(size, count - 1)[:count]] = True
    mask: Array = found.reshape(values.shape)
    return mask


def uniform(weights: Mapping[str, Array], share: float) -> dict[str, float]:
    """Return the same share for every layer."""
    return dict.fromkeys(weights, share)


def lamp(weights: Mapping[str, Array], share: float) -> dict[str, float]:
    """Return shares by LAMP: one threshold for each weight's part of what its layer still has.

    A weight's score is its square over the sum of the squares of those in its layer that are no smaller (Lee et al.,
    "Layer-adaptive sparsity for the magnitude-based pruning", arXiv 2010.07611). The largest of a layer always stays.
    """
    scores = {name: _lamp_scores(values) for name, values in weights.items()}
    every = np.concatenate(list(scores.values())) if scores else np.zeros(0, np.float32)
    count = int(round(share * every.size))
    if not 0 < count < every.size:
        return uniform(weights, float(count > 0))
    threshold = np.partition(every, count - 1)[count - 1]
    return {name: float(np.mean(one <= threshold)) for name, one in scores.items()}


def _lamp_scores(values: Array) -> Array:
    squares = np.sort(np.square(values.reshape(-1), dtype=np.float64))
    left = np.cumsum(squares[::-1])[::-1]
    scores: Array = (squares / np.maximum(left, np.finfo(np.float64).tiny)).astype(np.float32)
    return scores


def by_tolerance(
    sizes: Mapping[str, int], errors: Mapping[str, Sequence[float]], shares: Sequence[float], share: float
) -> dict[str, float]:
    """Return shares that together drop `share` of all weights where the outputs change least.

    `errors` has the outputs' error of each layer at each of `shares` (rising). Greedy: again and again the layer and
    the step that cost least error for each weight dropped; the last step is taken in part.
    """
    levels, costs = (0.0, *shares), {name: (0.0, *one) for name, one in errors.items()}
    at = dict.fromkeys(sizes, 0)
    left = share * sum(sizes.values())
    chosen = dict.fromkeys(sizes, 0.0)
    while left > 0 and (steps := list(_steps(sizes, costs, levels, at))):
        _, name, to = min(steps)
        wanted = (levels[to] - levels[at[name]]) * sizes[name]
        taken = min(wanted, left)
        chosen[name] = levels[at[name]] + taken / sizes[name]
        left, at[name] = left - wanted, to
    return chosen


def _steps(
    sizes: Mapping[str, int],
    costs: Mapping[str, Sequence[float]],
    levels: Sequence[float],
    at: Mapping[str, int],
) -> list[tuple[float, str, int]]:
    return [
        ((costs[name][to] - costs[name][now]) / ((levels[to] - levels[now]) * sizes[name]), name, to)
        for name, now in at.items()
        for to in range(now + 1, len(levels))
    ]
