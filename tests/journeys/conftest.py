"""Real processes for journeys: a coordinator and agents on loopback, each with its own state."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lepton_edge import errors
from tests.journeys.fleets import Fleets, fleet
from tests.journeys.models import small_model

LEPTON_EDGE = (sys.executable, "-m", "lepton_edge.cli.main")
PATIENCE = 30.0
ROOT = Path(__file__).parents[2]


class House:
    """The processes of one journey, by name; whoever is left at its end is killed.

    Everybody proves who he is, as a person's own fleet would, unless it is `insecure`.
    """

    def __init__(self, directory: Path, *, insecure: bool = False) -> None:
        self.directory, self.insecure = directory, insecure
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.lines: dict[str, queue.Queue[str]] = {}
        self.coordinator = ""

    def start_coordinator(self, port: int = 0) -> str:
        """Start the coordinator (again) on its state, and return its control address."""
        how = "--insecure" if self.insecure else "--secure"
        line = self._start("coordinator", ["coordinator", "start", how, "--port", str(port), "--no-announce"])
        self.coordinator = line.partition("control=")[2]
        if not self.insecure:
            self.token = self.wait_for("coordinator", "to join:").partition("--token ")[2]
        return self.coordinator

    @property
    def key(self) -> Path:
        """The key of the coordinator's own administrator."""
        return self.directory / "coordinator" / "security" / "admin.pem"

    def proving(self, name: str) -> list[str]:
        """Return how an agent whose state is called `name` here is told to prove who it is: by a token at first."""
        if self.insecure:
            return ["--insecure"]
        if (self.directory / name / "security" / "agent.pem").exists():
            return ["--secure"]
        path = self.directory / f"{name}.token"
        path.write_text(self.token)
        return ["--secure", "--token-file", str(path)]

    def start_agent(self, name: str, role: str, *more: str, registered: bool = True, key: str = "") -> str:
        """Start an agent, wait until it is registered, and return its data address.

        `key` names the process and its state here, where two agents bear one name.
        """
        arguments = ["agent", "start", "--role", role, "--name", name, "--threads", "1"]
        arguments += [
            "--coordinator",
            self.coordinator,
            *more,
            *(() if "--port" in more else ("--port", "0")),
            *self.proving(key or name),
        ]
        line = self._start(key or name, arguments)
        if registered:
            self.wait_for(key or name, "agent registered")
        return line.partition("data=")[2]

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.end(name, signal.SIGKILL)

    def end(self, name: str, number: int = signal.SIGTERM) -> int:
        """End a process and return its exit status."""
        process = self.processes.pop(name)
        process.send_signal(number)
        status = process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        return status

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run the command line against the coordinator and return its standard output."""
        environment = {**os.environ, "LEPTON_EDGE_COORDINATOR": self.coordinator, "NO_COLOR": "1"}
        done = subprocess.run(
            [*LEPTON_EDGE, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, f"{arguments} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        """Run a command with --format json and return the document."""
        return json.loads(self.command(*arguments, "--format", "json"))

    def wait_for(self, name: str, words: str) -> str:
        """Return the next line of a process that holds `words`; fail with its log when it does not come."""
        process, lines = self.processes[name], self.lines[name]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=0.2)
                if words in line:
                    return line.strip()
                continue
            if process.poll() is not None and lines.empty():
                break
        pytest.fail(f"{name} did not say {words!r}:\n{self.log(name)}")

    def log(self, name: str) -> str:
        """Return the end of what a process logged."""
        return (self.directory / f"{name}.log").read_text()[-4000:]

    def start_older_agent(self, name: str, role: str) -> None:
        """Start an agent that is treated as one of the release before, and wait until it is registered."""
        self.start_other_agent("tests.journeys.older_agent", name, role)

    def start_other_agent(self, module: str, name: str, role: str, *more: str) -> str:
        """Start an agent that a module of the tests plays; return its data address once it is registered."""
        arguments = ["--role", role, "--name", name, "--threads", "1", "--port", "0", *more]
        arguments += self.proving(name)
        command = (sys.executable, "-m", module)
        line = self._start(name, [*arguments, "--coordinator", self.coordinator], command)
        self.wait_for(name, "agent registered")
        return line.partition("data=")[2]

    def _start(self, name: str, arguments: list[str], command: Sequence[str] = LEPTON_EDGE) -> str:
        state = self.directory / name
        with (self.directory / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                [*command, *arguments, "--state-directory", str(state)],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, bufsize=1,
            )  # fmt: skip
        self.lines[name] = queue.Queue()
        threading.Thread(
            target=_read, args=(self.processes[name].stdout, self.lines[name]), daemon=True
        ).start()
        return self.wait_for(name, " ready ")


def _read(stdout: Any, lines: queue.Queue[str]) -> None:
    """Read what a process says, until it or its pipe ends (two lines may come at once, so select would miss one)."""
    with contextlib.suppress(ValueError, OSError):
        for line in stdout:
            lines.put(line)


@contextlib.contextmanager
def living(made: House) -> Iterator[House]:
    """Have this process ask as that house's administrator, and end its processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LEPTON_EDGE_KEY", raising=False)
        patch.delenv("LEPTON_EDGE_INSECURE", raising=False)
        if made.insecure:
            patch.setenv("LEPTON_EDGE_INSECURE", "1")
        else:
            patch.setenv("LEPTON_EDGE_KEY", str(made.key))
        try:
            yield made
        finally:
            for name in list(made.processes):
                made.kill(name)


def _insecure(request: pytest.FixtureRequest) -> bool:
    """Say whether a file's `INSECURE` says that what it shows is said in the open."""
    return bool(getattr(request.module, "INSECURE", False))


@pytest.fixture(scope="session")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Fleets:
    """The state of fleets that tests go on from; processes of one session share it."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Fleets(place / "fleets", lambda at, insecure: living(House(at, insecure=insecure)))


def _furnished(directory: Path, fleets: Fleets, request: pytest.FixtureRequest) -> House:
    """Return a house in which, where its test or file is marked `measured`, processes go on from a fleet's state."""
    made = House(directory, insecure=_insecure(request))
    if (marker := request.node.get_closest_marker("measured")) is not None:
        fleets.copy(fleet(made.insecure, *marker.args, **marker.kwargs), directory)
    return made


@pytest.fixture
def house(tmp_path: Path, fleets: Fleets, request: pytest.FixtureRequest) -> Iterator[House]:
    """A house, empty unless its test is marked `measured`; its processes are gone when the test is over."""
    with living(_furnished(tmp_path, fleets, request)) as made:
        yield made


@pytest.fixture(scope="module")
def lasting(
    tmp_path_factory: pytest.TempPathFactory, fleets: Fleets, request: pytest.FixtureRequest
) -> Iterator[House]:
    """A house for every test of a file, where pushing and planning take long."""
    with living(_furnished(tmp_path_factory.mktemp("house"), fleets, request)) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a small model."""
    path = tmp_path / "small.onnx"
    onnx.save(small_model(), str(path))
    return path


@pytest.fixture
def small_input(tmp_path: Path) -> Path:
    """A sample input of the small model as .npy."""
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(1).standard_normal((1, 3, 32, 32)).astype(np.float32))
    return path


def refused(
    kind: type[errors.LeptonError], ask: Callable[[], Any], match: str | None = None
) -> errors.LeptonError:
    """Check that `ask` raises an error of just this kind, that it says what to do, and at once."""
    begun = time.monotonic()
    with pytest.raises(kind, match=match) as told:
        ask()
    assert type(told.value) is kind
    assert told.value.hint
    assert time.monotonic() - begun < 15
    return told.value


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)
