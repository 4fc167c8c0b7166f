"""What replays come to: percentiles, the oracle, ratios with an interval, turns that nothing asked for.

Law: pure arithmetic on the answers of `bench.replayer`; orders nothing and prints nothing. Seconds throughout.
"""

from __future__ import annotations

import math
import random
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.traces import Trace
from partitioner.plan import LOCAL_PAGE

WIDTH = 1.5
"""Seconds around a moment whose samples tell what a page takes at that moment."""
BLOCK = 8
"""Requests in a row that a bootstrap draws together: neighbours share their fate."""
DRAWS = 1000
TIES = 1.05
"""A page that takes at most so many times what the best takes is no wrong page."""
Samples = Mapping[str, Sequence[tuple[float, float]]]
"""By page: (second at which it was asked, seconds it took), in order."""


@dataclass(frozen=True)
class Answer:
    """One request: when it was due and how long after that its answer came; both in seconds of the replay.

    `page` is the one that answered ("" for an error), `asked` the one it named ("" for none), `reason` why. Of the
    seconds, `network` are the links', and `played` those by which devices play slower ones. `epoch` is the one that it
    ended on, 0 where that is not known.
    """

    due: float
    latency: float
    page: str
    asked: str = ""
    reason: str = ""
    error: str = ""
    network: float = 0.0
    played: float = 0.0
    epoch: int = 0

    @property
    def ended(self) -> float:
        """Return the second at which its answer came."""
        return self.due + self.latency

    @property
    def fell_back(self) -> bool:
        """Whether it left the page that it began on."""
        return self.reason.startswith("fallback")


def percentile(values: Iterable[float], rank: float) -> float:
    """Return the value that `rank` percent do not exceed (the nearest rank above)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * rank / 100) - 1))]


def by_page(answers: Iterable[Answer]) -> dict[str, list[tuple[float, float]]]:
    """Return the samples of each page that answered when it was asked for; what strayed counts as endless."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in sorted(answers, key=lambda one: one.due):
        latency = one.latency if one.page == one.asked and not one.fell_back else math.inf
        found.setdefault(one.asked, []).append((one.due, latency))
    return found


def time_of(samples: Sequence[tuple[float, float]], at: float) -> float:
    """Return what a page takes at second `at`: the mean of its samples around, else of the nearest on either side.

    Where the nearest one is endless, so is this: the page strayed, or was hopeless. Nothing is known beyond
    twice WIDTH: that is endless as well.
    """
    place = bisect_right(samples, (at, math.inf))
    beside = [samples[one] for one in (place - 1, place) if 0 <= one < len(samples)]
    near = [(abs(second - at), took) for second, took in beside if abs(second - at) <= 2 * WIDTH]
    if not near or not math.isfinite(min(near)[1]):
        return math.inf
    around = [took for second, took in samples if abs(second - at) <= WIDTH / 2 and math.isfinite(took)]
    return statistics.fmean(around or [took for _, took in near if math.isfinite(took)])


def oracle(samples: Samples, dues: Iterable[float]) -> list[tuple[str, float]]:
    """Return for each moment the page that took least then, and what it took: the one who knew it all."""
    found = []
    for due in dues:
        times = {page: time_of(own, due) for page, own in samples.items()}
        best = min(times, key=lambda page: times[page])
        found.append((best, times[best]))
    return found


def fair_oracle(one: Samples, other: Samples, dues: Iterable[float]) -> list[tuple[str, float]]:
    """Return for each moment the page that took least, judged by samples that it was not chosen by.

    The least of several noisy values is less than any of them is in truth. So each of two sets of samples chooses, the
    other one tells what that takes, and the two are averaged; who has no sample of a page leaves it to its chooser.
    """
    found = []
    for due in dues:
        told = [_judged(by, judge, due) for by, judge in ((one, other), (other, one))]
        page, _ = min(told, key=lambda pair: pair[1])
        found.append((page, statistics.fmean(took for _, took in told)))
    return found


def _judged(by: Samples, judge: Samples, due: float) -> tuple[str, float]:
    page, own = oracle(by, [due])[0]
    took = time_of(judge.get(page, ()), due)
    return page, took if math.isfinite(took) else own


@dataclass(frozen=True)
class Ratio:
    """A mean over another one, with the interval in which 95 of 100 redrawn runs fall."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the interval in words."""
        return f"95 % interval {self.low:.3f} to {self.high:.3f}"


def ratio_of_means(pairs: Sequence[Sequence[tuple[float, float]]], seed: int = 0) -> Ratio:
    """Return mean(first) / mean(second) of paired values; `pairs` are runs, redrawn by blocks within each run.

    A pair whose second value is not known (endless) is left out.
    """
    chance = random.Random(seed)
    pairs = [[pair for pair in run if math.isfinite(pair[1])] for run in pairs]
    blocks = [[run[at : at + BLOCK] for at in range(0, len(run), BLOCK)] for run in pairs if run]
    sums = [[(sum(a for a, _ in block), sum(b for _, b in block)) for block in run] for run in blocks]
    drawn = sorted(_drawn(sums, chance) for _ in range(DRAWS))
    value = _quotient([one for run in sums for one in run])
    return Ratio(value, drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)])


def _drawn(sums: Sequence[Sequence[tuple[float, float]]], chance: random.Random) -> float:
    return _quotient([chance.choice(run) for run in sums for _ in run])


def _quotient(sums: Sequence[tuple[float, float]]) -> float:
    below = sum(b for _, b in sums)
    return sum(a for a, _ in sums) / below if below else math.inf


