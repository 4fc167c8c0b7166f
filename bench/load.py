"""Sixty-four clients for two minutes: no error, fair, memory flat.

    python -m bench.load [--seconds N] [--processes N] [--clients N] [--floods N] >rows.jsonl

Real processes on loopback: a coordinator, a board, a cloud, MobileNetV2, and a crowd in several processes whose
clients have a connection each and ask in a closed loop, half of them on a local page, half on a split one. One in
`--floods` has 8 requests in flight instead of one, one in `--leavers` comes back on a new connection after every
10 answers; fairness is told among equals. Law: orders, sums up and judges; what a client does is `crowd`'s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.crowd import Member
from bench.rows import Row
from bench.subjects import Subject, mobilenetv2
from examples.demo.processes import Town
from lepton_edge.client import Client

FLOOD = 8
"""Requests that a flooding client has in flight."""
STAYS = 10
"""Answers after which one who leaves leaves."""
FAIR = 1.2
FLAT = 2.0
"""Percent by which an agent may grow from the second fifth of the time to the last."""
EVERY = 0.5
"""Seconds between two looks at the memory."""
AGENTS = ("board", "cloud")
Kind = tuple[str, int, int]
"""What equals have in common: page, requests in flight, answers to a connection (0: all)."""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lepton-load-") as directory:
        place = Path(directory)
        subject = mobilenetv2(place / "mobilenetv2")
        with Town(place / "town") as town:
            coordinator = town.coordinator()
            board = town.agent("board", coordinator)
            town.agent("cloud", coordinator)
            job, pages = _deployed(coordinator, subject, board)
            for row in _rows(town, job, pages, options):
                row.print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--clients", type=int, default=64, help="in all processes together")
    parser.add_argument("--floods", type=int, default=8, help="one in so many floods; 0: nobody")
    parser.add_argument("--leavers", type=int, default=8, help="one in so many comes and goes; 0: nobody")
    parser.add_argument("--keep", type=Path, help="a file for every client's figures and the memory's")
    return parser.parse_args()


def _deployed(coordinator: str, subject: Subject, board: str) -> tuple[dict[str, Any], list[str]]:
    """Push and deploy; return what the crowd is told, and the pages that it asks for: local, and a split."""
    with Client(coordinator, patience=600.0) as client:
        told = client.push(subject.name, subject.model, manifest=subject.manifest, samples=subject.samples)
        plan = client.deploy(subject.name)["plan"]
    names = [one["page"] for one in plan["candidates"] if one["in_book"]]
    split = next((name for name in names if name.startswith("cut")), "cloud-raw")
    job = {
        "address": board,
        "model": subject.name,
        "input": told["inputs"][0]["name"],
        "file": str(subject.given),
    }
    return job, ["local", split]


def _rows(
    town: Town, job: dict[str, Any], pages: Sequence[str], options: argparse.Namespace
) -> Iterator[Row]:
    print(f"[load] pages {', '.join(pages)}; {options.clients} clients", file=sys.stderr, flush=True)
    everybody = members(options.clients, pages, options.floods, options.leavers)
    shares = shared_out(everybody, options.processes)
    jobs = [job | {"seconds": options.seconds, "members": share} for share in shares]
    memory = Memory({name: town.children[name].process.pid for name in AGENTS})
    answered = _run(jobs, memory)
    if options.keep:
        kept = {"members": [vars(one) for one in answered], "memory": memory.seen}
        options.keep.write_text(json.dumps(kept))
    done = sum(len(one.ended) for one in answered)
    title = f"{options.clients} clients for {options.seconds:g} s"
    yield from _error_rows(title, answered, done, options.seconds)
    yield from _group_rows(title, answered, options.seconds)
    for name in AGENTS:
        yield from _memory_rows(f"{title}: {name}", memory.seen[name], done)


def members(count: int, pages: Sequence[str], floods: int, leavers: int) -> list[dict[str, Any]]:
    """Return `count` clients, pages in turn; one in `floods` floods, another one in `leavers` comes and goes."""
    made = []
    for number in range(count):
        turn = number // len(pages)
        flood, leaver = floods and turn % floods == 0, leavers and turn % leavers == 1
        how = {"in_flight": FLOOD if flood else 1, "stays": STAYS if leaver else 0}
        made.append({"page": pages[number % len(pages)], **how})
    return made


def shared_out(everybody: list[dict[str, Any]], processes: int) -> list[list[dict[str, Any]]]:
    """Return the clients of each process."""
    return [everybody[number::processes] for number in range(processes)]


def _run(jobs: list[dict[str, Any]], memory: Memory) -> list[Member]:
    """Start a process for each job, let all begin at once, and return every client with its figures."""
    command = [sys.executable, "-m", "bench.crowd"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in jobs
    ]
    try:
        for process, job in zip(started, jobs, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "a process of the crowd did not come up"
        with memory:
            told = [_finished(process) for process in _told_to_go(started)]
        return [Member(**one) for some in told for one in some]
    finally:
        for process in started:
            process.kill()
            process.wait()


def _told_to_go(started: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return started


def _finished(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout is not None
    told: list[dict[str, Any]] = json.load(process.stdout)
    return told


# --- memory ---------------------------------------------------------------------------------------


@dataclass
class Memory:
    """Looks at the resident memory of processes while its body runs; bytes by name, in order of time."""

    processes: dict[str, int]
    seen: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __exit__(self, *reason: object) -> None:
        """Look no more."""
        self.over.set()
        self._thread.join()

    def _look(self) -> None:
        watched = {name: psutil.Process(number) for name, number in self.processes.items()}
        while not self.over.wait(EVERY):
            for name, process in watched.items():
                self.seen[name].append(process.memory_info().rss)


def growth(seen: Sequence[int]) -> tuple[float, float]:
    """Return (bytes before, bytes after): the medians of the second and of the last fifth."""
    fifth = max(1, len(seen) // 5)
    return statistics.median(seen[fifth : 2 * fifth] or seen), statistics.median(seen[-fifth:])


def _memory_rows(title: str, seen: Sequence[int], done: int) -> Iterator[Row]:
    before, after = growth(seen)
    percent = (after / before - 1) * 100
    each = (
        (after - before) / (0.7 * done) * 1e4
    )  # the middles of the two fifths are 0.6 to 0.7 of the time apart
    sizes = f"{before / 1e6:.1f} -> {after / 1e6:.1f} MB, {each / 1e6:+.2f} MB in 10,000 requests"
    yield Row("load", f"{title}: memory grew by", round(percent, 2), "%", sizes, FLAT, met=percent <= FLAT)


# --- who got how much -----------------------------------------------------------------------------


def spread(counts: Sequence[int]) -> float:
    """Return the most over the fewest; infinite where somebody got nothing."""
    return max(counts) / min(counts) if min(counts) else float("inf")


def jain(counts: Sequence[int]) -> float:
    """Return Jain's index: 1 where all got the same, 1/n where one got everything."""
    return sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts))


