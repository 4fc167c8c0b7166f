"""The product against every fixed plan, the 30-line application, and one who knows it all, over links that change.

All ways of answering run side by side, each in a lane of its own, over the same trace, with the same timetable. The
oracle's times come from one more lane whose pages are asked in turn. Law: orders the replays and makes rows of what
`verdicts` says.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.lanes import LEAD, Document, Lane, Subjects, replay, running
from bench.rows import Row
from bench.traces import Trace
from bench.verdicts import (
    Answer,
    by_page,
    epochs,
    fair_oracle,
    flaps,
    oracle,
    percentile,
    ratio_of_means,
    right_pages,
    turns,
)
from examples.demo.processes import free_port
from examples.thirty_lines.quantize import quantize
from partitioner.costs import HEADER_OVERHEAD

OURS, THIRTY = "turning", "30-line application"
ROUNDS = ("rounds", "rounds between")
"""Two lanes whose pages are asked in turn: one chooses, the other judges."""
NEAR_ORACLE = 1.05
GIVE_UP = 3.0
"""Times what the board alone takes, after which a page's sample is given up."""
CALM = 2.0
"""Turns a minute that nothing asked for, at most: the issue says "no flapping", the number is ours."""


@dataclass(frozen=True)
class Replayed:
    """What came of one trace: the answers of each way."""

    trace: Trace
    answers: Mapping[str, Sequence[Answer]]

    def latencies(self, way: str) -> list[float]:
        """Return the seconds of a way's answers, by due time."""
        return [one.latency for one in sorted(self.answers[way], key=lambda one: one.due)]

    @property
    def ways(self) -> list[str]:
        """Return what is held against ours."""
        return [way for way in self.answers if way not in (OURS, *ROUNDS)]

    def dues(self) -> list[float]:
        """Return when our requests were due."""
        return sorted(one.due for one in self.answers[OURS])

    def samples(self) -> dict[str, list[tuple[float, float]]]:
        """Return the samples of both rounds, by page."""
        return by_page([one for way in ROUNDS for one in self.answers[way]])

    def oracle(self) -> list[tuple[str, float]]:
        """Return the page and the seconds of the one who knows, at our requests' due times."""
        one, other = (by_page(self.answers[way]) for way in ROUNDS)
        return fair_oracle(one, other, self.dues())


def contest(
    subjects: Subjects, traces: Sequence[Trace], directory: Path, keep: Path | None, few: bool = False
) -> Iterator[Row]:
    """Replay all traces in all ways; yield what came of each, `keep` its answers, and then what came of all.

    `few` ways are the product and the oracle, and nothing beside them.
    """
    runs = []
    for run in replayed(subjects, traces, directory, few):
        runs.append(run)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            kept = json.dumps(asdict(run))
            (keep / f"{run.trace.name}-{subjects.tag}.json").write_text(kept)
        yield from _trace_rows(f"{subjects.mode}: {run.trace.name}", run)
    yield from rows(subjects.mode, runs, subjects)


def replayed(subjects: Subjects, traces: Sequence[Trace], directory: Path, few: bool) -> Iterator[Replayed]:
    """Bring a lane up for each way, and replay all traces in all of them at once."""
    names = [OURS, *ROUNDS, *([] if few else [THIRTY, *subjects.pages])]
    ways = [
        Lane(f"{subjects.tag}{number}", subjects, directory, led=name == OURS)
        for number, name in enumerate(names)
    ]
    with running(ways) as made:
        server = {} if few else _thirty_lines(ways[names.index(THIRTY)], directory)
        for trace in traces:
            subjects.say(f"{trace.name}, {trace.delay:g} ms: {len(names)} ways side by side")
            jobs = [_job(name, subjects, trace, server) for name in names]
            yield Replayed(trace, dict(zip(names, replay(made, jobs, trace), strict=True)))


def stream_job(subjects: Subjects, seconds: float, page: str = "") -> Document:
    """Return the job of a stream at LOAD, on `page` where one is named."""
    period = subjects.period
    return {"do": "stream", "page": page, "period": period, "count": int((LEAD + seconds) / period)}


