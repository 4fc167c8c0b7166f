"""Amounts as a person would say them: "15.66 ms", "20 kB", "1.5 %".

Law: numbers in, words out. Amounts that are compared share one unit, and enough digits to be told apart.
"""

from __future__ import annotations

import math
from decimal import Decimal

SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "s": ((1.0, " s"), (1e-3, " ms"), (1e-6, " µs")),
    "J": ((1.0, " J"), (1e-3, " mJ")),
    "bytes": ((1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " bytes")),
    "": ((1e-2, " %"),),
}
FEWEST, MOST = 4, 12  # significant digits


def in_words(unit: str, *amounts: float) -> list[str]:
    """Return `amounts` of `unit` ("s", "J", "bytes", or "" for a fraction) in the unit that suits the largest."""
    largest = max(map(abs, amounts), default=0.0)
    scales = SCALES[unit]
    scale, name = next((one for one in scales if largest >= one[0]), scales[-1])
    scaled = [one / scale for one in amounts]
    return [f"{_digits(one, _enough(scaled))}{name}" for one in scaled]


def _enough(amounts: list[float]) -> int:
    """Return how many digits it takes to tell different amounts apart."""
    for count in range(FEWEST, MOST):
        if len({_digits(one, count) for one in amounts}) == len(set(amounts)):
            return count
    return MOST


def _digits(amount: float, count: int) -> str:
    """Return the amount with `count` significant digits, never as a power of ten where there is no need."""
    if not math.isfinite(amount):
        return f"{amount:g}"
    rounded = float(f"{amount:.{count}g}")
    return f"{Decimal(str(rounded)).normalize():f}"
