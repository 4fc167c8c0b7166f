"""What an agent costs when nobody asks: its processor, and the bytes of its stream to the coordinator.

Law: looks from outside: processor time of the process, bytes of its TCP connections to the coordinator's port as the
kernel counts them (headers not included). What the link between agents carries is told apart.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.lanes import BOARD, CLOUD, CONTROL_PORT, Lane, Subjects
from bench.rows import Row

SETTLE = 12.0
"""Seconds after which all that a start entails is over."""
CPU_GOAL, BYTES_GOAL = 1.0, 1000.0
HOSTS = {BOARD: "edge", CLOUD: "cloud"}
COUNTED = re.compile(r"bytes_(?:sent|received):(\d+)")


@dataclass(frozen=True)
class Spent:
    """Processor seconds of a process, and bytes both ways: to the coordinator, and on the wire in all."""

    processor: float
    control: int
    wire: int


def idle(prepared: Sequence[Subjects], directory: Path, seconds: float) -> Iterator[Row]:
    """Bring an agent on either side up, with its model active, leave them alone, and yield what they used."""
    ways = [Lane(f"idle{one.tag}", one, directory) for one in prepared]
    with ExitStack() as stack:
        for lane in ways:
            stack.enter_context(lane)
        prepared[0].say(f"nobody asks for {seconds:g} s")
        time.sleep(SETTLE)
        before = [spent(lane, name) for lane in ways for name in HOSTS]
        time.sleep(seconds)
        after = [spent(lane, name) for lane in ways for name in HOSTS]
    names = [f"{one.mode}: idle {name}" for one in prepared for name in HOSTS]
    for name, first, last in zip(names, before, after, strict=True):
        yield from rows(name, first, last, seconds)


def rows(title: str, before: Spent, after: Spent, seconds: float) -> Iterator[Row]:
    """Yield the processor's share and the bytes a second."""
    processor = 100 * (after.processor - before.processor) / seconds
    control = (after.control - before.control) / seconds
    wire = (after.wire - before.wire) / seconds
    told = f"over {seconds:g} s; of one core"
    yield Row("adapt", f"{title}: processor", round(processor, 2), "%", told, CPU_GOAL, processor < CPU_GOAL)
    told = f"payload both ways; its host's wire in all, links and probes included: {wire:.0f} B/s"
    yield Row(
        "adapt", f"{title}: control stream", round(control), "B/s", told, BYTES_GOAL, control < BYTES_GOAL
    )


def spent(lane: Lane, name: str) -> Spent:
    """Return what an agent has used until now."""
    process = psutil.Process(agent_of(lane, name))
    times = process.cpu_times()
    return Spent(times.user + times.system, _control(lane, name), _wire(lane, name))


def agent_of(lane: Lane, name: str) -> int:
    """Return the process of an agent: the laboratory's commands become it."""
    return int(lane.child(name).process.pid)


def _control(lane: Lane, name: str) -> int:
    """Return the bytes of the connections that the agent has to the coordinator's port."""
    filters = ["ss", "-Htinp", "state", "established", f"( dport = :{CONTROL_PORT} )"]
    told = _in_host(lane, name, filters)
    mine = [entry for entry in told.split("\n") if entry.strip()]
    own = [
        counts
        for head, counts in zip(mine[::2], mine[1::2], strict=False)
        if f"pid={agent_of(lane, name)}," in head
    ]
    return sum(int(count) for counts in own for count in COUNTED.findall(counts))


def _wire(lane: Lane, name: str) -> int:
    """Return the bytes that its host has sent and received on the link."""
    lines = _in_host(lane, name, ["cat", "/proc/net/dev"]).splitlines()
    counts = next(line for line in lines if line.strip().startswith("tap0:")).split(":")[1].split()
    return int(counts[0]) + int(counts[8])


def _in_host(lane: Lane, name: str, words: Sequence[str]) -> str:
    command = ["ip", "netns", "exec", f"{lane.laboratory.name}-{HOSTS[name]}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
