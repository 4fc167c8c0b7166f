"""The far side goes away while requests are under way to it, and comes back: what they paid, and how soon it is used.

In each trial a stream at 80 % of what the board alone could answer runs on a link on which a split is right. Half-way
through a request the link is cut, the cloud's agent killed, or frozen; after a while it is healed, started again, or
thawed. Law: orders the faults and makes rows; the arithmetic on answers is `verdicts`'.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.contest import stream_job
from bench.lanes import CLOUD, LEAD, Lane, Subjects, replay, running
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import Answer, Trial, percentile, returned, struck
from partitioner.plan import LOCAL_PAGE

RATE, DELAY = 10.0, 5.0
BEFORE = 2.5
"""Seconds of good link before each fault."""
AFTER = 3.5
"""Seconds until the next trial begins, whose first BEFORE may still show a late return; the goal is RETURN."""
AWAY = {"cut": 2.0, "kill": 1.0, "freeze": 2.0}
LONG = (10.0, 25.0)
"""Seconds of the longer cuts, one each."""
PATIENCE, RETURN = 0.2, 3.0
"""Seconds: what a lost request may cost beside the local answer at least, and until the split answers again."""
NAMES = {"cut": "cut link", "kill": "killed cloud", "freeze": "frozen cloud"}
Fault = Callable[[Lane], Callable[[], float]]
"""Does it, and returns how to undo it; that returns the second at which the far side was there again."""


def cut(lane: Lane) -> Callable[[], float]:
    """Cut the link, both ways."""
    lane.wire(0.0, 0.0)

    def heal() -> float:
        lane.wire(RATE, DELAY)
        return time.monotonic()

    return heal


def kill(lane: Lane) -> Callable[[], float]:
    """Kill the cloud's agent as a pulled plug would; it counts as there again when it says that it is ready."""
    lane.child(CLOUD).kill()

    def start() -> float:
        lane.start_cloud()
        return time.monotonic()

    return start


def freeze(lane: Lane) -> Callable[[], float]:
    """Stop the cloud's agent where it is: its sockets stay open, and it says nothing."""
    process = lane.child(CLOUD).process.pid
    os.kill(process, signal.SIGSTOP)

    def thaw() -> float:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
        return time.monotonic()

    return thaw


FAULTS: dict[str, Fault] = {"cut": cut, "kill": kill, "freeze": freeze}


@dataclass
class Plan:
    """The trials of one kind in one lane, and what became of them."""

    kind: str
    lane: Lane
    away: Sequence[float]
    trials: list[Trial]

    def run(self, begin: float) -> None:
        """Do all trials, each while a request is on its way."""
        subjects = self.lane.subjects
        chance = random.Random(self.kind)
        period = subjects.period
        now = 0.0
        for away in self.away:
            at = next_due(now + BEFORE, period) + chance.uniform(*subjects.on_the_way(RATE, DELAY))
            _sleep_until(begin + at)
            undo = FAULTS[self.kind](self.lane)
            began = time.monotonic() - begin
            _sleep_until(begin + at + away)
            back = undo() - begin
            now = back + AFTER
            self.trials.append(Trial(began, back, now))
            _sleep_until(begin + now)

    @property
    def seconds(self) -> float:
        """Return for how long the stream must run."""
        restart = 3.0 if self.kind == "kill" else 0.0
        return sum(BEFORE + 1.0 + away + restart + AFTER for away in self.away)


def next_due(after: float, period: float) -> float:
    """Return the first second after `after` at which a request of a stream is due."""
    return math.ceil((after + LEAD) / period) * period - LEAD


def outages(
    prepared: Sequence[Subjects], directory: Path, count: int, long: Sequence[float]
) -> Iterator[Row]:
    """Run the kinds of faults side by side, each in a lane of its own, in every mode."""
    plans = [
        Plan(kind, Lane(f"{kind}{one.tag}", one, directory), _away(kind, count, long), [])
        for one in prepared
        for kind in FAULTS
    ]
    with running([plan.lane for plan in plans]) as made:
        prepared[0].say(f"{len(plans)} lanes side by side: {', '.join(FAULTS)}, {count} times each")
        seconds = max(plan.seconds for plan in plans)
        trace = Trace("outages", DELAY, seconds, ((0.0, RATE),))
        jobs = [stream_job(plan.lane.subjects, seconds) for plan in plans]
        answers = replay(made, jobs, trace, lambda begin: _all(plans, begin))
    for plan, own in zip(plans, answers, strict=True):
        yield from rows(plan, own)


