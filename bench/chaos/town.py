"""The processes of a chaos run: each can be killed, frozen and started again at the same place with the same state.

Law: starts programs by their command lines; decides nothing about when. State directories lie on small file systems of
their own (`room` MB, needs root), so that one can be full without the others.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.clocks import Clocks
from bench.chaos.papers import Papers
from examples.demo.processes import Child, Conditions, Town, lepton

ROOM = {"coordinator": 192}
"""MB of a process's file system, where it is not `AGENTS_ROOM`: the coordinator has every model twice for a while."""
AGENTS_ROOM = 48
BELOW_EPHEMERAL = range(21_000, 31_000)
"""Ports that no outgoing connection takes while their owner is dead."""
WIFI = Conditions("Wi-Fi", 18.88, 2)


@dataclass(frozen=True)
class Role:
    """How a process is started, and the line that says it is up."""

    command: tuple[str, ...]
    ready: str
    registers: bool = False


class Place:
    """Where everything is: the roles by name, the processes while they live."""

    def __init__(
        self, directory: Path, boards: Sequence[str], clouds: Sequence[str], secure: bool = False
    ) -> None:
        self.directory, self.boards, self.clouds = directory, tuple(boards), tuple(clouds)
        self.secure = secure
        self.town = Town(directory / "town")
        self.clocks = Clocks(directory / "clocks")
        self.papers = Papers(directory, secure)
        self.roles: dict[str, Role] = {}
        self.addresses: dict[str, str] = {}
        self.rooms: list[Path] = []
        self.ports = iter(free_ports(random.Random(os.getpid())))

    @property
    def _how(self) -> str:
        return "--secure" if self.secure else "--insecure"

    def __enter__(self) -> Place:
        """Return the place itself."""
        return self

    def open(self) -> None:
        """Start every process: the coordinator, clouds behind a link each, boards."""
        self.coordinator = f"127.0.0.1:{next(self.ports)}"
        words = [
            "coordinator",
            "start",
            self._how,
            "--no-announce",
            "--port",
            self.coordinator.partition(":")[2],
        ]
        self._add("coordinator", lepton(*words), "coordinator ready", state=True)
        if self.secure:
            self.papers.open(self.coordinator, self.town.children["coordinator"])
        for name in self.clouds:
            self._add_cloud(name)
        for name in self.boards:
            # As behind a NAT: a cloud that dialled a board would do so past its own link, where no fault strikes.
            self._add_agent(name, "board", 30, 0, "--advertise", f"127.0.0.1:{next(self.ports)}")

    def __exit__(self, *reason: object) -> None:
        """End every process, and give the rooms back."""
        for child in list(self.town.children.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGCONT)
            child.kill()
        for room in self.rooms:
            subprocess.run(["umount", "-l", str(room)], check=False)

    def _add_cloud(self, name: str) -> None:
        port, shaped = next(self.ports), next(self.ports)
        rates = ["--up", str(WIFI.rate), "--down", str(WIFI.rate), "--delay", str(WIFI.delay)]
        ends = ["--listen", f"127.0.0.1:{shaped}", "--to", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "lepton_edge.link.shape", *ends, *rates]
        self._add(f"link-{name}", command, "shape ready")
        self._add_agent(name, "cloud", 2, port, "--advertise", f"127.0.0.1:{shaped}")

    def _add_agent(self, name: str, role: str, slow: float, port: int = 0, *more: str) -> None:
        port = port or next(self.ports)
        words = [
            "agent",
            "start",
            self._how,
            "--role",
            role,
            "--name",
            name,
            "--coordinator",
            self.coordinator,
        ]
        words += [
            "--port",
            str(port),
            "--threads",
            "1",
            "--workers",
            "1",
            "--simulate-slow",
            str(slow),
            *more,
        ]
        self.addresses[name] = f"127.0.0.1:{port}"
        self._add(name, lepton(*words), "agent ready", state=True, registers=True, role=role)

    def _add(
        self,
        name: str,
        command: Sequence[str],
        ready: str,
        *,
        state: bool = False,
        registers: bool = False,
        role: str = "",
    ) -> None:
        where = ("--state-directory", str(self._room(name))) if state else ()
        if role and self.secure:
            self.papers.join(name, role, self.directory / name)
        self.roles[name] = Role((*self.clocks.words(name), *command, *where), ready, registers)
        self.start(name)

    def _room(self, name: str) -> Path:
        room = self.directory / name
        room.mkdir(parents=True)
        size = f"size={ROOM.get(name, AGENTS_ROOM)}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(room)], check=True)
        self.rooms.append(room)
        return room

    # --- what faults do ---------------------------------------------------------------------------

    def start(self, name: str, registered: bool = True) -> Child:
        """Start a process (again), and wait until it says that it is up."""
        role = self.roles[name]
        child = self.town.start(name, role.command)
        child.wait_for(role.ready)
        if role.registers and registered:
            child.wait_for("agent registered")
        return child

    def pid(self, name: str) -> int:
        """Return the number of a process that lives."""
        return self.town.children[name].process.pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process alone, not to what it started."""
        os.kill(self.pid(name), number)

    def kill(self, name: str) -> None:
        """Kill -9 a process alone, as the kernel does when memory is short, and wait until it is gone."""
        child = self.town.children[name]
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        child._close_pipes()

    def lives(self, name: str) -> bool:
        """Whether a process still runs."""
        return self.town.children[name].process.poll() is None

    def impostor(self, name: str, state: Path) -> Child:
        """Start another process by the same command on other state."""
        words = list(self.roles[name].command)
        words[words.index("--state-directory") + 1] = str(state)
        child = self.town.start(f"{name}-of-{state.name}", words)
        child.wait_for(self.roles[name].ready)
        return child

    def link(self, cloud: str, rate: float, delay: float) -> None:
        """Change the link to a cloud: Mbit/s and milliseconds, 0 swallows everything."""
        self.town.children[f"link-{cloud}"].tell(f"{rate},{delay}")

    def fill(self, name: str) -> Path:
        """Fill a process's file system to the last byte; return the file that does."""
        filler = self.directory / name / "filler"
        with filler.open("wb") as out, contextlib.suppress(OSError):
            while True:
                out.write(bytes(1 << 20))
                out.flush()
        with filler.open("ab", buffering=0) as out, contextlib.suppress(OSError):
            while True:
                out.write(bytes(512))
        return filler

    def squeeze(self, name: str) -> None:
        """Let a process take no more memory than it has, and 2 MB."""
        pages = int(Path(f"/proc/{self.pid(name)}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (2 << 20)
        resource.prlimit(self.pid(name), resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

    def release(self, name: str) -> None:
        """Let a process take as much memory as there is."""
        resource.prlimit(self.pid(name), resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def copy_of(self, name: str, to: Path) -> Path:
        """Copy the state of a process, as a backup would."""
        shutil.copytree(
            self.directory / name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("filler")
        )
        return to


def free_ports(draw: random.Random) -> list[int]:
    """Return ports that nobody listens on, in an order of their own."""
    found = []
    for port in draw.sample(BELOW_EPHEMERAL, 64):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found
