"""What a turn costs that the entry makes by itself: requests that name no page, on a link that becomes another one.

The rate steps to and fro between two values by which different pages are the best; the board is only so slow that these
can be told apart. What the first request on a page takes is held against the next ones on it, at the same rate; and
what any other request takes, in the same way: that is the control. Seconds on the link are told apart: a connection
that carried little has to find out first how much it may carry, whoever turned the page. So are those by which the
board plays a slower one: what a cold cache costs would be multiplied with them.
Law: orders the replay and makes a row.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.lanes import RATES, Document, Lane, Subjects, replay, running, seconds_at
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import DRAWS, Answer
from partitioner.plan import LOCAL_PAGE

WORTH = 1.5
"""The board is played so slow that alone it takes so many times what the best page by a perfect link does."""
FASTEST = 1000.0
"""Mbit/s: as good as endless."""
LESS, MORE = 3.0, 8.0
"""The rates are so many times less, and more, than where both cost the same."""
HOLD, DELAY, PAUSE = 4.0, 1.0, 0.002
"""Seconds between two steps: a rise of a rate is looked at once in five seconds."""
AFTER = 6
"""Requests on the same page that the first one is held against; at least half as many."""
GOAL = 1e-3
Difference = tuple[list[float], list[float]]


def own_turns(prepared: Sequence[Subjects], directory: Path, count: int) -> Iterator[Row]:
    """Let the links change `count` times, all modes side by side; yield what a page's first request takes more."""
    played = [replace(one, slow=slowness(one.pages, one.slow)) for one in prepared]
    traces = [
        _trace(as_played(one.pages, new.slow / one.slow), count)
        for one, new in zip(prepared, played, strict=True)
    ]
    lanes = [Lane(f"own{one.tag}", one, directory, led=False) for one in played]
    prepared[0].say(f"{count} steps of the link, nobody names a page")
    job: Document = {"do": "closed", "seconds": traces[0].seconds, "pause": PAUSE}
    job |= {"pages": [LOCAL_PAGE, LOCAL_PAGE, ""]}  # asked first: the board is quicker than it was measured

    def change(begin: float) -> None:
        for at in range(count + 1):
            time.sleep(max(0.0, begin + at * HOLD - time.monotonic()))
            for lane, trace in zip(lanes, traces, strict=True):
                lane.wire(trace.rate(at * HOLD), DELAY)
        time.sleep(HOLD)

    with running(lanes) as made:
        answers = replay(made, [job] * len(lanes), traces[0], change)
    for one, own, trace in zip(played, answers, traces, strict=True):
        taken = Counter(answer.page for answer in own if answer.page)
        high, low = trace.rate(0.0), trace.rate(HOLD)
        told = f"{low:.2g} and {high:.2g} Mbit/s, board {one.slow:g}x slower, {_counted(taken)}"
        beside = [replace(answer, latency=answer.latency - answer.network - answer.played) for answer in own]
        yield _row(
            one.mode,
            "added latency, the link's and what is played apart",
            differences(beside, trace),
            (told, GOAL),
        )
        yield _row(one.mode, "added latency, all of it", differences(own, trace), (told, None))


def _counted(taken: Counter[str]) -> str:
    return ", ".join(f"{page} {count}" for page, count in taken.most_common())


def _trace(pages: Mapping[str, Document], count: int) -> Trace:
    rate = crossing(pages)
    points = tuple((at * HOLD, rate * (MORE, 1 / LESS)[at % 2]) for at in range(count + 1))
    return Trace("ownturns", DELAY, points[-1][0] + HOLD, points)


def slowness(pages: Mapping[str, Document], slow: float) -> float:
    """Return how slow the board is to be played, where `pages` are predicted for one that is `slow` times slower."""
    least = 1.0
    while least < slow and not _pays(as_played(pages, least / slow)):
        least += 0.5
    return least


def _pays(pages: Mapping[str, Document]) -> bool:
    best = min(seconds_at(page, FASTEST, DELAY) for name, page in pages.items() if name != LOCAL_PAGE)
    return seconds_at(pages[LOCAL_PAGE], FASTEST) > WORTH * best


def as_played(pages: Mapping[str, Document], part: float) -> dict[str, Document]:
    """Return the pages as predicted for a board that takes `part` of its seconds."""
    return {name: {**page, "board": page["board"] * part} for name, page in pages.items()}


def crossing(pages: Mapping[str, Document]) -> float:
    """Return the rate, in Mbit/s, above which the board alone is not the best page."""
    span = (RATES[0] * 1.1**step for step in range(200))
    own = seconds_at(pages[LOCAL_PAGE], FASTEST)
    return next(
        (
            rate
            for rate in span
            if any(seconds_at(page, rate, DELAY) < own for name, page in pages.items() if name != LOCAL_PAGE)
        ),
        FASTEST,
    )


def differences(answers: Sequence[Answer], trace: Trace) -> Difference:
    """Return by how much longer the first request of a page took than the next ones, and any other one likewise."""
    ordered = sorted((one for one in answers if _is_plain(one)), key=lambda one: one.due)  # one at a time
    turned: list[float] = []
    stayed: list[float] = []
    for at in range(1, len(ordered)):
        one = ordered[at]
        after = [other.latency for other in ordered[at + 1 : at + 1 + AFTER] if _alike(one, other, trace)]
        if len(after) >= AFTER // 2:
            into = turned if ordered[at - 1].page != one.page else stayed
            into.append(one.latency - statistics.median(after))
    return turned, stayed


def _is_plain(one: Answer) -> bool:
    return not (one.error or one.fell_back or one.reason.startswith("taken this once"))


def _alike(one: Answer, other: Answer, trace: Trace) -> bool:
    return one.page == other.page and trace.rate(one.due) == trace.rate(other.ended)


def _row(mode: str, what: str, found: Difference, beside: tuple[str, float | None]) -> Row:
    what = f"{mode}: page turn by itself: {what} (median)"
    (turned, stayed), (told, goal) = found, beside
    aim = goal * 1e3 if goal is not None else None
    if not turned or not stayed:
        return Row("adapt", what, 0.0, "ms", f"no turns: {told}", aim, None if goal is None else False)
    added, chance = _added(turned, stayed), random.Random(0)
    drawn = sorted(
        _added(chance.choices(turned, k=len(turned)), chance.choices(stayed, k=len(stayed)))
        for _ in range(DRAWS // 2)
    )
    interval = f"{drawn[int(0.025 * len(drawn))] * 1e3:.2f} to {drawn[int(0.975 * len(drawn))] * 1e3:.2f}"
    told = f"{len(turned)} turns, {len(stayed)} others; 95 % interval {interval} ms; {told}"
    return Row("adapt", what, round(added * 1e3, 3), "ms", told, aim, None if goal is None else added < goal)


def _added(turned: Sequence[float], stayed: Sequence[float]) -> float:
    return statistics.median(turned) - statistics.median(stayed)
