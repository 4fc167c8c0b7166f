"""Layers' times and what a cut costs, from the profiler's shares and a few segments timed whole.

Law: linear algebra over a table of segments; it knows no profile, no tensor and no graph. The model is kriging
(Gaussian process regression: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, ch. 2):
a segment's time is the sum of its layers' plus `cut`, `entering` and `leaving` once each; a layer's time is its
share, wrong by a factor that neighbours have in common (caches, fusions, a profiler that slows small kernels)
and by one of its own. The timed segments say how wrong. How far shares and times may be trusted is averaged over by
marginal likelihood; the spread of predictions is then scaled until the left-out segments (5.4.2 there) are as
far off as it says. All times are in units of the whole model's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats: TypeAlias = NDArray[np.float64]

TERMS = 3  # cut, entering, leaving
TERM_MEANS = np.array(
    [0.01, 0.5, 0.5]
)  # before any segment is timed: seen on four models, as all that follow
TERM_SIGMAS = np.array([0.01, 0.4, 0.4])
REACH = 0.05  # how far, in shares of the whole, layers have their error in common
SHARE_SIGMAS = (0.03, 0.06, 0.12)  # relative error of a layer's share: the common part, and the own part
TIME_SIGMAS = (0.01, 0.02, 0.04, 0.08)  # relative error of a timed segment: a session of its own, its caches
USUAL = np.log([0.05, 0.04])  # of the two, before any segment is timed
USUAL_SIGMAS = np.array([0.8, 0.6])
WHOLE_SIGMA = 0.012
LEAST_SIGMA = 0.001  # of any segment, in units of the whole model: what a call costs varies
PRIOR_SEGMENTS = 4  # the calibration is 1 as if so many segments had said so
PIECES = 14  # spans between so many fences tell how the spread depends on the length


@dataclass(frozen=True)
class Table:
    """Timed segments, a row each: which layers, by 0 and 1; their bytes in and out over all tensors' bytes.

    `shares` of the layers sum to 1; `bytes` has two columns; `times` are over the whole model's.
    """

    shares: Floats
    layers: Floats
    bytes: Floats
    times: Floats


@dataclass(frozen=True)
class Fit:
    """What came of it: non-negative times, and the sigma of a segment's: hypot(floor, error x its time)."""

    layers: Floats
    cut: float
    entering: float
    leaving: float
    error: float
    floor: float


@dataclass(frozen=True)
class _View:
    """What follows from one trust in shares and in times: the inverse covariance of the timed segments."""

    layers: float
    time: float
    inverse: Floats
    score: float


def fit(table: Table) -> Fit:
    """Fit the table, of one segment at least. Time and memory: linear in layers, cubic in segments."""
    sigmas = TERM_SIGMAS.copy()
    while True:
        found = _Kriging(table, np.where(sigmas > 0, TERM_MEANS, 0.0), sigmas)
        negative = found.mean[-TERMS:] < 0
        if not negative.any():
            return found.fit()
        sigmas[negative] = 0.0  # a cut never makes work disappear: this term is none


