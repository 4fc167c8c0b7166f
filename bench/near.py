"""What lies between an application and the agent on its own machine: the local socket beside the data port.

    python -m bench.near [--rounds N] [--slow K]

One real agent runs a page of its own whose two blocks compute next to nothing; the application (this process) asks
it in turns over both doors. A row is a median over rounds of ten requests: seconds on the clock, processor time of
application and agent (all threads; the blocks' own is in both doors' figures alike). With --slow the agent has a
processor that is K times slower (root, two CPUs), as a board has in `bench.endtoend`; the application has not.

Law: reads the other process's clock, changes nothing in it. Linux. The echo of bare links over both doors is in
`bench.transport`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.byhand import ByHand, thin_book
from bench.rows import Row
from examples.demo.processes import Child, Town, lepton
from lepton_edge.client import AsyncClient
from lepton_edge.client.remote import RemoteTransport

BOARD = "board"
SIZES = {"150 kB": 37_500, "600 kB": 150_000}  # float32 elements
BATCH = 10
WARM = 3
SLOW = Path(__file__).resolve().parent / "lab" / "slow.py"


@dataclass
class Spent:
    """Milliseconds a request, one value a round: on the clock, outside the agent's own hop, of processors."""

    wall: list[float] = field(default_factory=list)
    door: list[float] = field(default_factory=list)
    application: list[float] = field(default_factory=list)
    agent: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help=f"rounds of {BATCH} requests each")
    parser.add_argument(
        "--slow", type=float, default=1.0, help="how many times slower the agent's processor is"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lepton-near-") as directory, Town(Path(directory)) as town:
        asyncio.run(_measured(town, options.rounds, options.slow))
    return 0


async def _measured(town: Town, rounds: int, slow: float) -> None:
    byhand = ByHand()
    await byhand.start()
    agent, entry = await _agent(town, byhand)
    ways = {
        "data port": AsyncClient(transport=RemoteTransport(entry, near=False)),
        "local socket": AsyncClient(transport=RemoteTransport(entry, near=True)),
    }
    try:
        with _slowed(agent, slow):
            for size, elements in SIZES.items():
                spent = {name: Spent() for name in ways}
                for turn in range(rounds + WARM):
                    for name, client in ways.items():
                        await _round(client, agent, elements, spent[name] if turn >= WARM else Spent())
                _print(f"{size}{f', agent {slow:g}x slower' if slow > 1 else ''}", spent)
    finally:
        await asyncio.gather(*(client.close() for client in ways.values()))
        agent.stop()
        await byhand.stop()


async def _agent(town: Town, byhand: ByHand) -> tuple[Child, str]:
    """Start the agent and give it a book for each size; return it and where it answers."""
    words = lepton("agent", "start", "--role", BOARD, "--name", BOARD, "--coordinator", byhand.address)
    state = str(town.directory / BOARD)
    child = town.start(BOARD, [*words, "--port", "0", "--threads", "1", "--state-directory", state])
    entry = (await asyncio.to_thread(child.wait_for, "agent ready"))["data"]
    await byhand.attached(BOARD)
    for elements in SIZES.values():
        book, artifacts = thin_book(_model(elements), BOARD, "nobody", elements)
        byhand.artifacts.update(artifacts)
        await byhand.deploy(book, {BOARD: (0, 1)})
    return child, entry


def _model(elements: int) -> str:
    return f"thin{elements}"


@contextmanager
def _slowed(agent: Child, times: float) -> Iterator[None]:
    """Give the agent the last CPU, `times` slower, and this process the others."""
    if times <= 1:
        yield
        return
    cpus = sorted(os.sched_getaffinity(0))
    process = agent.process.pid
    subprocess.run(["taskset", "-acp", str(cpus[-1]), str(process)], check=True, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(0, cpus[:-1])
    with subprocess.Popen([sys.executable, str(SLOW), str(process), str(cpus[-1]), str(times)]) as burner:
        try:
            yield
        finally:
            burner.kill()


async def _round(client: AsyncClient, agent: Child, elements: int, spent: Spent) -> None:
    given = {"x": np.ones((1, elements), np.float32)}
    walls, doors = [], []
    used, own = _used(agent), time.process_time()
    for _ in range(BATCH):
        begin = time.perf_counter()
        result = await client.infer(_model(elements), given, page="local")
        walls.append(time.perf_counter() - begin)
        doors.append(result.hops[0].network)
    spent.application.append((time.process_time() - own) / BATCH * 1e3)
    spent.agent.append((_used(agent) - used) / BATCH * 1e3)
    spent.wall.append(statistics.median(walls) * 1e3)
    spent.door.append(statistics.median(doors) * 1e3)


def _used(child: Child) -> float:
    """Return the processor time of a process so far, in seconds, all its threads together."""
    return time.clock_gettime_ns(~child.process.pid << 3 | 2) / 1e9


def _print(what: str, spent: dict[str, Spent]) -> None:
    parts = {
        "wall": "request, on the clock",
        "door": "of it outside the agent's hop",
        "application": "processor time of the application",
        "agent": "processor time of the agent",
    }
    for part, words in parts.items():
        medians = {name: statistics.median(getattr(one, part)) for name, one in spent.items()}
        beside = f"data port {medians['data port']:.2f} ms"
        Row("near", f"{what}: {words}", round(medians["local socket"], 3), "ms", beside).print()


if __name__ == "__main__":
    sys.exit(main())
