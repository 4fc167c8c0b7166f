"""The book that devices hold: few boundaries, chosen together.

Law: pages share blocks, so every page runs through every boundary of the book, and each cut costs all pages
what the predictor says. A set of cuts is therefore judged as a whole: by what the best of its pages costs,
over all that may come, against a fresh solve there. Every nested set of a bounded number of candidate cuts is
tried, so the choice among them is exact.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from partitioner.book.boundaries import best_cuts, fixed_boundaries, is_new, within_budget
from partitioner.book.interior import is_interior
from partitioner.book.legal import is_legal
from partitioner.book.outlook import Outlook, mean_excess, page_values
from partitioner.book.pages import candidates, own_boundary
from partitioner.book.setting import Setting
from partitioner.plan import Prediction
from partitioner.predict import segment_estimate
from partitioner.units import Seconds

MOST_CANDIDATES = 8
MOST_TOGETHER = 4
WORTH_A_CUT = 1e-4  # of the mean regret: less is no reason to hold another boundary

DownSet = frozenset[int]
Cuts = tuple[DownSet, ...]


def trimmed_cuts(setting: Setting, known: Outlook) -> list[DownSet]:
    """Return the cuts that the book should hold beside its fixed boundaries, the most important first.

    The person's own split and the best interior cut are among them whatever they cost. The others, at most
    `further_cuts` beside the best ones, are those that together leave the least regret.
    """
    best, own = best_cuts(setting), own_boundary(setting)
    must = [*([own] if own else []), *best[:1]]
    if not setting.options.further_cuts:
        return [*must, *best[1:]]
    base = fixed_boundaries(setting)
    for one in must:
        base += [one] if is_new(base, one) else []
    optional = _optional(setting, known, base, best[1:])
    most = min(setting.options.further_cuts + len(best[1:]), MOST_TOGETHER)
    return [*must, *_least_regret(setting, known, base, optional, most)]


def _optional(
    setting: Setting, known: Outlook, base: Sequence[DownSet], best: Sequence[DownSet]
) -> list[DownSet]:
    """Return the cuts that may be worth their cost, the heaviest first."""
    wanted = dict.fromkeys([*best, *(board for board, _ in known.wanted)])
    found = [one for one in wanted if is_new(base, one) and is_interior(setting.graph, one)]
    return [one for one in found if is_legal(setting.wish, one)][:MOST_CANDIDATES]


def _least_regret(
    setting: Setting, known: Outlook, base: Sequence[DownSet], optional: Sequence[DownSet], most: int
) -> list[DownSet]:
    if not optional or not known.scenarios:
        return []
    judge = Judge(setting, known, base, optional)
    best: Cuts = ()
    least = judge.mean_regret(best)
    for chosen in _nested(base, optional, most):
        if not within_budget(setting, base, [*base, *chosen]):
            continue
        mean = judge.mean_regret(chosen)
        if mean < least - WORTH_A_CUT:
            best, least = chosen, mean
    return list(best)


def _nested(base: Sequence[DownSet], optional: Sequence[DownSet], most: int) -> Iterator[Cuts]:
    """Yield every nested set of at most `most` cuts, small ones first."""
    for count in range(1, most + 1):
        for chosen in itertools.combinations(optional, count):
            ordered = sorted(chosen, key=len)
            if all(first < last for first, last in itertools.pairwise(ordered)):
                yield chosen


@dataclass(frozen=True)
class _Way:
    """A page, divided at `cut`: as it costs fused, and as it costs block by block over the boundaries `over`."""

    cut: DownSet
    fused: Prediction
    plain: Prediction
    over: Cuts


class Judge:
    """What a set of cuts costs; every page and every segment is costed once."""

    def __init__(
        self, setting: Setting, known: Outlook, base: Sequence[DownSet], optional: Sequence[DownSet]
    ) -> None:
        self._setting, self._known, self._base = setting, known, tuple(sorted(base, key=len))
        self._times: dict[tuple[int, DownSet, DownSet], float] = {}
        self._measured = next((i for i, one in enumerate(known.scenarios) if one.is_measured), 0)
        self._ways = self._over(self._base, set(self._base))
        for one in optional:
            self._ways += self._over(tuple(sorted([*base, one], key=len)), {one})

    def mean_regret(self, chosen: Cuts) -> float:
        """Return the weighted mean of the best page's excess over a fresh solve, with these cuts in the book.

        Infinite when no page of theirs may be chosen.
        """
        cuts = tuple(sorted([*self._base, *chosen], key=len))
        ways = [way for way in self._ways if way.cut in cuts]
        if not ways:
            return math.inf
        fused = page_values(self._setting, [way.fused for way in ways], self._known.scenarios)
        plain = [self._plain(way, cuts) for way in ways]
        values = page_values(self._setting, plain, self._known.scenarios)
        active = int(np.argmin(fused[:, self._measured]))
        values[active] = fused[active]
        return mean_excess(values.min(axis=0), self._known)

    def _over(self, cuts: Cuts, wanted: set[DownSet]) -> list[_Way]:
        """Return the pages over `cuts` that may be chosen, which then run fused, and are divided at one of `wanted`.

        One that keeps a limit only while it is fused is among them: block by block it counts as over the limit.
        """
        both = zip(candidates(self._setting, cuts, fused=True), candidates(self._setting, cuts), strict=True)
        return [
            _Way(fused.down_set, fused.page.prediction, plain.page.prediction, cuts)
            for fused, plain in both
            if fused.in_book and fused.eligible and fused.down_set in wanted
        ]

    def _plain(self, way: _Way, cuts: Cuts) -> Prediction:
        """Return what the page costs when it runs block by block through all of `cuts`."""
        here, there = cuts.index(way.cut), way.over.index(way.cut)
        near = self._through(0, cuts[: here + 1]) - self._through(0, way.over[: there + 1])
        far = self._through(1, cuts[here:]) - self._through(1, way.over[there:])
        one = way.plain
        return dataclasses.replace(one, board=Seconds(one.board + near), cloud=Seconds(one.cloud + far))

    def _through(self, device: int, cuts: Cuts) -> float:
        return sum(self._time(device, first, last) for first, last in itertools.pairwise(cuts))

    def _time(self, device: int, first: DownSet, last: DownSet) -> float:
        key = (device, first, last)
        if key not in self._times:
            costs = self._setting.problem.devices[device].costs
            self._times[key] = segment_estimate(costs, self._setting.graph, first, last).mean
        return self._times[key]
