"""Two hosts on this machine with a link of our choice between them, and the product's processes on them.

Law: drives `bench/lab/lab` and starts programs by their command lines; measures nothing itself. Needs root.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.demo.processes import Child, Conditions, Town, lepton

LAB = Path(__file__).resolve().parent / "lab" / "lab"
CONTROLS = Path(os.environ.get("TMPDIR", "/tmp")) / "lepton-lab"
"""Where `lab` keeps the file that a link reads its changes from."""
LOCAL = Conditions("set-up", 200, 0.2)
"""What the link is while models travel: nobody wants to measure how long 100 MB take over LTE."""


@dataclass(frozen=True)
class Hosts:
    """The two hosts' addresses on the link between them."""

    edge: str
    cloud: str


class Laboratory:
    """Two namespaces and their link; leaving it ends every process in it and takes it down.

    Laboratories of the same `number` have the same addresses, so that what ran in one goes on in another. Without a
    slowed processor there is none to keep free: `everywhere` lets all processes have all of them. `memory` is
    what agents that are started may use, in bytes (0: no bound). With `secure` everybody proves who it is, over TLS.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        number: int | None = None,
        everywhere: bool = False,
        secure: bool = False,
    ) -> None:
        self.name, self.secure = name, secure
        self._number = [] if number is None else [str(number)]
        self._cpus = f"LAB_CPUS=0-{(os.cpu_count() or 1) - 1}" if everywhere else ""
        self.town = Town(directory)
        self.directory = directory
        self.hosts = Hosts("", "")
        self.conditions = LOCAL
        self.memory = 0
        self._token = ""

    def __enter__(self) -> Laboratory:
        """Set the hosts up, in the place of those that a killed run left behind."""
        _lab("down", self.name)
        told = _lab("up", self.name, LOCAL.spec, LOCAL.spec, *self._number, setting=self._cpus)
        found = re.search(r"edge (\S+) cloud (\S+)", told)
        if not found:
            raise RuntimeError(f"the laboratory did not come up: {told!r}")
        self.hosts = Hosts(found[1], found[2])
        return self

    def __exit__(self, *reason: object) -> None:
        """End the processes first, then what they stand on."""
        self.town.stop()
        _lab("down", self.name)

    def shape(self, conditions: Conditions) -> None:
        """Make the link, both ways, what `conditions` say, within 50 ms."""
        for direction in ("ab", "ba"):
            _lab("set", self.name, direction, conditions.spec)
        self.conditions = conditions

    def upwards(self, rate: float, delay: float) -> None:
        """Make the link from the edge to the cloud `rate` Mbit/s and `delay` ms, within 50 ms; the way back stays."""
        _lab("set", self.name, "ab", f"{rate},{delay}")

    def wire(self, rate: float, delay: float) -> None:
        """Make the link, both ways, `rate` Mbit/s (0: cut) and `delay` ms, within 50 ms; costs no process."""
        with (CONTROLS / f"{self.name}.control").open("a") as control:
            control.write(f"ab {rate:g},{delay:g}\nba {rate:g},{delay:g}\n")

    def command(self, side: str, words: Sequence[str], slow: float = 1) -> list[str]:
        """Return the command line that runs `words` on a host, on a processor `slow` times slower."""
        share = [f"slow={slow:g}"] if slow > 1 else []
        setting = ["env", self._cpus] if self._cpus else []
        return [*setting, "bash", str(LAB), "run", self.name, side, *share, "--", *words]

    def coordinator(self) -> str:
        """Start the coordinator on the cloud host; return its control address."""
        words = lepton("coordinator", "start", *self._bound(), "--no-announce")
        child = self._start("coordinator", "cloud", [*words, *(["--secure"] if self.secure else [])])
        address = child.wait_for("coordinator ready")["control"]
        if self.secure:
            self._token = child.wait_for_line("to join:").partition("--token ")[2]
        return address

    def cloud(self, coordinator: str, threads: int = 1, registered: bool = True) -> str:
        """Start the cloud's agent; return its data address once it is ready, or `registered` as well."""
        words = self._agent("cloud", "cloud", coordinator, threads)
        child = self._start("cloud", "cloud", [*words, *self._bound()])
        return _ready(child, registered)

    def board(
        self, name: str, coordinator: str, slow: float, simulated: bool = False, registered: bool = True
    ) -> str:
        """Start a board's agent with one thread on a slow processor; return its (loopback) data address.

        `simulated` gives it a whole core and lets the agent itself play the slower device.
        """
        words = self._agent("board", name, coordinator, 1)
        if simulated:
            child = self._start(name, "edge", [*words, "--simulate-slow", str(slow)])
        else:
            child = self._start(name, "edge", words, slow)
        return _ready(child, registered)

    def _agent(self, role: str, name: str, coordinator: str, threads: int) -> list[str]:
        bound = ["env", f"LEPTON_EDGE_MEMORY_LIMIT={self.memory}"] if self.memory else []
        command = lepton("agent", "start", "--role", role, "--name", name, "--coordinator", coordinator)
        return [*bound, *command, *self._proving(name), "--threads", str(threads)]

    def _bound(self) -> list[str]:
        return ["--bind" if self.secure else "--insecure-bind", self.hosts.cloud]

    def _proving(self, name: str) -> list[str]:
        """Return how an agent is told to prove who it is: at first by a token, in a file that others cannot read."""
        if not self.secure:
            return ["--insecure"]
        if (self.directory / name / "security" / "agent.pem").exists():
            return ["--secure"]
        token = self.directory / "token"
        token.touch(mode=0o600)
        token.write_text(self._token)
        return ["--secure", "--token-file", str(token)]

    def _start(self, name: str, side: str, words: Sequence[str], slow: float = 1) -> Child:
        state = ["--state-directory", str(self.directory / name)]
        return self.town.start(name, self.command(side, [*words, *state], slow))


def _ready(child: Child, registered: bool) -> str:
    address = child.wait_for("agent ready")["data"]
    if registered:
        child.wait_for("agent registered")
    return address


def _lab(*words: str, setting: str = "") -> str:
    command = [*(["env", setting] if setting else []), "bash", str(LAB), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        print(f"lab {' '.join(words)}: {done.stderr.strip()}", file=sys.stderr)
        raise RuntimeError("the laboratory needs root, iproute2 and /dev/net/tun")
    return done.stdout