def turns(answers: Iterable[Answer]) -> list[Answer]:
    """Return the requests that were admitted on another page than the one before them, in order of their due times.

    What fell back is no turn: it was admitted on the page that it left.
    """
    ordered = [one for one in sorted(answers, key=lambda one: one.due) if one.page and not one.fell_back]
    return [one for before, one in zip(ordered, ordered[1:], strict=False) if one.page != before.page]


def epochs(answers: Iterable[Answer]) -> list[Answer]:
    """Return the requests that ended on another epoch than the one before them: plans that were made anew meanwhile."""
    ordered = [one for one in sorted(answers, key=lambda one: one.due) if one.epoch]
    return [one for before, one in zip(ordered, ordered[1:], strict=False) if one.epoch != before.epoch]


def flaps(answers: Iterable[Answer], trace: Trace) -> list[Answer]:
    """Return the turns before which the link had not changed since the turn before them: nothing asked for these.

    A change counts from one second before a turn's predecessor, since a turn may take a request or two to come.
    """
    turned = turns(answers)
    changed = trace.changes()
    return [
        one
        for before, one in zip(turned, turned[1:], strict=False)
        if not any(before.due - 1.0 <= second <= one.due for second in changed)
    ]


def right_pages(times: Mapping[str, float]) -> set[str]:
    """Return the pages that take least, or so little more that nobody could tell."""
    best = min(times.values())
    return {page for page, took in times.items() if took <= TIES * best}


def right_of(samples: Mapping[str, Sequence[float]]) -> set[str]:
    """Return the pages that are right by their samples: within TIES of the best median, or within its and their error.

    The error of a median is 1.25 standard errors of a mean, by the median absolute deviation; two of
    them count.
    """
    middles = {page: statistics.median(own) for page, own in samples.items()}
    best = min(middles, key=lambda page: middles[page])
    right = right_pages(middles)
    for page, own in samples.items():
        error = math.hypot(_error(own), _error(samples[best]))
        if middles[page] - middles[best] <= 2 * error:
            right.add(page)
    return right


def _error(own: Sequence[float]) -> float:
    middle = statistics.median(own)
    return 1.25 * 1.4826 * statistics.median(abs(one - middle) for one in own) / math.sqrt(len(own))


@dataclass(frozen=True)
class Step:
    """One change of the link at second `at`, until `until`: the pages that are right then, and when it showed."""

    at: float
    until: float
    right: frozenset[str]
    usual: Mapping[str, float]
    """Seconds that each page took before the change."""
    linked: frozenset[str]
    """The pages that use the link."""
    looks: Sequence[float] = ()
    """The seconds at which the entry had looked at the link by itself."""


def evidence(step: Step, answers: Sequence[Answer]) -> float:
    """Return the second from which the entry could have known: a transfer that ended after the change, or is overdue.

    An answer that used the link and ended after the change tells; so does a request that is still under way half as
    long again as its page took before, and a look of the entry's own. Where nothing used the link, the change itself
    counts: that is the strictest.
    """
    told = [_shows(step, one) for one in answers if one.due < step.until]
    known = [second for second in told if second is not None]
    known += [second for second in step.looks if second > step.at]
    return min(known, default=step.at)


def _shows(step: Step, one: Answer) -> float | None:
    page = one.page if one.page in step.linked else ""
    if one.fell_back or not page:
        left = one.fell_back and one.due + one.latency > step.at
        return max(step.at, one.due + one.latency) if left else None
    if one.ended <= step.at:
        return None
    overdue = one.due + 1.5 * step.usual.get(page, math.inf)
    return max(step.at, min(one.ended, overdue))


def wrong_after(step: Step, answers: Sequence[Answer]) -> int:
    """Return how many requests came after the change showed and took a page that is wrong now.

    What fell back began on a page that was wrong, whatever answered in the end.
    """
    since = evidence(step, answers)
    after = [one for one in answers if since < one.due < step.until]
    return sum(one.fell_back or one.page not in step.right for one in after)


def settled_after(step: Step, answers: Sequence[Answer]) -> float:
    """Return the seconds from the change until the first request that came on a right page; endless for none."""
    right = [one.due for one in answers if step.at < one.due < step.until and one.page in step.right]
    return min(right, default=math.inf) - step.at


@dataclass(frozen=True)
class Trial:
    """The far side went away at second `began` and was there again at `back`; until `until` nothing else happened."""

    began: float
    back: float
    until: float


HEALTHY = 2.5
"""Seconds before a fault whose answers tell what requests usually take."""


def struck(trial: Trial, answers: Sequence[Answer]) -> list[float]:
    """Return by how much longer than usual those requests took that the fault met: under way then, or sent into it.

    The first one that was due comes first. What was admitted on the board from its beginning was not met. Usual is the
    median of the answers before.
    """
    before = [one for one in answers if trial.began - HEALTHY <= one.due and one.ended <= trial.began]
    split = [one.latency for one in before if one.page != LOCAL_PAGE and not one.fell_back]
    usual = statistics.median(split) if split else 0.0
    met = sorted((one for one in answers if _met(trial, one)), key=lambda one: one.due)
    return [one.latency - usual for one in met]


def _met(trial: Trial, one: Answer) -> bool:
    if not one.due < trial.back or one.ended <= trial.began:
        return False
    alone = one.page == LOCAL_PAGE and not one.fell_back
    return bool(one.error) or not alone


def returned(trial: Trial, answers: Sequence[Answer]) -> float:
    """Return the seconds from when the far side was back to the first answer that came from it; endless for none."""
    ended = [
        one.ended
        for one in answers
        if trial.back < one.ended < trial.until + HEALTHY
        and one.page not in ("", LOCAL_PAGE)
        and not one.fell_back
    ]
    return min(ended, default=math.inf) - trial.back
