"""Children are started, heard, told, killed and stopped; what did not come up shows its log."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.demo.processes import LTE, Child, StartFailed, Town, free_port, lepton

ECHO = """
import sys
print("a word of its own", file=sys.stderr, flush=True)
print("chatter", flush=True)
print("echo ready data=127.0.0.1:1 role=board words", flush=True)
for line in sys.stdin:
    print("heard line=" + line.strip(), flush=True)
"""
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf ready", flush=True)
time.sleep(60)
"""
BROKEN = "import sys; print('no disk is left', file=sys.stderr); sys.exit(3)"
PARENT = """
import subprocess, sys
one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(f"parent ready child={one.pid}", flush=True)
one.wait()
"""

TOWN = """
import pathlib, sys, time
from examples.demo.processes import Town
with Town(pathlib.Path(sys.argv[1])) as town:
    child = town.python("child", ["-c", "import time; time.sleep(60)"])
    print(f"town ready child={child.process.pid}", flush=True)
    time.sleep(60)
"""

Start = Callable[[str], Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Child] = []

    def run(program: str) -> Child:
        started.append(Child("one", [sys.executable, "-c", program], tmp_path))
        return started[-1]

    yield run
    for child in started:
        child.kill()


def test_the_ready_line_is_read_as_words(start: Start) -> None:
    child = start(ECHO)
    assert child.wait_for("echo ready") == {"data": "127.0.0.1:1", "role": "board"}
    child.tell("5.85,25")
    assert child.wait_for("heard") == {"line": "5.85,25"}


def test_its_log_is_kept_and_its_end_shown(start: Start, tmp_path: Path) -> None:
    child = start(ECHO)
    child.wait_for("echo ready")
    child.stop()
    assert (tmp_path / "one.log").read_text() == "a word of its own\n"
    assert child.tail() == "a word of its own"


def test_a_child_that_ends_early_fails_at_once_with_its_log(start: Start) -> None:
    begun = time.monotonic()
    with pytest.raises(StartFailed, match="one did not say 'ready'(?s:.)*no disk is left"):
        start(BROKEN).wait_for("ready", seconds=20)
    assert time.monotonic() - begun < 10


def test_a_child_that_never_speaks_fails_in_time(start: Start) -> None:
    child = start(DEAF)
    child.wait_for("deaf ready")
    with pytest.raises(StartFailed, match="within 0 s"):
        child.wait_for("anything", seconds=0.2)


def test_a_kill_takes_the_whole_group_and_leaves_no_pipe(start: Start) -> None:
    child = start(PARENT)
    grandchild = int(child.wait_for("parent ready")["child"])
    child.kill()
    assert child.process.returncode == -signal.SIGKILL
    assert gone(grandchild)
    assert child.process.stdin is not None
    assert child.process.stdin.closed
    assert child.process.stdout is not None
    assert child.process.stdout.closed
    child.kill()  # a second time does nothing


def test_stopping_asks_and_then_kills(start: Start) -> None:
    polite, deaf = start(ECHO), start(DEAF)
    polite.wait_for("echo ready")
    deaf.wait_for("deaf ready")
    polite.stop()
    deaf.stop(seconds=0.2)
    assert (polite.process.returncode, deaf.process.returncode) == (-signal.SIGTERM, -signal.SIGKILL)


def test_leaving_the_town_ends_everybody(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        first = town.start("first", [sys.executable, "-c", ECHO])
        second = town.python("second", ["-c", ECHO])
        for child in (first, second):
            child.wait_for("echo ready")
    assert first.process.returncode == second.process.returncode == -signal.SIGTERM
    assert sorted(path.name for path in town.logs.iterdir()) == ["first.log", "second.log"]


def test_a_town_that_is_asked_to_end_leaves_nobody_behind(tmp_path: Path) -> None:
    town = Child("town", [sys.executable, "-c", TOWN, str(tmp_path)], tmp_path)
    child = int(town.wait_for("town ready")["child"])
    town.process.terminate()
    town.process.wait(10)
    town.stop()
    assert town.process.returncode == 1
    assert gone(child)


def test_a_shaped_link_says_when_it_is_ready(tmp_path: Path) -> None:
    with Town(tmp_path) as town, socket.create_server(("127.0.0.1", 0)) as far:
        port = free_port()
        town.link("link", port, far.getsockname()[1], LTE)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            far.settimeout(5)
            far.accept()[0].close()


def test_commands_and_conditions() -> None:
    assert lepton("status") == [sys.executable, "-m", "lepton_edge.cli.main", "status"]
    assert LTE.spec == "5.85,25"


def gone(pid: int) -> bool:
    """Return whether a process ends within seconds; one that nobody waited for is gone too."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False
