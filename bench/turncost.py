"""What a page turn costs: the request that turns against those after it, the memory of a book, pieces opened.

Latency is told by a board at its own speed, asked for runs of one page by turns: the first of each run against the
others. Memory is an agent with a book of blocks, all of them used, against an idle agent and the whole model as one
session. Pieces are what an agent opens by itself where requests stay on a page. Law: orders and looks from outside.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from bench.agentlogs import noted
from bench.contest import stream_job
from bench.idle import agent_of
from bench.lanes import BOARD, Document, Lane, Subjects, replay, running
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import DRAWS, Answer, percentile
from bench.whole import hold_whole
from partitioner.plan import LOCAL_PAGE

RATE, DELAY = 200.0, 0.2
RUN = 4
"""Requests in a row on one page."""
PAUSE = 0.002
OPENED = "opened beside requests"
USED = 200
"""Requests before memory is looked at: arenas have grown to what they will be."""
LATENCY_GOAL, MEMORY_GOAL, WORK_GOAL = 1e-3, 1.2, 0.6
STAY = 12.0
"""Seconds for which requests stay on a page: twice as long as it takes until pieces are opened."""
FAST, SLOW = 18.88, 1.1


def turn_costs(prepared: Sequence[Subjects], directory: Path, count: int) -> Iterator[Row]:
    """Yield the added latency, the memory and the background work, in every mode."""
    for one in prepared:
        yield from _latency(one, directory, count)
        yield from _pieces(one, directory)


def _latency(subjects: Subjects, directory: Path, count: int) -> Iterator[Row]:
    quick = replace(subjects, slow=1.0)
    lane = Lane(f"turn{subjects.tag}", quick, directory, led=False)
    pages = _rivals(subjects)
    subjects.say(f"{count} requests by turns on {' and '.join(pages)}, board at its own speed")
    trace = Trace("turn", DELAY, 0.0, ((0.0, RATE),))
    job: Document = {"do": "switches", "pages": list(pages), "run": RUN, "count": count, "pause": PAUSE}
    with running([lane]) as made:
        (answers,) = replay(made, [job], trace, lambda begin: None)
        every: Document = {"do": "switches", "pages": list(subjects.pages), "run": 1, "count": USED}
        replay(made, [every], trace, lambda begin: None)
        resident = int(psutil.Process(agent_of(lane, BOARD)).memory_info().rss)
        pieces = len(list(noted(lane.child(BOARD).log, OPENED)))
    yield latency_row(subjects.mode, pages, answers)
    yield _memory_row(subjects, directory, resident, f"{pieces} times pieces opened besides")


def _rivals(subjects: Subjects) -> tuple[str, str]:
    """Return two pages to turn between: cuts where there are some, since they share the most blocks."""
    pages = sorted(subjects.pages, key=lambda page: not page.startswith("cut"))
    return pages[0], pages[1]


def latency_row(mode: str, pages: Sequence[str], answers: Sequence[Answer]) -> Row:
    """Return by how much the first request of each run takes longer than the others of its page."""
    firsts, others = apart(answers)
    added = _added(firsts, others)
    chance = random.Random(0)
    drawn = sorted(
        _added(
            {page: chance.choices(own, k=len(own)) for page, own in firsts.items()},
            {page: chance.choices(own, k=len(own)) for page, own in others.items()},
        )
        for _ in range(DRAWS // 2)
    )
    interval = f"{drawn[int(0.025 * len(drawn))] * 1e3:.2f} to {drawn[int(0.975 * len(drawn))] * 1e3:.2f}"
    told = (
        f"{sum(map(len, firsts.values()))} turns between {' and '.join(pages)}; 95 % interval {interval} ms; "
    )
    told += ", ".join(f"{page} {statistics.median(own) * 1e3:.2f} ms" for page, own in others.items())
    what = f"{mode}: page turn: added latency (median)"
    return Row("adapt", what, round(added * 1e3, 3), "ms", told, LATENCY_GOAL * 1e3, added < LATENCY_GOAL)


def apart(answers: Sequence[Answer]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return by page the seconds of requests that came after another page's, and of those after their own's."""
    firsts: dict[str, list[float]] = {}
    others: dict[str, list[float]] = {}
    ordered = sorted(answers, key=lambda one: one.due)
    for before, one in zip(ordered, ordered[1:], strict=False):
        into = others if before.page == one.page else firsts
        into.setdefault(one.page, []).append(one.latency)
    return firsts, others


