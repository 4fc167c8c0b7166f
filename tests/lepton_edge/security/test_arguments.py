"""Where a token comes from, and what `ps` shows of a process that was given one."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_edge.core.errors import UsageError
from lepton_edge.security import arguments
from lepton_edge.security.arguments import forget

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
PROGRAM = """
import sys
from lepton_edge.security.arguments import forget
print(forget(sys.argv[2].rpartition(".")[2]), sys.argv[2], flush=True)
sys.stdin.read()
"""
TOKEN = "LE1.authority.id.secret"


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(arguments, "forget", found.append)
    return found


def test_an_argument_is_taken_out_of_what_the_system_shows(forgotten: list[str]) -> None:
    assert arguments.read_token(TOKEN, None, {}) == TOKEN
    assert forgotten == ["secret"]


def test_a_variable_is_shown_to_nobody_else_and_stays(forgotten: list[str]) -> None:
    assert arguments.read_token(None, None, {arguments.VARIABLE: TOKEN}) == TOKEN
    assert forgotten == []


def test_a_token_comes_from_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("LE1.file\n")
    assert arguments.read_token(None, file, {}) == "LE1.file"
    assert file.stat().st_mode & 0o077 == 0
    assert arguments.read_token(None, None, {"LEPTON_EDGE_TOKEN": "LE1.variable"}) == "LE1.variable"
    assert arguments.read_token("LE1.flag", None, {"LEPTON_EDGE_TOKEN": "LE1.variable"}) == "LE1.flag"
    monkeypatch.setattr("sys.stdin", io.StringIO("LE1.input\n"))
    assert arguments.read_token("-", None, {}) == "LE1.input"
    assert arguments.read_token(None, None, {}) is None
    with pytest.raises(UsageError):
        arguments.read_token("LE1.flag", file, {})


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's memory that is written over")
def test_a_secret_is_shown_no_more_and_its_owner_still_has_it() -> None:
    token = f"LE1.authority.id.{SECRET}"
    command = [sys.executable, "-c", PROGRAM, "--token", token, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        said = one.stdout.readline().split()
        shown = Path(f"/proc/{one.pid}/cmdline").read_bytes().split(b"\0")
        one.communicate("")
    assert said == ["True", token]
    assert shown[-3:-1] == [b"LE1.authority.id." + b"*" * len(SECRET)] * 2
    assert b"--token" in shown


def test_nothing_to_forget_is_nothing_done() -> None:
    assert not forget("")