def rounds_job(subjects: Subjects, trace: Trace, number: int = 0) -> Document:
    """Return the job of who asks every page in turn; a page whose bytes alone take as long as the board is left out."""
    least = {
        page: one["bytes_up"] * HEADER_OVERHEAD * 8e-6 / subjects.alone
        for page, one in subjects.pages.items()
    }
    period = subjects.period
    pages = list(least)[:: -1 if number else 1]
    job = {"do": "rounds", "pages": pages, "least_rates": least, "seconds": trace.seconds, "period": period}
    return job | {"points": trace.points, "patience": GIVE_UP * subjects.alone, "shift": number * period / 2}


def _job(name: str, subjects: Subjects, trace: Trace, server: Document) -> Document:
    if name in ROUNDS:
        return rounds_job(subjects, trace, ROUNDS.index(name))
    stream = stream_job(subjects, trace.seconds, "" if name in (OURS, THIRTY) else name)
    return stream | server if name == THIRTY else stream


def _thirty_lines(lane: Lane, directory: Path) -> Document:
    """Quantize its model, start its server on the cloud's host; with the input kept it has none."""
    subjects = lane.subjects
    folder = subjects.known.subject.model.parent
    int8 = folder / "mobilenetv2_int8.onnx"
    if not int8.exists():
        quantize(subjects.known.subject.model, sorted((folder / "samples").glob("*.jpg")), int8)
    job: Document = {"do": "application", "int8": str(int8), "slow": subjects.slow, "server": ""}
    if not subjects.keep_input:
        job["server"] = lane.serve_thirty_lines(folder, free_port())
    return job


# --- what it came to ------------------------------------------------------------------------------


def rows(mode: str, runs: Sequence[Replayed], subjects: Subjects) -> Iterator[Row]:
    """Yield ratios of means, percentiles, turns and flaps over all traces."""
    yield from _oracle_rows(mode, runs)
    for way in runs[0].ways:
        yield _against(mode, runs, way, judged=not (way == THIRTY and subjects.keep_input))
    yield from _tail_rows(mode, runs)
    yield from _pages_rows(mode, runs, subjects)


def _trace_rows(title: str, run: Replayed) -> Iterator[Row]:
    told = ", ".join(
        f"{way} {statistics.fmean(run.latencies(way)) * 1e3:.0f} / {percentile(run.latencies(way), 99) * 1e3:.0f}"
        for way in run.ways
    )
    own = run.latencies(OURS)
    known = statistics.fmean(took for _, took in run.oracle())
    yield _row(
        f"{title}: mean", statistics.fmean(own) * 1e3, "ms", f"oracle {known * 1e3:.0f}; mean / p99: {told}"
    )
    yield _row(f"{title}: p99", percentile(own, 99) * 1e3, "ms", f"of {len(own)}")


def _oracle_rows(mode: str, runs: Sequence[Replayed]) -> Iterator[Row]:
    pairs = [list(zip(run.latencies(OURS), [took for _, took in run.oracle()], strict=True)) for run in runs]
    found = ratio_of_means(pairs)
    what = f"{mode}: mean of all traces / the oracle's"
    yield _row(what, found.value, "1", str(found), NEAR_ORACLE, found.value <= NEAR_ORACLE)
    least = [
        list(zip(run.latencies(OURS), [took for _, took in oracle(run.samples(), run.dues())], strict=True))
        for run in runs
    ]
    strict = ratio_of_means(least)
    what = f"{mode}: mean of all traces / the least of the oracle's samples"
    told = f"{strict}; less than any page takes in truth, by their noise: the truth is between this and the one above"
    yield _row(what, strict.value, "1", told, NEAR_ORACLE, strict.value <= NEAR_ORACLE)
    calm = [
        [pair for pair, struck in zip(run, _struck(of), strict=True) if not struck]
        for run, of in zip(pairs, runs, strict=True)
    ]
    rest = ratio_of_means(calm)
    what = f"{mode}: the same, without requests that a gap struck"
    yield _row(what, rest.value, "1", f"{rest}; the oracle knows of a gap before it comes")


def _struck(run: Replayed) -> list[bool]:
    """Return for each of our requests, by due time, whether it fell back, or its answer came late."""
    ordered = sorted(run.answers[OURS], key=lambda one: one.due)
    return [one.fell_back or one.reason.startswith("answered late") for one in ordered]