def _added(firsts: dict[str, list[float]], others: dict[str, list[float]]) -> float:
    return statistics.fmean(
        statistics.median(own) - statistics.median(others[page]) for page, own in firsts.items()
    )


def _memory_row(subjects: Subjects, directory: Path, resident: int, pieces: str) -> Row:
    """Return the memory of the agent that was asked for every page, against one that holds the whole model at once."""
    quick = replace(subjects, slow=1.0)
    lane = Lane(f"whole{subjects.tag}", quick, directory, led=False)
    hold_whole(lane.directory, BOARD)
    trace = Trace("whole", DELAY, 0.0, ((0.0, RATE),))
    job: Document = {"do": "switches", "pages": [LOCAL_PAGE], "run": 1, "count": USED}
    with running([lane]) as made:
        replay(made, [job], trace, lambda begin: None)
        whole = int(psutil.Process(agent_of(lane, BOARD)).memory_info().rss)
    ratio = resident / whole
    compared = f"{resident / 1e6:.1f} MB after {USED} requests over all pages, {pieces}; "
    compared += f"as one session {whole / 1e6:.1f} MB"
    what = f"{subjects.mode}: memory of a board with its book / with the whole model"
    return Row("adapt", what, round(ratio, 3), "1", compared, MEMORY_GOAL, ratio <= MEMORY_GOAL)


def _pieces(subjects: Subjects, directory: Path) -> Iterator[Row]:
    """Let requests stay on a page, then on another one: what is opened beside them, and whether one is delayed."""
    points = ((0.0, FAST), (STAY, SLOW))
    trace = Trace("pieces", 2.0, 2 * STAY, points)
    lane = Lane(f"pieces{subjects.tag}", subjects, directory)
    with running([lane]) as made:
        subjects.say("requests stay on a page, then on another one")
        begun: list[float] = []
        (answers,) = replay(made, [stream_job(subjects, trace.seconds)], trace, begun=begun.append)
        since = begun[0] + time.time() - time.monotonic()
        lines = noted(lane.child(BOARD).log, OPENED)
        opened = [(at - since, float(fields["seconds"])) for at, fields in lines]
    yield from pieces_rows(subjects.mode, opened, answers)


def pieces_rows(mode: str, opened: Sequence[tuple[float, float]], answers: Sequence[Answer]) -> Iterator[Row]:
    """Yield the background work, and the latency of requests under way meanwhile against those of their page."""
    what = f"{mode}: pieces opened beside requests"
    if not opened:
        yield Row("adapt", what, 0, "pieces", "nothing was opened: everything had been")
        return
    worst = max(took for _, took in opened)
    told = f"{len(opened)} times: {', '.join(f'{took:.2f}' for _, took in opened)} s"
    yield Row("adapt", f"{what}: longest work", round(worst, 3), "s", told, WORK_GOAL, worst < WORK_GOAL)
    usual = {
        page: percentile([one.latency for one in answers if one.page == page], 50)
        for page in {one.page for one in answers}
    }
    meanwhile = [
        one.latency - usual[one.page]
        for one in answers
        if any(one.due < at and one.ended > at - took for at, took in opened)
    ]
    if meanwhile:
        told = f"of {len(meanwhile)} requests meanwhile, against the median of their page"
        yield Row(
            "adapt", f"{what}: added latency meanwhile, worst", round(max(meanwhile) * 1e3, 1), "ms", told
        )
