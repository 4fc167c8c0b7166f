"""What a turn costs that the entry makes by itself: requests that name no page, on a link that becomes another one.

The rate steps between two values that differ little, one on either side of where two pages cost the same; the board is
only so slow that these rates can be told apart. What the first request on a page takes is held against the next ones
on it, at the same rate; and what any other request takes, in the same way: that is the control.
Law: orders the replay and makes a row.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.lanes import RATES, Document, Lane, Subjects, replay, running, seconds_at
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import DRAWS, Answer
from partitioner.plan import LOCAL_PAGE

PLAYED = 8.0
"""How much slower the board is played."""
APART = 2.0
"""The two rates are so many times less and more than where the pages cost the same."""
HOLD, DELAY, PAUSE = 1.5, 1.0, 0.002
AFTER = 6
"""Requests on the same page that the first one is held against; at least half as many."""
GOAL = 1e-3
Difference = tuple[list[float], list[float]]


def own_turns(prepared: Sequence[Subjects], directory: Path, count: int) -> Iterator[Row]:
    """Let the link change `count` times, one mode after the other; yield what a page's first request takes more."""
    for one in prepared:
        yield _own(replace(one, slow=PLAYED), one, directory, count)


def _own(played: Subjects, one: Subjects, directory: Path, count: int) -> Row:
    pages = _as_played(one)
    found = crossing(pages)
    if found is None:
        return _row(one.mode, ([], []), "no two pages by a link are the best at some rate")
    low, high = found / APART, found * APART
    points = tuple((at * HOLD, (high, low)[at % 2]) for at in range(count + 1))
    trace = Trace("ownturns", DELAY, points[-1][0] + HOLD, points)
    one.say(f"{count} steps between {low:.2g} and {high:.2g} Mbit/s, nobody names a page")
    lane = Lane(f"own{int(one.keep_input)}", played, directory, led=False)
    job: Document = {"do": "closed", "seconds": trace.seconds, "pause": PAUSE}
    with running([lane]) as made:
        (answers,) = replay(made, [job], trace)
    taken = sorted({answer.page for answer in answers if answer.page})
    told = f"{low:.2g} and {high:.2g} Mbit/s, board {PLAYED:g}x slower, between {', '.join(taken)}"
    return _row(one.mode, differences(answers, trace), told)


def _as_played(one: Subjects) -> dict[str, Document]:
    """Return the pages that need a link, as predicted for a board that is as slow as it is played."""
    part = PLAYED / one.slow
    return {
        name: {**page, "board": page["board"] * part}
        for name, page in one.pages.items()
        if name != LOCAL_PAGE
    }


def crossing(pages: Mapping[str, Document]) -> float | None:
    """Return the highest rate, in Mbit/s, at which one page takes the place of another one as the best."""
    span = [rate * scale for scale in (1.0, RATES[-1] / RATES[0]) for rate in RATES]
    best = [min(pages, key=lambda page: seconds_at(pages[page], rate, DELAY)) for rate in span]
    changes = [at for at in range(1, len(best)) if best[at] != best[at - 1]]
    return math.sqrt(span[changes[-1] - 1] * span[changes[-1]]) if changes else None


def differences(answers: Sequence[Answer], trace: Trace) -> Difference:
    """Return by how much longer the first request of a page took than the next ones, and any other one likewise."""
    ordered = sorted((one for one in answers if _is_plain(one)), key=lambda one: one.due)
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


def _row(mode: str, found: Difference, told: str) -> Row:
    what = f"{mode}: page turn by itself: added latency (median)"
    turned, stayed = found
    if not turned or not stayed:
        return Row("adapt", what, 0.0, "ms", f"no turns: {told}", GOAL * 1e3, False)
    added, chance = _added(turned, stayed), random.Random(0)
    drawn = sorted(
        _added(chance.choices(turned, k=len(turned)), chance.choices(stayed, k=len(stayed)))
        for _ in range(DRAWS // 2)
    )
    interval = f"{drawn[int(0.025 * len(drawn))] * 1e3:.2f} to {drawn[int(0.975 * len(drawn))] * 1e3:.2f}"
    told = f"{len(turned)} turns, {len(stayed)} others; 95 % interval {interval} ms; {told}"
    return Row("adapt", what, round(added * 1e3, 3), "ms", told, GOAL * 1e3, added < GOAL)


def _added(turned: Sequence[float], stayed: Sequence[float]) -> float:
    return statistics.median(turned) - statistics.median(stayed)
