"""One coordinator and many agents: 100, 1,000, 5,000 that speak the real protocol and compute nothing.

    python -m bench.agents [--agents N ...] [--seconds S] [--boards N] >rows.jsonl

For each number: how long until all are registered; then, at rest, the coordinator's processor and memory, how late
heartbeats are counted, and how long a call of `describe` takes; then, with MobileNetV2 and a real cloud, how long it
takes to give `--boards` of them a plan, and all of these another one, as a person asks; and, when that cloud is killed
beside another one, how soon all of them are on that by themselves. Law: orders, looks from outside, and prints; what
an agent does is `impersonator`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.rows import Row
from bench.subjects import mobilenetv2
from examples.demo.processes import Town, lepton
from lepton_edge.client import Client
from lepton_edge.coordinator import pulse
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import Hardware, Hello
from lepton_edge.wire import rpc
from partitioner.nouns_json import to_json
from partitioner.units import Bytes, DeviceId

NUMBERS = (100, 1000, 5000)
EACH = 1250
"""Agents in one process: more would keep it busier than the coordinator that is looked at."""
CALLS = 20
ALL_MOVED = 600.0
"""Seconds within which all boards must be on another cloud."""
HEARTBEAT = 1.5
HARDWARE = Hardware(
    "aarch64",
    "Linux",
    4,
    Bytes(4 << 30),
    Bytes(3 << 30),
    "Cortex-A76",
    ("CPUExecutionProvider",),
    "onnxruntime 1.31",
)


def main() -> int:
    options = _options()
    for number in options.agents or NUMBERS:
        with (
            tempfile.TemporaryDirectory(prefix="lepton-agents-") as place,
            Town(Path(place) / "town") as town,
        ):
            for row in _rows(town, number, options.seconds, options.boards):
                row.print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, action="append", help="100, 1,000 and 5,000 when not given")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to look at it at rest")
    parser.add_argument("--boards", type=int, default=20, help="of them get plans; 0: none")
    return parser.parse_args()


@dataclass
class Crowd:
    """The processes in which the agents are."""

    processes: list[subprocess.Popen[str]]

    def figures(self) -> dict[str, float]:
        """Return what they saw since the last time, summed; the way to a welcome is a median of theirs."""
        told = []
        for process in self.processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("figures\n")
            process.stdin.flush()
            told.append(json.loads(process.stdout.readline()))
        summed = {name: sum(one[name] for one in told) for name in told[0]}
        summed["welcome"] = statistics.median(one["welcome"] for one in told)
        return summed

    def end(self) -> None:
        """End them all."""
        for process in self.processes:
            process.kill()
            process.communicate()


def begin(address: str, number: int, profiles: dict[str, Any]) -> Crowd:
    """Start `number` agents, which have these profiles, and wait until the coordinator has welcomed every one."""
    hello = Hello(DeviceId("x"), "board", "", "bench", 1, 1, HARDWARE, ("127.0.0.1:1",), 1.0)
    names = [f"board-{index:05d}" for index in range(number)]
    crowd = Crowd([])
    for first in range(0, number, EACH):
        job: dict[str, Any] = {
            "address": address,
            "names": names[first : first + EACH],
            "hello": to_json(hello),
            "profiles": profiles,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.impersonator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        crowd.processes.append(process)
    for process in crowd.processes:
        assert process.stdout is not None
        process.stdout.readline()
    return crowd


def _rows(town: Town, number: int, seconds: float, boards: int) -> Iterator[Row]:
    address = town.coordinator()
    profiles = measured(town, address) if boards else {}
    seen = psutil.Process(town.children["coordinator"].process.pid)
    empty = seen.memory_info().rss
    began = time.monotonic()
    crowd = begin(address, number, profiles)
    try:
        yield _row(number, "until all are registered", time.monotonic() - began, "s")
        yield from _at_rest(address, crowd, seen, number, seconds)
        each = (seen.memory_info().rss - empty) / number / 1024
        yield _row(number, "memory", each, "KiB an agent", f"{empty >> 20} MiB without any")
        if boards:
            yield from _planned(address, number, boards)
            yield from _moved(town, address, number, boards)
    finally:
        crowd.end()


def measured(town: Town, coordinator: str) -> dict[str, Any]:
    """Push MobileNetV2, have a real cloud and a real board measure it, and end the board; return its profiles."""
    town.agent("cloud", coordinator)
    town.agent("board", coordinator)
    subject = mobilenetv2(town.directory / "mobilenetv2")
    with Client(coordinator, patience=600.0) as client:
        client.push(subject.name, subject.model, manifest=subject.manifest, samples=subject.samples)
        client.deploy(subject.name, devices=("board", "cloud"))
    with sqlite3.connect(next(town.directory.rglob("coordinator.db"))) as rows:
        found = rows.execute("SELECT model, version, record FROM profiles WHERE device = 'board'").fetchall()
    town.children["board"].kill()
    return {f"{model} {version}": json.loads(record)["profile"] for model, version, record in found}


def _planned(address: str, number: int, boards: int) -> Iterator[Row]:
    """Give some boards a plan each, with the measurement; then another one, of what is known."""
    names = [f"board-{index * (number // boards):05d}" for index in range(boards)]
    with Client(address, patience=600.0) as client:
        for what in ("a plan and the first measurement", "another plan"):
            began = time.monotonic()
            for name in names:
                client.deploy("mobilenetv2", devices=(name, ""))
            each = (time.monotonic() - began) / boards
            beside = f"mean of {boards}; for all of them, one after the other, {each * number / 60:.1f} min"
            yield _row(number, f"{what}, for each board", each, "s", beside)


def _moved(town: Town, address: str, number: int, boards: int) -> Iterator[Row]:
    """Kill the cloud beside another one, and see how soon the boards that used it are on that by themselves."""
    beside = ["--insecure", "--role", "cloud", "--name", "spare", "--threads", "1"]
    where = ["--coordinator", address, "--state-directory", str(town.directory / "spare")]
    town.start("spare", lepton("agent", "start", *beside, *where)).wait_for("agent registered")
    began = time.time()
    town.children["cloud"].kill()
    at = _replans(address, boards)
    if len(at) < boards:
        yield _row(
            number, "on another cloud by themselves", len(at), "boards", f"of {boards}, in {ALL_MOVED:.0f} s"
        )
        return
    first, all_of_them = at[0] - began, at[-1] - at[0]
    yield _row(
        number, "first board on another cloud by itself", first, "s", "a lease, and measuring that cloud"
    )
    each = all_of_them / (boards - 1)
    told = f"{boards} boards in {all_of_them:.1f} s; for all of them {each * number / 60:.1f} min"
    yield _row(number, "every further board", each, "s", told)


def _replans(address: str, boards: int) -> list[float]:
    """Return when (seconds since 1970) boards were planned anew by themselves, in order; waits for all of them."""
    end, at = time.monotonic() + ALL_MOVED, list[float]()
    while len(at) < boards and time.monotonic() < end:
        time.sleep(1.0)
        with contextlib.suppress(Unavailable), Client(address, patience=60.0) as client:
            told = client.events(kind="replan")["events"]
            at = sorted(one["at"] for one in told if one["verdict"] != "refused")
    return at


def _at_rest(address: str, crowd: Crowd, seen: psutil.Process, number: int, seconds: float) -> Iterator[Row]:
    due = max(HEARTBEAT, number / pulse.BEATS)
    time.sleep(2 * due)  # pauses are told anew, some at a time
    crowd.figures()
    before, start = sum(seen.cpu_times()[:2]), time.monotonic()
    late, calls = _watched(address, seconds)
    spent, used = time.monotonic() - start, sum(seen.cpu_times()[:2]) - before
    told = crowd.figures()
    pause = f"one every {due:.1f} s"
    yield _row(number, "coordinator's processor at rest", 100 * used / spent, "% of a core", pause)
    yield _row(number, "of it, for a heartbeat", 1e6 * used / max(1.0, told["beats"]), "us")
    yield _row(
        number, "heartbeats sent", told["beats"] / spent / number * due, "of those that are due", pause
    )
    yield _row(number, "the oldest sign of life, beyond the pause", max(0.0, late - due), "s", pause)
    yield _row(number, "describe, median", statistics.median(calls) * 1e3, "ms")
    yield _row(number, "describe, longest", max(calls) * 1e3, "ms")
    yield _row(number, "lost while at rest", told["lost"], "agents")


def _row(number: int, what: str, value: float, unit: str, beside: str = "") -> Row:
    return Row("agents", f"{number} agents: {what}", round(value, 4), unit, beside)


def _watched(address: str, seconds: float) -> tuple[float, list[float]]:
    """Return the age of the oldest sign of life of all agents, seen twice, and how long calls took meanwhile."""
    calls = asyncio.run(_described(address, seconds))
    with Client(address, patience=60.0) as client:
        looks = [client.devices()["devices"] for _ in range(2)]
    return max(one["since_heard"] for look in looks for one in look if one["connected"]), calls


async def _described(address: str, seconds: float) -> list[float]:
    channel = rpc.open_channel(address)
    took = []
    try:
        for _ in range(CALLS):
            begun = time.monotonic()
            await rpc.ControlStub(channel, address).describe(timeout=30.0)
            took.append(time.monotonic() - begun)
            await asyncio.sleep(seconds / CALLS)
    finally:
        await channel.close()
    return took


if __name__ == "__main__":
    sys.exit(main())
