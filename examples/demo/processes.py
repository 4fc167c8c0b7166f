"""The demo's real processes: coordinator, two agents, shaped links, the 30-line application's server.

Law: starts programs by their command lines and reads their "ready" lines; imports none of them.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

READY_SECONDS = 30.0


class StartFailed(RuntimeError):
    """A process did not come up; the message carries the end of its log."""


@dataclass(frozen=True)
class Conditions:
    """A kind of link: rate in Mbit/s (both ways) and one-way delay in milliseconds."""

    name: str
    rate: float
    delay: float

    @property
    def spec(self) -> str:
        """Return "RATE,DELAY" as the shaped link reads it."""
        return f"{self.rate},{self.delay}"


WIFI = Conditions("Wi-Fi", 18.88, 2)
LTE = Conditions("LTE", 5.85, 25)
THREE_G = Conditions("3G", 1.1, 50)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """One process of the demo: its log goes to a file, its stdout is read line by line."""

    def __init__(self, name: str, command: Sequence[str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        # Bounded: these programs print a handful of lines; a full queue drops nothing but chatter.
        self._lines: queue.Queue[str] = queue.Queue(maxsize=1000)
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                if not self._lines.full():
                    self._lines.put(line.rstrip("\n"))

    def wait_for(self, prefix: str, seconds: float = READY_SECONDS) -> dict[str, str]:
        """Wait for a line that begins with `prefix`; return its `key=value` words."""
        words = (word.partition("=") for word in self.wait_for_line(prefix, seconds).split())
        return {key: value for key, mark, value in words if mark}

    def wait_for_line(self, prefix: str, seconds: float = READY_SECONDS) -> str:
        """Wait for a line that begins with `prefix`, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (self.process.poll() is None or not self._lines.empty()):
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line.startswith(prefix):
                return line
        raise StartFailed(f"{self.name} did not say {prefix!r} within {seconds:.0f} s:\n{self.tail()}")

    def tell(self, line: str) -> None:
        """Write a line to the process's standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """Kill -9, as a crash or a pulled plug would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._close_pipes()

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end, then kill it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close_pipes()

    def _close_pipes(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._reader.join(5)  # it ends, and closes stdout, at the pipe's end of file


def lepton(*words: str) -> list[str]:
    """Return the command line of the product's own command in this environment."""
    return [sys.executable, "-m", "lepton_edge.cli.main", *words]


class Town:
    """Every process of one run; leaving it ends them all.

    With `secure` everybody proves who it is, over TLS; without it all is said in the open, on this machine.
    """

    def __init__(self, directory: Path, *, secure: bool = False) -> None:
        self.directory, self.secure = directory, secure
        self._token = ""
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Town:
        """Return the town itself; who is asked to end (SIGTERM) leaves it: its processes have sessions of their own."""
        self._before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, *reason: object) -> None:
        """End every process."""
        self.stop()
        signal.signal(signal.SIGTERM, self._before)

    def stop(self) -> None:
        """End every process, last started first."""
        for child in reversed(self.children.values()):
            child.stop()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process under a name that is free again once it has ended."""
        self.children[name] = Child(name, command, self.logs)
        return self.children[name]

    def python(self, name: str, arguments: Sequence[str]) -> Child:
        """Start this Python with `arguments`."""
        return self.start(name, [sys.executable, *arguments])

    def coordinator(self) -> str:
        """Start the coordinator; return its control address."""
        state = str(self.directory / "coordinator")
        child = self.start(
            "coordinator",
            lepton(
                "coordinator",
                "start",
                "--port",
                str(free_port()),
                "--state-directory",
                state,
                "--no-announce",
                "--secure" if self.secure else "--insecure",
            ),
        )
        address = child.wait_for("coordinator ready")["control"]
        if self.secure:
            self._token = child.wait_for_line("to join:").partition("--token ")[2]
        return address

    @property
    def key(self) -> Path | None:
        """The key file with which to ask the coordinator and the agents; None where none is needed."""
        return self.directory / "coordinator" / "security" / "admin.pem" if self.secure else None

    @property
    def token(self) -> str:
        """What an agent joins with; "" where none is needed."""
        return self._token

    def _proving(self, state: Path) -> list[str]:
        """Return how an agent is told to prove who it is: at first by a token, in a file that others cannot read."""
        if not self.secure:
            return ["--insecure"]
        if (state / "security" / "agent.pem").exists():
            return ["--secure"]
        token = self.directory / "token"
        token.touch(mode=0o600)
        token.write_text(self._token)
        return ["--secure", "--token-file", str(token)]

    def agent(self, role: str, coordinator: str, extra: Sequence[str] = ()) -> str:
        """Start an agent named after its role; return its data address."""
        state = self.directory / role
        command = lepton("agent", "start", "--role", role, "--name", role, "--coordinator", coordinator)
        command += ["--state-directory", str(state), "--threads", "1", *self._proving(state)]
        child = self.start(role, [*command, *extra])
        address = child.wait_for("agent ready")["data"]
        child.wait_for("agent registered")
        return address

    def link(self, name: str, listen: int, to: int, conditions: Conditions) -> Child:
        """Start a shaped link from port `listen` to port `to` of this machine."""
        ends = ["--listen", f"127.0.0.1:{listen}", "--to", f"127.0.0.1:{to}"]
        rates = [
            "--up",
            str(conditions.rate),
            "--down",
            str(conditions.rate),
            "--delay",
            str(conditions.delay),
        ]
        child = self.python(name, ["-m", "lepton_edge.link.shape", *ends, *rates])
        child.wait_for("shape ready")
        return child
