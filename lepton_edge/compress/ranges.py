"""From what was seen of a tensor to the range that its integers cover, and from there to scale and zero point.

Law: arithmetic on numbers and histograms; no graph and no engine. Every rule keeps zero exactly representable, as
padding and ReLU need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lepton_edge.core.results import Array

BINS = 2048
COUNTED = 1 << 16
"""Values of one tensor of one sample that are counted, about."""
MINMAX, PERCENTILE, MSE = "minmax", "percentile", "mse"
METHODS = (MINMAX, PERCENTILE, MSE)
KEPT = 0.99995  # of the values, by the percentile rule
_SHRINKS = 40  # widths tried by the mse rule
_NARROWEST = 0.3


@dataclass(frozen=True)
class Range:
    """Smallest and largest value that a tensor's integers must hold; always contains zero."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """Distance of the ends."""
        return self.high - self.low


@dataclass(frozen=True)
class Scale:
    """How integers stand for numbers: real = (integer - zero) * step. `dtype` is "uint8" or "int8"."""

    step: float
    zero: int
    dtype: str

    @property
    def covered(self) -> Range:
        """The smallest and the largest number that the integers hold."""
        bounds = np.iinfo(self.dtype)
        return Range((int(bounds.min) - self.zero) * self.step, (int(bounds.max) - self.zero) * self.step)


def around_zero(low: float, high: float) -> Range:
    """Return the smallest range that holds `low`, `high` and zero."""
    return Range(min(float(low), 0.0), max(float(high), 0.0))


def scale(seen: Range, dtype: str) -> Scale:
    """Return the affine scale whose integers of `dtype` cover `seen` (a tensor of zeros gets step 1)."""
    bounds = np.iinfo(dtype)
    step = float(np.float32(seen.width / 255.0))
    if step < np.finfo(np.float32).tiny:
        return Scale(1.0, int(bounds.min) if dtype == "uint8" else 0, dtype)
    zero = int(round(bounds.min - seen.low / step))
    return Scale(step, max(int(bounds.min), min(int(bounds.max), zero)), dtype)


class Histogram:
    """How often values fell where, between fixed ends: bounded memory however many values come."""

    def __init__(self, ends: Range) -> None:
        self.ends = ends
        self.counts = np.zeros(BINS, np.int64)

    def add(self, values: Array) -> None:
        """Count `values`, of very many every n-th; what lies outside of the ends is counted at the ends."""
        if self.ends.width == 0.0:
            return
        stride = values.size // COUNTED | 1  # odd, so that it does not fall into step with rows
        places = (values.ravel()[::stride] - np.float32(self.ends.low)) * np.float32(BINS / self.ends.width)
        indices = np.clip(places, 0, BINS - 1).astype(np.int32)
        self.counts += np.bincount(indices, minlength=BINS)

    @property
    def centres(self) -> Array:
        """The value in the middle of every bin, float64 [BINS]."""
        return self.ends.low + (np.arange(BINS) + 0.5) * (self.ends.width / BINS)

    def percentile(self, kept: float = KEPT) -> Range:
        """Return the range that leaves out (1 - kept) of the values, half of them at either end."""
        total = int(self.counts.sum())
        if not total:
            return self.ends
        shares = np.cumsum(self.counts) / total
        step = self.ends.width / BINS
        first = int(np.searchsorted(shares, (1.0 - kept) / 2, side="right"))
        last = int(np.searchsorted(shares, 1.0 - (1.0 - kept) / 2, side="left"))
        return around_zero(self.ends.low + first * step, self.ends.low + (min(last, BINS - 1) + 1) * step)

    def least_error(self, levels: int = 255) -> Range:
        """Return the range with the least squared error of rounding and clipping together.

        Both ends shrink by the same factor; a quantizer with `levels` steps is assumed, and values spread evenly
        within a bin.
        """
        if not self.counts.any():
            return self.ends
        return min(
            (
                Range(self.ends.low * part, self.ends.high * part)
                for part in np.linspace(1.0, _NARROWEST, _SHRINKS).tolist()
            ),
            key=lambda one: self._error(one, levels),
        )

    def _error(self, kept: Range, levels: int) -> float:
        values = self.centres
        outside = np.maximum(values - kept.high, 0.0) + np.maximum(kept.low - values, 0.0)
        rounding = (kept.width / levels) ** 2 / 12.0
        # An exact zero (after ReLU, most of a tensor) is never rounded.
        exact = (values > 0) & (values < self.ends.width / BINS) & (self.ends.low == 0.0)
        errors = np.where(outside > 0, outside**2, np.where(exact, 0.0, rounding))
        return float((errors * self.counts).sum())


def chosen(seen: Histogram, method: str) -> Range:
    """Return the range that `method` ("minmax", "percentile", "mse") takes of what was seen."""
    if method == PERCENTILE:
        return seen.percentile()
    return seen.least_error() if method == MSE else seen.ends
