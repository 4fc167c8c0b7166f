"""A page that is not prepared: how long its blocks take to open, and what becomes of the requests meanwhile.

Both agents have a bound of memory, and no fallback keeps all blocks open. On a slow link the board alone is active, and
the link becomes quick: the cloud has to open what it runs. Or the page that is best on a quick link is active, and the
link becomes slow: the board has to open the rest. Requests come one after the other, lest they meet their own queue.
Beside each such town is one in which all is open: what its requests take when the link changes is no delay.
Law: rewrites what agents have saved, before they start; what runs is the agents themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.agentlogs import noted
from bench.lanes import BOARD, CLOUD, Application, Document, Lane, Subjects, replay, running, seconds_at
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import Answer
from device_agents.driver.saved import SavedEpochs
from device_agents.machine.events import SavedEpoch
from partitioner.units import PageName

OPENED = "opened beside requests"
MEMORY = 1 << 30
"""Bytes: a bound, not a want; with one, agents open what is wanted."""
FAST, SLOW = 18.88, 0.5
BEFORE, AFTER, DELAY, PAUSE = 3.0, 6.0, 2.0, 0.02
STEADY = 5.0
"""Seconds of requests that name a page, by which is judged what it takes at a rate."""
GOAL = 0.6
STRAYS = 1.1
"""A request that takes so many times what the page's slowest one else did was delayed."""


def unprepared(prepared: Sequence[Subjects], directory: Path, count: int) -> Iterator[Row]:
    """Let `count` fresh towns a mode meet pages that are not prepared; yield the work and the requests meanwhile."""
    found: dict[str, list[Watched]] = {one.mode: [] for one in prepared}
    for before, after in ((SLOW, FAST), (FAST, SLOW)):
        prepared[0].say(f"{count} times a page that is not prepared, {before} -> {after} Mbit/s")
        lanes = [
            _bare_lane(one, directory / f"{after:g}", before, (number, memory))
            for one in prepared
            for number in range(count)
            for memory in (MEMORY, 0)
        ]
        for mode, watched_one in _watched(lanes, before, after):
            found[mode].append(watched_one)
    for mode, own in found.items():
        yield from rows(mode, own)


def _bare_lane(one: Subjects, directory: Path, rate: float, which: tuple[int, int]) -> Lane:
    directory.mkdir(exist_ok=True)
    number, memory = which
    lane = Lane(f"{'bare' if memory else 'open'}{one.tag}{number}", one, directory, led=False)
    lane.laboratory.memory = memory
    for name in (BOARD, CLOUD):
        lay_bare(lane.directory / name, best_at(one, rate))
    return lane


def best_at(one: Subjects, rate: float) -> str:
    """Return the page that is predicted to take least."""
    return min(one.pages, key=lambda page: seconds_at(one.pages[page], rate, DELAY))


@dataclass(frozen=True)
class Watched:
    """One opening: who did it, its seconds; of requests meanwhile, by how much more they took, and what was usual.

    `late` are their seconds beyond the median of their page at that rate; more than `stray` would be a delay.
    """

    device: str
    seconds: float
    late: tuple[float, ...]
    stray: float


def _watched(lanes: Sequence[Lane], before: float, after: float) -> list[tuple[str, Watched]]:
    trace = Trace("bare", DELAY, BEFORE + AFTER, ((0.0, before), (BEFORE, after)))
    firsts = [best_at(lane.subjects, before) for lane in lanes]
    begun: list[float] = []
    with running(lanes) as made:
        answers = replay(made, [_job(first, "", trace) for first in firsts], trace, begun=begun.append)
        since = begun[0] + time.time() - time.monotonic()
        openings = [_openings(lane, since) for lane in lanes]
        named = _usual(made, firsts, after)
    found = []
    for at in range(0, len(lanes), 2):  # a town with a bound, and one without
        known = _by_page([*answers[at + 1], *named[at], *named[at + 1]])
        mode = lanes[at].subjects.mode
        found += [
            (mode, watched(who, (end, took), answers[at], trace, known)) for who, end, took in openings[at]
        ]
    return found


def _by_page(answers: Sequence[Answer]) -> dict[str, list[float]]:
    """Return by page what requests took after the link had changed, or were under way then."""
    found: dict[str, list[float]] = {}
    for one in answers:
        if one.ended > BEFORE and not one.fell_back:
            found.setdefault(one.page, []).append(one.latency)
    return found


def _job(first: str, page: str, trace: Trace) -> Document:
    return {"do": "closed", "first": first, "page": page, "seconds": trace.seconds, "pause": PAUSE}


def _openings(lane: Lane, since: float) -> list[tuple[str, float, float]]:
    """Return who opened blocks for a page: (device, second at which it was done, seconds that it took)."""
    return [
        (name, at - since, float(fields["seconds"]))
        for name in (BOARD, CLOUD)
        for at, fields in noted(lane.child(name).log, OPENED)
        if int(fields["blocks"])
    ]


def _usual(made: Sequence[Application], pages: Sequence[str], rate: float) -> list[list[Answer]]:
    """Return the answers of each town's page that requests were on when the link changed, at the rate of then."""
    trace = Trace("usual", DELAY, BEFORE + STEADY, ((0.0, rate),))
    return replay(made, [_job(page, page, trace) for page in pages], trace)


def watched(
    device: str,
    opening: tuple[float, float],
    answers: Sequence[Answer],
    trace: Trace,
    usual: dict[str, list[float]],
) -> Watched:
    """Return what became of the requests that were under way during an opening and began at the rate of then."""
    at, took = opening
    late, stray = [], 0.0
    for one in answers:
        meanwhile = one.due < at and one.ended > at - took and trace.rate(one.due) == trace.rate(at)
        if meanwhile and (own := usual.get(one.page)):
            late.append(one.latency - statistics.median(own))
            stray = max(stray, STRAYS * max(own) - statistics.median(own))
    return Watched(device, took, tuple(late), stray)


def rows(mode: str, found: Sequence[Watched]) -> Iterator[Row]:
    """Yield the longest background work, and the longest delay of a request meanwhile."""
    what = f"{mode}: unprepared page"
    if not found:
        yield Row("adapt", f"{what}: background work", 0.0, "s", "none was opened", GOAL, False)
        return
    worst = max(one.seconds for one in found)
    each = ", ".join(f"{one.device} {one.seconds:.3f}" for one in found)
    yield Row("adapt", f"{what}: background work, longest", round(worst, 3), "s", each, GOAL, worst < GOAL)
    late = [(more, one.stray) for one in found for more in one.late]
    if late:
        more = max(more for more, _ in late)
        delayed = sum(more > stray for more, stray in late)
        told = f"{len(late)} requests under way meanwhile, against the median of their page at that rate: "
        told += (
            f"median {statistics.median(more for more, _ in late) * 1e3:.1f} ms, most {more * 1e3:.1f} ms; "
        )
        told += f"more than {max(stray for _, stray in late) * 1e3:.1f} ms is more than without"
        yield Row("adapt", f"{what}: requests delayed meanwhile", delayed, "requests", told, 0, not delayed)


def lay_bare(state: Path, active: str) -> None:
    """Let an agent's saved book have no fallback, `active` as its active page, and nothing that runs faster."""
    saved = SavedEpochs(state / "epochs.json")
    epoch = saved.read()[-1]
    saved.write((_bare(epoch, active),))


def _bare(epoch: SavedEpoch, active: str) -> SavedEpoch:
    book = epoch.book
    bare = replace(
        book,
        active=PageName(active),
        fallback=PageName(""),
        fused=(),
        spare=(),
    )
    return replace(epoch, book=bare)
