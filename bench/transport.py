"""Our link against a raw TCP socket and against protobuf over gRPC, paired in one run.

    python -m bench.transport [PART...] [--size "600 kB"] [--repeats N] [--seconds S] >rows.jsonl

Parts: `echo` (round trip over loopback), `throughput` (one way, pipelined), `small` (small requests beside 12 MB
tensors, over loopback), `far` (one way over 20 ms and 50 Mbit/s, warm and after 2 s idle), `far-small` (small
requests beside 12 MB over 18.88 Mbit/s). The last two need root: they are measured between the two hosts of
`bench/lab`. All are run when none is named, the last two only where they can be.

Law: orders and judges; the processes are `ends`'. What is compared takes turns, since a machine changes speed for
minutes; medians, and goals where the issue sets some. Malloc is tuned as an agent tunes it, for everybody but
"proto-untuned", which is protobuf over gRPC as a program has it that does nothing about its memory.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

from bench.ends import Asker, askers
from bench.laboratory import Laboratory
from bench.rows import Row
from examples.demo.processes import WIFI, Conditions

SIZES = {"1 kB": 1_000, "150 kB": 150_000, "600 kB": 600_000, "3 MB": 3_000_000, "12 MB": 12_000_000}
GOALS = {"1 kB": 10.0, "150 kB": 5.0, "600 kB": 3.5, "3 MB": 2.5}
REPEATS = {"1 kB": 400, "150 kB": 200, "600 kB": 120, "3 MB": 40, "12 MB": 12}
TURN = {"1 kB": 20, "150 kB": 10, "600 kB": 10, "3 MB": 4, "12 MB": 2}
"""Trips in a row, after one that does not count: what comes from a pause is slower, and that is another figure."""
WAYS = ("raw", "plain", "grpc", "near", "bare", "proto", "proto-untuned")
JUDGED = ("plain", "grpc")
"""Our link by a plain stream, which agents and clients take, and by gRPC, which is there for all others."""
BATCH, BATCHES, IN_FLIGHT = 60, 12, 16
FAR = Conditions("20 ms, 50 Mbit/s", 50, 20)
FAR_SIZES = ("150 kB", "600 kB", "3 MB")
WARM, WARM_GOAL, IDLE, IDLE_GOAL = 0.0, 1.02, 2.0, 1.10
WARM_UP = {"150 kB": 3, "600 kB": 3, "3 MB": 1}
"""Payloads before one that counts as warm: while the other way had its turn, TCP has forgotten something."""
Askers = Mapping[str, Asker]
Samples = dict[str, list[float]]


# --- round trips over loopback --------------------------------------------------------------------


def echo(ways: Askers, options: argparse.Namespace) -> Iterator[Row]:
    """Yield how long a payload takes there and back, by every way."""
    for size in _sizes(options, SIZES):
        wall: Samples = {name: [] for name in ways}
        busy: Samples = {name: [] for name in ways}
        for _ in range(max(1, (options.repeats or REPEATS[size]) // TURN[size])):
            for name, way in ways.items():
                told = way.ask(do="trips", size=SIZES[size], count=TURN[size], warm=1, echo=True)
                wall[name] += told["wall"]
                busy[name].append(told["busy"])
        base = statistics.median(wall["raw"])
        for name, seconds in wall.items():
            median, used = statistics.median(seconds) * 1e3, statistics.median(busy[name]) * 1e3
            beside = f"{median:.3f} ms; raw {base * 1e3:.3f} ms; asker's processor {used:.3f} ms"
            goal = GOALS.get(size) if name in JUDGED else None
            yield _row(f"echo {size}: {name} / raw TCP", median / base / 1e3, "1", beside, goal)


# --- one way, pipelined ---------------------------------------------------------------------------


def throughput(ways: Askers, options: argparse.Namespace) -> Iterator[Row]:
    """Yield what passes one way with many payloads under way, answered by next to nothing."""
    for size in _sizes(options, ("600 kB",)):
        rates: Samples = {name: [] for name in ways}
        for _ in range(options.repeats or BATCHES):
            for name, way in ways.items():
                told = way.ask(do="stream", size=SIZES[size], count=BATCH, in_flight=IN_FLIGHT)
                rates[name].append(told["rate"] / 1e6)
        medians = {name: statistics.median(one) for name, one in rates.items()}
        beside = (
            f"{', '.join(f'{name} {rate:.0f} MB/s' for name, rate in medians.items())}; {IN_FLIGHT} in flight"
        )
        for own, other in product(filter(ways.__contains__, JUDGED), ("proto-untuned", "proto")):
            goal = 2.0 if other == "proto-untuned" else None
            gain = medians[own] / medians[other]
            yield _row(f"one way {size}: {own} / {other}", gain, "1", beside, goal, least=True)


# --- far away -------------------------------------------------------------------------------------


def far(ways: Askers, options: argparse.Namespace) -> Iterator[Row]:
    """Yield what a payload takes one way on a long link, above raw TCP on the same one."""
    for size in _sizes(options, FAR_SIZES):
        for idle, rounds, goal in ((WARM, 10, WARM_GOAL), (IDLE, 7, IDLE_GOAL)):
            samples = _far_turns(ways, size, idle, options.repeats or rounds)
            medians = {name: statistics.median(one) * 1e3 for name, one in samples.items()}
            ideal = SIZES[size] * 1.046 * 8e-3 / FAR.rate + 2 * FAR.delay
            when = f"after {idle:g} s idle" if idle else "warm"
            for name in filter(ways.__contains__, JUDGED):
                told = f"{medians[name]:.1f} ms, raw {medians['raw']:.1f} ms, arithmetic {ideal:.1f} ms"
                what = f"{FAR.name}, {options.control}, {size} {when}: {name} / raw TCP"
                yield _row(what, medians[name] / medians["raw"], "1", told, goal)


def _far_turns(ways: Askers, size: str, idle: float, rounds: int) -> Samples:
    """Return seconds of both ways: each just after others like it, or after `idle` seconds without a word."""
    samples: Samples = {name: [] for name in ways}
    order = list(ways)
    for _ in range(rounds):
        order.reverse()
        time.sleep(idle)
        for name in order:
            warm = 0 if idle else WARM_UP[size]
            told = ways[name].ask(do="trips", size=SIZES[size], count=1, warm=warm)
            samples[name] += told["wall"]
    return samples


def controls() -> list[str]:
    """Return the congestion controls to measure with: the kernel's own, and cubic, which most others have."""
    folder = Path("/proc/sys/net/ipv4")
    own = (folder / "tcp_congestion_control").read_text().strip()
    known = (folder / "tcp_available_congestion_control").read_text().split()
    return list(dict.fromkeys([own, *(name for name in ("cubic",) if name in known)]))


