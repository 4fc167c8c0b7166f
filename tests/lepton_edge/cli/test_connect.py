"""Who is asked by a command, and what is said where nobody is there to be asked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lepton_edge.cli import connect
from lepton_edge.cli.main import app


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any key, on a machine where nothing runs."""
    for name in ("LEPTON_EDGE_KEY", "LEPTON_EDGE_INSECURE", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("lepton_edge.client.keys.SECURE", True)
    monkeypatch.setattr(connect, "HERE", ("127.0.0.1:9",))


def run(*words: str) -> tuple[int, str]:
    said = CliRunner().invoke(app, list(words), env={"LEPTON_EDGE_COORDINATOR": ""})
    return said.exit_code, said.stderr


@pytest.mark.usefixtures("keyless")
def test_where_nothing_runs_that_is_said_before_a_key_is_asked_for() -> None:
    status, said = run("status")
    assert status == 3
    assert said.startswith("error: no coordinator runs on this machine; and there is no key")
    assert "start one: lepton-edge coordinator start" in said
    status, said = run("status", "--coordinator", "127.0.0.1:9")
    assert status == 3
    assert said.startswith("error: nobody answers at 127.0.0.1:9")


@pytest.mark.usefixtures("keyless")
def test_where_somebody_is_the_key_is_what_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        status, said = run("status", "--coordinator", f"127.0.0.1:{somebody.getsockname()[1]}")
    assert status == 15
    assert said.startswith("error: no key to prove who asks")
