"""Fleets as people have them, one with TLS and one in the open: what an idle agent says, and how long joining takes.

Law: starts programs by their command lines and looks at them from outside, as `bench.idle` does: bytes of a process's
TCP connections as the kernel counts them (headers not included), its processor time.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos import subject
from bench.rows import Row
from bench.security.ends import OPEN, TLS, beside, slowed
from examples.demo.processes import Town, lepton
from lepton_edge.client import Client

BOARD, CLOUD = "board", "cloud"
SETTLE, SLICE, SLICES = 12.0, 5.0, 6
"""Seconds until all that a start entails is over; then it is looked so often, after so many seconds each."""
JOINS, JOIN_GOAL = 3, 2.0
SLOWNESSES = (1.0, 4.0, 8.0)
PATIENCE = 120.0
COUNTED = re.compile(r"bytes_(?:sent|received):(\d+)")
ENDS = re.compile(r"(\S+:\d+)\s+(\S+):(\d+)\s+users:")


@dataclass(frozen=True)
class Spent:
    """Of an agent until now: processor seconds; bytes both ways to the coordinator, and on its other connections."""

    processor: float
    control: int
    others: int


# --- nobody asks ----------------------------------------------------------------------------------


def idle(trips: int) -> Iterator[Row]:
    """Yield what a board with an active model says when nobody asks: both fleets at the same time."""
    with tempfile.TemporaryDirectory(prefix="lepton-security-") as folder, contextlib.ExitStack() as stack:
        places = {TLS: Path(folder, "tls"), OPEN: Path(folder, "open")}
        towns = {name: stack.enter_context(Town(place, secure=name == TLS)) for name, place in places.items()}
        ports = {name: _settled(town) for name, town in towns.items()}
        time.sleep(SETTLE)
        seen = _looked(towns, ports, SLICES if trips >= 100 else 2)
    for name, looks in seen.items():
        yield from idle_rows(name, looks)


def _looked(towns: Mapping[str, Town], ports: Mapping[str, str], slices: int) -> dict[str, list[Spent]]:
    looks: dict[str, list[Spent]] = {name: [] for name in towns}
    for number in range(slices + 1):
        time.sleep(SLICE if number else 0.0)
        for name, town in towns.items():
            looks[name].append(spent(town, ports[name]))
    return looks


def _settled(town: Town) -> str:
    """Bring a fleet up with a model on board and cloud; return the coordinator's port."""
    coordinator = town.coordinator()
    for role in (CLOUD, BOARD):
        town.agent(role, coordinator, ["--port", "0"])
    made = subject.make(town.directory / "subject")
    with Client(coordinator, key=town.key, insecure=town.key is None, patience=PATIENCE) as client:
        client.push(subject.NAME, made.models[subject.VERSIONS[0]])
        client.deploy(subject.NAME, devices=(BOARD, CLOUD))
    return coordinator.rpartition(":")[2]


def spent(town: Town, port: str) -> Spent:
    """Return what the board's agent has used until now; `port` is the coordinator's."""
    process = town.children[BOARD].process.pid
    told = subprocess.run(
        ["ss", "-Htinp", "state", "established"], capture_output=True, text=True, check=True, timeout=10
    )
    control, others = counted(told.stdout, process, port)
    return Spent(time.clock_gettime_ns(~process << 3 | 2) / 1e9, control, others)


def counted(told: str, process: int, port: str) -> tuple[int, int]:
    """Return the bytes of a process's connections to `port`, and of its others, as `ss -Htinp` tells them."""
    lines = [line for line in told.splitlines() if line.strip()]
    control = others = 0
    for head, counts in zip(lines[::2], lines[1::2], strict=False):
        found = ENDS.search(head)
        if found is None or f"pid={process}," not in head:
            continue
        size = sum(int(count) for count in COUNTED.findall(counts))
        if found[3] == port:
            control += size
        else:
            others += size
    return control, others


def idle_rows(name: str, looks: Sequence[Spent]) -> Iterator[Row]:
    """Yield bytes a second and the processor's share; links are measured once in a while, by 66 kB: told apart."""
    seconds = SLICE * (len(looks) - 1)
    told = f"payload of TCP both ways, over {seconds:g} s, beside the other kind"
    rate = (looks[-1].control - looks[0].control) / seconds
    yield Row("security", f"{name}: idle board, its stream to the coordinator", round(rate, 1), "B/s", told)
    slices = [after.others - before.others for before, after in pairwise(looks)]
    told = f"median of {len(slices)} looks, {SLICE:g} s each; the most in one: {max(slices)} bytes"
    rate = statistics.median(slices) / SLICE
    yield Row("security", f"{name}: idle board, its link to the cloud", round(rate, 1), "B/s", told)
    share = 100 * (looks[-1].processor - looks[0].processor) / seconds
    told = f"over {seconds:g} s, beside the other kind"
    yield Row("security", f"{name}: idle board, processor", round(share, 2), "% of a core", told)


def pairwise(looks: Sequence[Spent]) -> Iterator[tuple[Spent, Spent]]:
    """Yield each look with the next one."""
    return zip(looks[:-1], looks[1:], strict=True)


# --- joining --------------------------------------------------------------------------------------


@dataclass
class Joins:
    """How long `agent join` took from its start to its end, and `version` beside it; seconds, by slowness."""

    joined: dict[float, list[float]] = field(default_factory=dict)
    version: dict[float, list[float]] = field(default_factory=dict)


def joining(trips: int) -> Iterator[Row]:
    """Yield how long a device takes to join, at this machine's speed and on slowed processors."""
    with tempfile.TemporaryDirectory(prefix="lepton-security-") as folder, Town(Path(folder)) as town:
        coordinator, token = _door(town)
        joins = Joins()
        for number in range(JOINS if trips >= 100 else 2):
            for times in SLOWNESSES:
                _join(
                    joins,
                    times,
                    [coordinator, "--token-file", str(token)],
                    town.directory / f"{times:g}-{number}",
                )
    for times, took in joins.joined.items():
        where = f" on a board {times:g}x slower" if times > 1 else ""
        alone = statistics.median(joins.version[times])
        told = f"worst {max(took):.2f} s; a command that does nothing takes {alone:.2f} s, in turns"
        median, goal = round(statistics.median(took), 3), JOIN_GOAL if times == 1 else None
        met = None if goal is None else max(took) <= goal
        yield Row("security", f"agent join, from start to end{where}", median, "s", told, goal, met)


def _door(town: Town) -> tuple[str, Path]:
    """Start a coordinator that lets devices in; return its address and a file with a token."""
    words = ["coordinator", "start", "--secure", "--no-announce", "--port", "0"]
    state = ["--state-directory", str(town.directory / "coordinator")]
    child = town.start("coordinator", [*beside(), *lepton(*words, *state)])
    address = child.wait_for("coordinator ready")["control"]
    token = town.directory / "token"
    token.touch(mode=0o600)
    token.write_text(child.wait_for_line("to join:").partition("--token ")[2])
    return address, token


def _join(joins: Joins, times: float, whom: list[str], state: Path) -> None:
    name = f"device-{state.name.replace('.', '-')}"
    words = ["agent", "join", *whom, "--role", "board", "--name", name, "--state-directory", str(state)]
    for of, command in ((joins.joined, lepton(*words)), (joins.version, lepton("version"))):
        begun = time.perf_counter()
        prefix = slowed(times) if times > 1 else []
        subprocess.run([*prefix, *command], check=True, capture_output=True, timeout=PATIENCE)
        of.setdefault(times, []).append(time.perf_counter() - begun)