class _Kriging:
    """One regression, with the prior of the terms given, averaged over how far shares and times are trusted."""

    def __init__(self, table: Table, means: Floats, sigmas: Floats) -> None:
        self._table, self._sigmas = table, sigmas
        self._prior = np.concatenate([table.shares, means])
        whole = np.append(np.ones(len(table.shares)), np.zeros(TERMS))
        cuts = np.column_stack([table.layers, np.ones(len(table.layers)), table.bytes])
        self._rows = np.vstack([cuts, whole])
        self._times = np.append(table.times, 1.0)
        self._rest = self._times - self._rows @ self._prior
        self._known = self._parts(self._rows)
        self._views = list(self._all_views())
        scores = np.array([one.score for one in self._views])
        self._weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        self._means = [self._mean(one) for one in self._views]
        self.mean = self._weights @ np.array(self._means)

    def fit(self) -> Fit:
        layers = np.maximum(self.mean[:-TERMS], 0.0)
        cut, entering, leaving = (float(one) for one in self.mean[-TERMS:])
        floor, error = self._calibration() * self._spreads()
        return Fit(layers / layers.sum(), cut, entering, leaving, float(error), float(floor))

    def _all_views(self) -> Iterator[_View]:
        known, ends = (self._rows @ one for one in self._known)
        for trust, time in itertools.product(SHARE_SIGMAS, TIME_SIGMAS):
            noise = np.append((time * self._times[:-1]) ** 2 + LEAST_SIGMA**2, WHOLE_SIGMA**2)
            covariance = trust**2 * known + ends + np.diag(noise)
            inverse = np.linalg.inv(covariance)
            likelihood = self._rest @ inverse @ self._rest + np.linalg.slogdet(covariance)[1]
            surprise = np.sum(((np.log([trust, time]) - USUAL) / USUAL_SIGMAS) ** 2)
            yield _View(trust, time, inverse.astype(np.float64), -0.5 * float(likelihood + surprise))

    def _parts(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return the prior covariances of everything with `rows`, of layers (at trust 1) and of terms."""
        count = len(self._table.shares)
        layers, terms = np.zeros((2, len(self._prior), len(rows)))
        layers[:count] = _common(self._table.shares, rows[:, :count].T)
        terms[count:] = (self._sigmas**2)[:, None] * rows[:, count:].T
        return layers, terms

    def _mean(self, view: _View) -> Floats:
        layers, terms = self._known
        mean: Floats = self._prior + (view.layers**2 * layers + terms) @ (view.inverse @ self._rest)
        return mean

    def _calibration(self) -> float:
        """Return by how much the left-out segments are further off than the model says."""
        squares = 0.0
        for weight, view in zip(self._weights, self._views, strict=True):
            standard = (view.inverse @ self._rest)[:-1] / np.sqrt(np.diag(view.inverse)[:-1])
            squares += float(weight * (standard @ standard))
        count = PRIOR_SEGMENTS + len(self._table.times)
        return float(np.sqrt((PRIOR_SEGMENTS + squares) / count))

    def _spreads(self) -> Floats:
        """Return floor and relative part of a segment's sigma, fitted to spans of every length."""
        spans = _spans(self._table)
        parts, means = self._parts(spans), spans @ self.mean
        variance = np.full(len(spans), LEAST_SIGMA**2)
        for weight, view, mean in zip(self._weights, self._views, self._means, strict=True):
            apart = spans @ (mean - self.mean)
            variance += weight * (self._variance(view, spans, parts) + (view.time * means) ** 2 + apart**2)
        terms = np.column_stack([np.ones(len(means)), means**2])
        found, _ = nnls(terms / variance[:, None], np.ones(len(means)))
        spreads: Floats = np.sqrt(found)
        return spreads

    def _variance(self, view: _View, spans: Floats, parts: tuple[Floats, Floats]) -> Floats:
        """Return the posterior variance of the sum over each span."""
        covariance = view.layers**2 * parts[0] + parts[1]
        crossed = self._rows @ covariance
        prior = np.einsum("ij,ji->i", spans, covariance)
        explained = np.einsum("ij,ik,kj->j", crossed, view.inverse, crossed, optimize=True)
        variance: Floats = np.maximum(prior - explained, 0.0)
        return variance


def _common(shares: Floats, columns: Floats) -> Floats:
    """Return the covariance of the layers' errors at trust 1, times `columns`.

    It is share x share x (exp(-distance / REACH) + 1 on the diagonal): a part that fades along the layers, and an
    own part. The first is Markov, so that two scans do what a square matrix would.
    """
    middle = np.cumsum(shares) - shares / 2
    fading = np.exp(-np.diff(middle) / REACH)
    scaled = shares[:, None] * columns
    ahead, back = scaled.copy(), scaled.copy()
    for index, part in enumerate(fading):
        ahead[index + 1] += part * ahead[index]
    for index, part in reversed(list(enumerate(fading))):
        back[index] += part * back[index + 1]
    common: Floats = shares[:, None] * (ahead + back)
    return common


def _spans(table: Table) -> Floats:
    """Return rows for all spans between fences along the layers, with the usual bytes of a timed segment."""
    count = len(table.shares)
    fences = np.unique(np.linspace(0, count, PIECES + 1).round().astype(int))
    pairs = [(a, b) for a, b in itertools.combinations(fences, 2) if b - a < count or len(fences) == 2]
    rows = np.zeros((len(pairs), count + TERMS))
    for row, (first, last) in zip(rows, pairs, strict=True):
        row[first:last] = 1.0
    rows[:, count:] = [1.0, *np.median(table.bytes, axis=0)]
    return rows
