"""What an agent costs: memory when idle and with models, time until it is registered, opening its blocks.

    python -m bench.footprint [--starts N] >rows.jsonl

Law: starts real processes on this machine and looks at them from outside (resident set, seconds to a line).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.rows import Row
from bench.subjects import OF_PICTURES, Subject
from examples.demo.processes import Child, Town, free_port, lepton
from lepton_edge.client import Client

SETTLE = 3.0
"""Seconds after which an idle agent has nothing left to do but its heartbeats."""
IDLE_GOAL, REGISTERED_GOAL = 85.0, 1.5
BASE = "onnxruntime, grpc, zeroconf"
NAKED = f"import sys, time, {BASE}\nprint('ready', flush=True)\nsys.stdin.read()"
INFERENCES = 20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=5, help="how many times an agent is started")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as directory:
        for row in _rows(Path(directory), options.starts):
            row.print()
    return 0


def _rows(directory: Path, starts: int) -> Iterator[Row]:
    with Town(directory / "idle") as town:
        yield from _idle(town, starts)
    for name, make in OF_PICTURES.items():
        with Town(directory / name) as town:
            yield from _deployed(town, make(directory / f"{name}-files"))


def _idle(town: Town, starts: int) -> Iterator[Row]:
    coordinator = town.coordinator()
    bare = _resident(_bare(town))
    seconds, resident = [], []
    for number in range(starts):
        begin = time.monotonic()
        agent = _agent(town, "board", coordinator, f"board{number}")
        seconds.append(time.monotonic() - begin)
        time.sleep(SETTLE)
        resident.append(_resident(agent))
        agent.stop()
    idle, registered = statistics.median(resident), statistics.median(seconds)
    beside = f"a process that imports {BASE}: {bare:.1f} MB"
    yield Row("footprint", "agent resident when idle", idle, "MB", beside, IDLE_GOAL, idle <= IDLE_GOAL)
    spread = f"of {starts}: {min(seconds):.2f} to {max(seconds):.2f} s"
    met = registered <= REGISTERED_GOAL
    yield Row(
        "footprint", "process start to registered", round(registered, 3), "s", spread, REGISTERED_GOAL, met
    )


def _bare(town: Town) -> Child:
    child = town.start("bare", [sys.executable, "-c", NAKED])
    child.wait_for("ready")
    return child


def _agent(town: Town, role: str, coordinator: str, name: str) -> Child:
    state = ["--state-directory", str(town.directory / name), "--threads", "1", "--port", str(free_port())]
    command = lepton("agent", "start", "--role", role, "--name", name, "--coordinator", coordinator, *state)
    child = town.start(name, command)
    child.wait_for("agent registered")
    return child


def _deployed(town: Town, subject: Subject) -> Iterator[Row]:
    coordinator = town.coordinator()
    _agent(town, "cloud", coordinator, "cloud")
    board = _agent(town, "board", coordinator, "board")
    before = _resident(board)
    with Client(coordinator, patience=600.0) as client:
        told = client.push(subject.name, subject.model, manifest=subject.manifest, samples=subject.samples)
        client.deploy(subject.name)
        weights = told["weights_bytes"] / 1e6
        name = told["inputs"][0]["name"]
        _infer(client, subject, name)
        beside = f"{before:.1f} MB before, {weights:.1f} MB of weights"
        what = f"board resident with {subject.name}"
        yield Row("footprint", f"{what}, measured and deployed", _resident(board), "MB", beside)
        board.stop()
        board = _agent(town, "board", coordinator, "board")
        _infer(client, subject, name)
        yield Row("footprint", f"{what}, after a restart", _resident(board), "MB", beside)
    board.stop()
    yield from _opening(town, subject)


def _infer(client: Client, subject: Subject, name: str) -> None:
    """Use every block on the board, so that its arenas have grown to what they will be."""
    for _ in range(INFERENCES):
        client.infer(subject.name, {name: subject.given}, page="local")


def _opening(town: Town, subject: Subject) -> Iterator[Row]:
    words = [sys.executable, "-m", "bench.opening", str(town.directory / "board")]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    for block, seconds in json.loads(done.stdout)[subject.name].items():
        yield Row("footprint", f"opening {subject.name} {block}", round(seconds * 1e3, 1), "ms")


def _resident(child: Child) -> float:
    """Return the megabytes that a process occupies."""
    return round(float(psutil.Process(child.process.pid).memory_info().rss) / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
