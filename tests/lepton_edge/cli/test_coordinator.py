"""`lepton-edge coordinator start`: settings in, a process that says where it is, and leaves when asked."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.cli import extras
from lepton_edge.coordinator import server
from lepton_edge.core.config import CoordinatorConfig
from lepton_edge.security import whereabouts
from tests.lepton_edge.cli.conftest import CommandLine


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[CoordinatorConfig]:
    """Stand in for the server; collect what it is started with."""
    configs: list[CoordinatorConfig] = []

    async def serve(config: CoordinatorConfig) -> None:
        await asyncio.sleep(0)
        configs.append(config)

    monkeypatch.setattr(server, "serve", serve)
    return configs


def test_flags_reach_the_server(line: CommandLine, served: list[CoordinatorConfig], tmp_path: Path) -> None:
    said = line.run(
        "coordinator", "start", "--port", "9", "--state-directory", str(tmp_path), "--no-announce"
    )
    assert said.code == 0, said.err
    assert served == [CoordinatorConfig(tmp_path, port=9, announce=False)]
    assert "WARNING" not in said.err


def test_listening_beyond_loopback_is_said_loudly(
    line: CommandLine, served: list[CoordinatorConfig], tmp_path: Path
) -> None:
    said = line.run("coordinator", "start", "--state-directory", str(tmp_path), "--insecure-bind", "0.0.0.0")
    assert served[0].bind == "0.0.0.0"
    assert "WARNING" in said.err
    assert "without TLS or authentication" in said.err


def test_without_the_extra_nothing_starts(
    line: CommandLine, served: list[CoordinatorConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert line.run("coordinator", "start").code == 12
    assert served == []


def test_a_log_level_that_is_none_is_a_setting_at_fault(
    line: CommandLine, served: list[CoordinatorConfig], tmp_path: Path
) -> None:
    said = line.run("coordinator", "start", "--state-directory", str(tmp_path), "--log-level", "loud")
    assert said.code == 2
    assert "'loud'" in said.err
    assert "--log-level" in said.err


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_that_was_asked_for_and_is_taken_is_refused(
    line: CommandLine, served: list[CoordinatorConfig], tmp_path: Path, option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        said = line.run("coordinator", "start", "--state-directory", str(tmp_path), option, port)
    assert (said.code, served) == (4, [])
    assert f"{option}: port {port} is taken by" in said.err


Start = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start real coordinators; whoever is left at the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def started(directory: Path) -> subprocess.Popen[str]:
        words = ("-m", "lepton_edge.cli.main", "coordinator", "start", "--no-announce", "--port", "0")
        command = [sys.executable, *words, "--state-directory", str(directory)]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield started
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[str], *signals: int) -> tuple[int, Any, Any]:
    for number in signals:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_one_leaves_with_status_0_when_asked(start: Start, tmp_path: Path, number: int) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready.startswith("coordinator ready control=127.0.0.1:")
    process.stdout.readline()  # how to join: where it listens is kept by then
    key = tmp_path / "security" / "admin.pem"
    assert f"control={whereabouts.beside(key)}" == ready.split()[-1], "commands find it by their key"
    status, _, err = ended(process, number)
    assert status == 0, err
    assert whereabouts.beside(key) == "", "it is gone"
    assert "Traceback" not in err


def test_a_second_one_on_the_same_state_is_refused_with_a_line(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path)
    assert first.stdout is not None
    first.stdout.readline()
    status, out, err = ended(start(tmp_path))
    ended(first, signal.SIGTERM)
    assert (status, out) == (3, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert "what to do:" in err.splitlines()[-1]