# --- small requests beside large ones -------------------------------------------------------------


def small(ways: Askers, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the 99th percentile of small requests alone and while 12 MB pass, over loopback."""
    for name in filter(ways.__contains__, JUDGED):
        yield _small(f"loopback, {name}", ways[name], options.seconds or 12.0)


def far_small(ways: Askers, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the same over a slow link."""
    for name in filter(ways.__contains__, JUDGED):
        where = f"{WIFI.rate} Mbit/s, {WIFI.delay} ms, {options.control}, {name}"
        yield _small(where, ways[name], options.seconds or 30.0)


def _small(where: str, way: Asker, seconds: float) -> Row:
    seen = way.ask(do="beside", size=SIZES["12 MB"], seconds=seconds)
    alone, beside, chunk = seen["alone"], seen["beside"], seen["chunk"]
    told = (
        f"alone: median {alone['median'] * 1e3:.2f}, p99 {alone['p99'] * 1e3:.2f} ms of {alone['count']}; "
        f"beside: median {beside['median'] * 1e3:.2f} ms of {beside['count']}; 12 MB at "
        f"{seen['rate'] / 1e6:.2f} MB/s, a chunk of {seen['chunk_bytes'] / 1e3:.0f} kB takes {chunk * 1e3:.1f} ms"
    )
    goal = 3 * alone["p99"] + chunk
    return _row(f"small p99 beside 12 MB, {where}", beside["p99"] * 1e3, "ms", told, goal * 1e3)


# --- rows and the run -----------------------------------------------------------------------------


def _row(
    what: str, value: float, unit: str, told: str, goal: float | None = None, *, least: bool = False
) -> Row:
    met = None if goal is None else (value >= goal if least else value <= goal)
    goal = None if goal is None else round(goal, 3)
    return Row("transport", what, round(value, 3), unit, told, goal, met)


def _sizes(options: argparse.Namespace, known: Iterable[str]) -> list[str]:
    return [size for size in known if not options.size or size in options.size]


PARTS = {"echo": echo, "throughput": throughput, "small": small, "far": far, "far-small": far_small}
NEEDED = {
    "echo": WAYS,
    "throughput": (*JUDGED, "proto", "proto-untuned"),
    "small": JUDGED,
    "far": ("raw", *JUDGED),
    "far-small": JUDGED,
}
OTHERS = {"throughput": ("proto", "proto-untuned")}
CONDITIONS = {"far": FAR, "far-small": WIFI}
"""The parts that need a laboratory, and its link."""


def run(part: str, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of one part, measured in the laboratory where it needs one."""
    wanted = options.way or WAYS
    kinds = [kind for kind in NEEDED[part] if kind in ("raw", *OTHERS.get(part, ()), *wanted)]
    if part not in CONDITIONS:
        with askers(kinds) as ways:
            yield from PARTS[part](ways, options)
        return
    with (
        tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder,
        Laboratory(part, Path(folder)) as there,
    ):
        there.shape(CONDITIONS[part])
        near, distant = there.command("edge", ()), there.command("cloud", ())
        for name in options.congestion or controls()[: 2 if part == "far" else 1]:
            with askers(kinds, there.hosts.cloud, near, distant, name) as ways:
                options.control = ", ".join({way.ask(do="control")["control"] for way in ways.values()})
                yield from PARTS[part](ways, options)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--size", action="append", choices=list(SIZES), help="this one only")
    parser.add_argument(
        "--way", action="append", choices=WAYS, help="this one only, and what it is held against"
    )
    parser.add_argument("--repeats", type=int, help="turns of each way, instead of some hundred")
    parser.add_argument("--seconds", type=float, help="how long small requests go beside large ones")
    parser.add_argument("--congestion", action="append", help="congestion control of the long links")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    for part in options.parts or [part for part in PARTS if part not in CONDITIONS or os.geteuid() == 0]:
        for row in run(part, options):
            row.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