def _against(mode: str, runs: Sequence[Replayed], way: str, judged: bool) -> Row:
    """Return our mean over that of another way; it is no worse where the interval reaches down to 1.

    Not judged is what is no plan of this model: with the input kept, the 30-line application is a quantized one.
    """
    found = ratio_of_means([list(zip(run.latencies(OURS), run.latencies(way), strict=True)) for run in runs])
    worse = [
        run.trace.name
        for run in runs
        if ratio_of_means([list(zip(run.latencies(OURS), run.latencies(way), strict=True))]).low > 1.0
    ]
    told = f"{found}; beyond its noise worse on: {', '.join(worse) or 'none'}"
    what = f"{mode}: mean / that of {way}"
    return (
        _row(what, found.value, "1", told, 1.0, found.low <= 1.0)
        if judged
        else _row(what, found.value, "1", told)
    )


def _tail_rows(mode: str, runs: Sequence[Replayed]) -> Iterator[Row]:
    own = percentile([took for run in runs for took in run.latencies(OURS)], 99)
    if THIRTY not in runs[0].answers:
        yield _row(f"{mode}: p99 of all traces", own * 1e3, "ms", "nothing beside it")
        return
    other = percentile([took for run in runs for took in run.latencies(THIRTY)], 99)
    what = f"{mode}: p99 of all traces"
    yield _row(what, own * 1e3, "ms", f"{THIRTY} {other * 1e3:.0f} ms", round(other * 1e3, 1), own <= other)
    for run in runs:
        late = sum(one.reason == "timed out" for one in run.answers[THIRTY])
        if late:
            ours, theirs = (percentile(run.latencies(way), 99) * 1e3 for way in (OURS, THIRTY))
            what = f"{mode}: {run.trace.name}: p99, where the {THIRTY} timed out {late} times"
            yield _row(what, ours, "ms", f"{theirs:.0f} ms", round(theirs, 1), ours < theirs)


def _pages_rows(mode: str, runs: Sequence[Replayed], subjects: Subjects) -> Iterator[Row]:
    entered = Counter(one.page or "error" for run in runs for one in run.answers[OURS])
    wanted = Counter(page for run in runs for page, _ in run.oracle())
    interior = sum(page.startswith("cut") for page in entered)
    told = f"ours: {_counts(entered)}; oracle: {_counts(wanted)}"
    goal = 3 if subjects.keep_input else None
    yield _row(f"{mode}: interior frontiers entered", interior, "pages", told, goal, _met(interior, goal))
    errors = [one.error for run in runs for one in run.answers[OURS] if one.error]
    yield _row(f"{mode}: errors", len(errors), "requests", errors[0] if errors else "none", 0, not errors)
    back = sum(one.fell_back for run in runs for one in run.answers[OURS])
    yield _row(f"{mode}: fell back to the board", back, "requests", f"of {sum(entered.values())}")
    asked = sum(len(changes_of(run)) for run in runs)
    turned = sum(len(turns(run.answers[OURS])) for run in runs)
    yield _row(f"{mode}: turns", turned, "turns", f"the oracle turns {asked} times")
    minutes = sum(run.trace.seconds for run in runs) / 60
    found = sum(len(flaps(run.answers[OURS], run.trace)) for run in runs)
    told = f"{found} in {minutes:.1f} minutes: turns of pages since the one before which the link had not changed"
    yield _row(f"{mode}: flaps a minute", found / minutes, "1/min", told, CALM, found / minutes <= CALM)
    made = [len(epochs(run.answers[OURS])) for run in runs]
    told = (
        f"in {len(made)} traces, {max(made, default=0)} at most in one: plans that the coordinator made anew"
    )
    yield _row(f"{mode}: epochs changed", sum(made), "epochs", told)


def changes_of(run: Replayed) -> list[str]:
    """Return the pages that the oracle turns to, leaving out turns between pages that nobody could tell apart."""
    samples = run.samples()
    found: list[str] = []
    for due in run.dues():
        times = {page: oracle({page: own}, [due])[0][1] for page, own in samples.items()}
        right = right_pages(times)
        if not found or found[-1] not in right:
            found.append(min(times, key=lambda page: times[page]))
    return found[1:]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{page} {count}" for page, count in counter.most_common())


def _met(value: float, goal: float | None) -> bool | None:
    return None if goal is None else value >= goal


def _row(what: str, value: float, unit: str, told: str, *judged: float | None) -> Row:
    """Return a row; `judged` is nothing, or its goal and whether it was met."""
    goal, met = judged or (None, None)
    return Row("adapt", what, round(value, 4), unit, told, goal, None if met is None else bool(met))
