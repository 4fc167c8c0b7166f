"""Whether a candidate may be used: what it loses, weighs and takes, and the sentence that says why not.

Law: arithmetic and words; it runs nothing. Nothing is called faster that was not measured faster, beyond the noise, on
every device that was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from lepton_edge.compress.recipe import LATENCY, SIZE, Candidate, Compared, Score, Timing
from lepton_edge.compress.report import bytes_of, span
from partitioner.report.quantities import size

ROUNDING = 1e-9
LEAST_GAIN = 0.02
"""A model that is less than this share faster is not called faster, however little the times scatter."""

NOISE = 2.0
"""Standard errors of the medians by which it must be faster."""

_OF_SPREAD = 1.253 / 0.6745
"""From half the distance of the quartiles of normal times to the standard error of their median, times sqrt(n)."""


def surely_lost(lost: Sequence[float], allowed: float, sure: float) -> bool:
    """Return whether `lost`, a loss for each sample of a first look, is over `allowed` by `sure` standard errors.

    Of few samples nothing is sure: their scatter may be nought by chance.
    """
    if len(lost) < 8:
        return False
    scatter = max(statistics.stdev(lost), 1.0 / len(lost))
    return statistics.fmean(lost) - sure * scatter / math.sqrt(len(lost)) > allowed


def too_lossy(score: Score, base: float, allowed: float) -> str:
    """Return why `score` is not kept, against `base`, the original's on the same samples; "" where it is."""
    lost = base - score.mean
    if lost <= allowed + ROUNDING:
        return ""
    told = f"{score.mean:.4f} of {base:.4f}, {score.count} samples"
    return f"loses {100 * lost:.2f} points of {score.metric} ({told}); {100 * allowed:.2f} are allowed"


def not_smaller(found: Candidate, original: Candidate, objective: str) -> str:
    """Return why a candidate for size is not kept; "" where it is smaller, or is not for size."""
    if objective != SIZE or bytes_of(found) < bytes_of(original):
        return ""
    return f"not smaller: {size(bytes_of(found))} of {size(bytes_of(original))}"


def not_faster(pairs: Sequence[Compared], objective: str) -> str:
    """Return why a candidate for latency is not kept: the devices that it is not faster on; "" where it is on all."""
    if objective != LATENCY:
        return ""
    slow = [one for one in pairs if not is_faster(one)]
    if not slow:
        return ""
    told = (_times(one) for one in slow)
    return f"not faster on {'; on '.join(told)}"


def _times(one: Compared) -> str:
    noise = " (within the noise)" if one.candidate.median < one.original.median else ""
    mine, its = span(one.candidate.median), span(one.original.median)
    return f"{one.candidate.device}: {mine} of {its}{noise}"


def is_faster(one: Compared) -> bool:
    """Return whether the candidate is faster by more than noise."""
    gained = one.original.median - one.candidate.median
    noise = math.hypot(_error(one.candidate), _error(one.original))
    return gained > max(LEAST_GAIN * one.original.median, NOISE * noise)


def _error(timing: Timing) -> float:
    return _OF_SPREAD * timing.spread / math.sqrt(max(timing.runs, 1))


def resolution_note(metric: str, count: int, allowed: float) -> str:
    """Return what to say of few samples: of a rate over `count`, `allowed` allows no loss at all; "" where it does."""
    if metric not in ("top1", "agreement") or count * allowed >= 1:
        return ""
    one = 100 / count
    return (
        f"{count} samples judge, so that one answer is {one:.1f} points: a budget of {100 * allowed:.1f} allows "
        "no loss at all; give more data, or judge by --metric cosine"
    )
