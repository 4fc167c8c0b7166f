"""The bandwidth falls from 18.88 to 1.1 Mbit/s and rises again: how many requests take a page that is wrong then.

A stream of our own, and one lane whose pages are asked in turn, so that it is known which pages are right at each rate.
Law: orders the replay and makes rows; when a step shows and what is wrong then is `verdicts`'.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.agentlogs import noted
from bench.contest import rounds_job, stream_job
from bench.lanes import BOARD, Lane, Subjects, replay, running
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import Answer, Step, by_page, evidence, right_of, settled_after, wrong_after
from partitioner.plan import LOCAL_PAGE

FAST, SLOW = 18.88, 1.1
DELAY = 2.0
HOLD = 5.0
"""Seconds between two steps."""
SETTLED = 1.0
"""Seconds after a step whose samples tell nothing of the rate."""
GOAL = 2
LONGEST_REASON = 120


def steps(prepared: Sequence[Subjects], directory: Path, count: int) -> Iterator[Row]:
    """Let the link fall and rise `count` times; yield how many requests took a wrong page each way."""
    points = tuple((number * HOLD, (FAST, SLOW)[number % 2]) for number in range(2 * count + 1))
    trace = Trace("steps", DELAY, points[-1][0] + HOLD, points)
    ways = [
        (one, Lane(f"{name}{one.tag}", one, directory, led=name == "ours"))
        for one in prepared
        for name in ("ours", "rounds")
    ]
    with running([lane for _, lane in ways]) as made:
        prepared[0].say(f"{count} steps each way")
        jobs = [
            stream_job(one, trace.seconds) if number % 2 == 0 else rounds_job(one, trace)
            for number, (one, _) in enumerate(ways)
        ]
        begun: list[float] = []
        answers = replay(made, jobs, trace, begun=begun.append)
        since = begun[0] + time.time() - time.monotonic()
        logs = [lane.child(BOARD).log for _, lane in ways[::2]]
        looks = [[at - since for at, _ in noted(log, "looked at a link in use")] for log in logs]
    for number, one in enumerate(prepared):
        told = Told(trace, answers[2 * number], answers[2 * number + 1], looks[number])
        yield from rows(one.mode, told)


@dataclass(frozen=True)
class Told:
    """What came of the steps: the stream's answers, the samples of each page, and the entry's own looks."""

    trace: Trace
    ours: Sequence[Answer]
    rounds: Sequence[Answer]
    looks: Sequence[float] = ()


def rows(mode: str, told: Told) -> Iterator[Row]:
    """Yield for each way of the step how many requests took a wrong page after it showed."""
    samples = {rate: samples_at(told.trace, rate, told.rounds) for rate in (FAST, SLOW)}
    right = {rate: frozenset(right_of(samples[rate])) for rate in samples}
    times = {
        rate: {page: statistics.median(own) for page, own in found.items()} for rate, found in samples.items()
    }
    for before, after in ((FAST, SLOW), (SLOW, FAST)):
        what = f"{mode}: {before} -> {after} Mbit/s"
        made = made_steps(told, after, right, times[before])
        found = [wrong_after(step, told.ours) for step in made]
        late = [evidence(step, told.ours) - step.at for step in made]
        compared = (
            f"{_pages(times[before])} -> {_pages(times[after])}, right: {', '.join(sorted(right[after]))}; "
        )
        compared += f"each: {', '.join(map(str, found))}; "
        compared += (
            f"it showed after {statistics.median(late) * 1e3:.0f} ms (median); {_taken(made, told.ours)}"
        )
        wrong = f"{what}: requests on the wrong page after it showed"
        worst, mean = max(found), round(statistics.fmean(found), 2)
        yield Row(
            "adapt", f"{wrong}: worst of {len(found)}", worst, "requests", compared, GOAL, worst <= GOAL
        )
        yield Row("adapt", f"{wrong}: mean", mean, "requests", compared, GOAL, mean <= GOAL)
        since = [settled_after(step, told.ours) for step in made]
        each = ", ".join(f"{took:.1f}" for took in since)
        yield Row(
            "adapt", f"{what}: until a right page (median)", round(statistics.median(since), 2), "s", each
        )


def samples_at(trace: Trace, rate: float, rounds: Sequence[Answer]) -> dict[str, list[float]]:
    """Return what each page took at a rate, by the samples that began and ended well after a step."""
    found = {}
    for page, samples in by_page(rounds).items():
        own = [took for due, took in samples if _settled(trace, rate, due, due + took)]
        if own:
            found[page] = own
    return found


def _settled(trace: Trace, rate: float, due: float, ended: float) -> bool:
    return all(trace.rate(at) == rate for at in (due - SETTLED, due, ended))


def made_steps(
    told: Told, after: float, right: dict[float, frozenset[str]], usual: dict[str, float]
) -> list[Step]:
    """Return the steps to the rate `after`."""
    trace = told.trace
    ends = [second for second, _ in trace.points[1:]] + [trace.seconds]
    linked = frozenset(page for page in usual if page != LOCAL_PAGE)
    return [
        Step(second, end, right[rate], usual, linked, told.looks)
        for (second, rate), end in zip(trace.points, ends, strict=True)
        if rate == after and second > 0
    ]


def _taken(steps: Sequence[Step], ours: Sequence[Answer]) -> str:
    """Return which pages were taken a second after these steps and later, and why the last one was."""
    after = [one for one in ours if any(step.at + SETTLED <= one.due < step.until for step in steps)]
    counts = Counter(one.page or "error" for one in after)
    taken = ", ".join(f"{page} {count}" for page, count in counts.most_common())
    return f"a second after: {taken}; last: {after[-1].reason[:LONGEST_REASON] if after else ''}"


def _pages(times: dict[str, float]) -> str:
    ranked = sorted(times, key=lambda page: times[page])[:3]
    return " ".join(f"{page} {times[page] * 1e3:.0f} ms" for page in ranked)