def _away(kind: str, count: int, long: Sequence[float]) -> list[float]:
    return [AWAY[kind]] * count + (list(long) if kind == "cut" else [])


def _all(plans: Sequence[Plan], begin: float) -> None:
    with ThreadPoolExecutor(len(plans)) as pool:
        for done in [pool.submit(plan.run, begin) for plan in plans]:
            done.result()


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


# --- what it came to ------------------------------------------------------------------------------


def rows(plan: Plan, answers: Sequence[Answer]) -> Iterator[Row]:
    """Yield what the requests that were under way paid, and how soon the split answered again."""
    title = f"{plan.lane.subjects.mode}: {NAMES[plan.kind]}"
    local = statistics.median(alone_of(answers) or [plan.lane.subjects.alone])
    jitter = link_jitter(untouched(plan.trials, answers))
    bound = local + max(3 * jitter, PATIENCE)
    paid = [struck(trial, answers) for trial in plan.trials]
    yield from _paid_rows(title, paid, local, bound, f"3 x p99 of the link {3e3 * jitter:.0f} ms")
    errors = [one.error for one in answers if one.error]
    told = f"of {len(answers)}; first: {errors[0] if errors else 'none'}"
    yield Row("adapt", f"{title}: errors", len(errors), "requests", told, 0, met=not errors)
    yield _return_row(title, [(trial, returned(trial, answers)) for trial in plan.trials])


def _paid_rows(
    title: str, paid: Sequence[Sequence[float]], local: float, bound: float, link: str
) -> Iterator[Row]:
    worst = sorted(max(added) for added in paid if added)
    requests = sum(map(len, paid))
    told = (
        f"{len(worst)} of {len(paid)} trials struck {requests} requests; local {local * 1e3:.0f} ms; {link}"
    )
    what = f"{title}: added latency of requests under way"
    first = [added[0] for added in paid if added]
    kinds = (
        ("worst of the first in each trial", [max(first)] if first else [], bound),
        ("worst, with those that wait behind it on the board", worst[-1:], bound),
        ("median of the trials' worst", worst, None),
    )
    for name, value, goal in kinds:
        if value:
            added = statistics.median(value)
            limit = None if goal is None else round(goal * 1e3, 1)
            kept = None if goal is None else added <= goal
            yield Row("adapt", f"{what}: {name}", round(added * 1e3, 1), "ms", told, limit, kept)
    late = sum(one > bound for one in worst)
    yield Row("adapt", f"{what}: trials beyond the bound", late, "trials", told, 0, met=not late)


def _return_row(title: str, found: Sequence[tuple[Trial, float]]) -> Row:
    seconds = [took for _, took in found]
    each = ", ".join(f"{took:.1f}" for took in seconds)
    away = sorted({round(trial.back - trial.began) for trial, _ in found})
    told = f"away {', '.join(str(one) for one in away)} s; each: {each}"
    worst = max(seconds)
    what = f"{title}: back on the split, worst of {len(found)} (median {statistics.median(seconds):.2f} s)"
    return Row("adapt", what, round(worst, 2), "s", told, RETURN, worst <= RETURN)


def untouched(trials: Sequence[Trial], answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers to requests that no fault was near: only these tell what the link does by itself."""
    return [
        one for one in answers if all(one.ended < trial.began or one.due > trial.back for trial in trials)
    ]


def alone_of(answers: Sequence[Answer]) -> list[float]:
    """Return the seconds of the requests that the board answered alone from their beginning."""
    return [one.latency for one in answers if one.page == LOCAL_PAGE and not one.fell_back]


def link_jitter(answers: Sequence[Answer]) -> float:
    """Return by how much requests of a page take longer on the link than that page's median: the 99th percentile."""
    pages = {one.page for one in answers if one.network and not one.fell_back}
    beyond: list[float] = []
    for page in pages:
        own = [one.network for one in answers if one.page == page and one.network and not one.fell_back]
        beyond += [took - statistics.median(own) for took in own]
    return max(0.0, percentile(beyond, 99)) if beyond else 0.0
