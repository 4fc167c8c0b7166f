"""What a layer's weights may be: zero in some places, and a level times a scale in the others.

Law: arithmetic on arrays; it knows no graph. A value is computed as float32 level x float32 scale and in no other way,
so that a store finds level and scale in it again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lepton_edge.core.results import Array

_BINS = 2048
_ROUNDS = 40


@dataclass(frozen=True)
class Grid:
    """The values that weights may take.

    Attributes:
        kept: bool, of the weights' shape; elsewhere they are 0.
        scale: float32, of the weights' shape or one that broadcasts to it.
        levels: float32, rising; None where any value will do.
    """

    kept: Array
    scale: Array
    levels: Array | None = None

    def nearest(self, values: Array) -> Array:
        """Return the nearest values that are allowed, float32."""
        return pick(values, self.kept, self.scale, self.levels)


def pick(values: Array, kept: Array, scale: Array, levels: Array | None) -> Array:
    """Return the nearest of `levels` x `scale` where `kept`, 0.0 elsewhere."""
    chosen = values.astype(np.float32)
    if levels is not None:
        middles = (levels[1:] + levels[:-1]) / 2
        chosen = levels[np.searchsorted(middles, values / scale)] * scale
    zeroed: Array = np.where(kept, chosen, np.float32(0)).astype(np.float32)
    return zeroed


def codebook(values: Array, importance: Array, entries: int) -> Array:
    """Return `entries` levels at most, rising, that stand for `values` with the least squared error (Lloyd, 1-D).

    `importance` is one number for each value. Begins where a quantizer of many levels would put them (density to the
    power of a third), which Lloyd's rounds then only refine.
    """
    order = np.argsort(values, kind="stable")
    ranked, shares = values[order].astype(np.float64), importance[order].astype(np.float64)
    counts = np.concatenate([[0.0], np.cumsum(shares)])
    sums = np.concatenate([[0.0], np.cumsum(shares * ranked)])
    levels = _first_levels(ranked, shares, entries)
    for _ in range(_ROUNDS):
        edges = np.concatenate([[0], np.searchsorted(ranked, (levels[1:] + levels[:-1]) / 2), [len(ranked)]])
        weight = np.diff(counts[edges])
        moved = np.diff(sums[edges])[weight > 0] / weight[weight > 0]
        if len(moved) == len(levels) and np.allclose(moved, levels, rtol=1e-6, atol=0):
            break
        levels = moved
    return np.unique(levels)


def _first_levels(ranked: Array, shares: Array, entries: int) -> Array:
    counts, edges = np.histogram(ranked, _BINS, weights=shares)
    rising = np.cumsum(np.cbrt(counts))
    wanted = (np.arange(entries) + 0.5) / entries * rising[-1]
    middles = (edges[1:] + edges[:-1]) / 2
    levels: Array = middles[np.minimum(np.searchsorted(rising, wanted), _BINS - 1)]
    return levels