def _error_rows(title: str, answered: list[Member], done: int, seconds: float) -> Iterator[Row]:
    errors = sum(sum(one.errors.values()) for one in answered)
    first = next((text for one in answered for text in one.errors), "none")
    yield Row("load", f"{title}: errors", errors, "requests", f"of {done}; first: {first}", 0, met=not errors)
    strayed: Counter[str] = sum((Counter(one.strayed) for one in answered), Counter())
    why = "; ".join(f"{count}x {reason}" for reason, count in strayed.most_common(3)) or "none"
    yield Row(
        "load", f"{title}: strayed from their page", strayed.total(), "requests", f"to the fallback: {why}"
    )
    yield Row("load", f"{title}: answered", round(done / seconds, 1), "1/s")


def _group_rows(title: str, answered: list[Member], seconds: float) -> Iterator[Row]:
    groups: dict[Kind, list[Member]] = defaultdict(list)
    for one in answered:
        groups[one.page, one.in_flight, one.stays].append(one)
    for (page, in_flight, stays), group in sorted(groups.items()):
        leaving = f", a new connection every {stays} answers" if stays else ""
        name = f"{title}: {len(group)} on {page}, {in_flight} in flight{leaving}"
        counts = [one.answered_within(seconds) for one in group]
        told = f"{min(counts)} to {max(counts)} answers a client, Jain {jain(counts):.4f}"
        fair = round(spread(counts), 3)
        yield Row("load", f"{name}: most / fewest answers", fair, "1", told, FAIR, met=fair <= FAIR)
        latencies = sorted(latency for one in group for latency in one.latencies)
        for rank in (50, 99):
            value = latencies[min(len(latencies) - 1, len(latencies) * rank // 100)]
            yield Row("load", f"{name}: p{rank}", round(value * 1e3, 1), "ms", f"of {len(latencies)}")
    yield from _flood_rows(title, groups, seconds)


def _flood_rows(title: str, groups: dict[Kind, list[Member]], seconds: float) -> Iterator[Row]:
    """Tell what a client gains by asking for more at a time than the others."""
    for page in sorted({page for page, *_ in groups if {(page, FLOOD, 0), (page, 1, 0)} <= groups.keys()}):
        flooding, polite = (
            statistics.mean(one.answered_within(seconds) for one in groups[page, in_flight, 0])
            for in_flight in (FLOOD, 1)
        )
        told = f"{flooding:.0f} and {polite:.0f} answers"
        what = f"{title}: {page}: a flooding client's answers / a polite one's"
        yield Row("load", what, round(flooding / polite, 2), "1", told)


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"[load] {time.monotonic() - started:.0f} s in all", file=sys.stderr)
    sys.exit(status)
