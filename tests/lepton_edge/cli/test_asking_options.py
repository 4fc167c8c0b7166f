"""`--key`, `--insecure` and `--coordinator` mean the same before a command's name and after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.cli.as_whom import asking
from tests.lepton_edge.cli.conftest import CommandLine


@pytest.mark.parametrize(
    "words",
    [
        ("--key", "app.pem", "--coordinator", "c:1", "status"),
        ("status", "--key", "app.pem", "--coordinator", "c:1"),
        ("--key", "app.pem", "status", "--coordinator", "c:1"),
        ("--coordinator", "c:1", "status", "--key=app.pem"),
        ("--coordinator", "other:1", "--key", "other.pem", "status", "--key=app.pem", "--coordinator", "c:1"),
    ],
)
def test_both_sides_are_one(line: CommandLine, words: tuple[str, ...]) -> None:
    line.tell("status")
    said = line.run(*words, LEPTON_EDGE_COORDINATOR="variable:1")
    assert said.code == 0, said.err
    assert line.addresses == ["c:1"]
    assert (asking.key, asking.insecure) == (Path("app.pem"), None)


@pytest.mark.parametrize(
    "words", [("--insecure", "plan", "explain", "m"), ("plan", "explain", "m", "--insecure")]
)
def test_commands_of_groups_take_them_too(line: CommandLine, words: tuple[str, ...]) -> None:
    line.run(*words)
    assert asking.insecure is True
    line.run("status")
    assert asking.insecure is None, "the next command begins anew"


def test_the_help_has_them_in_a_part_of_their_own(line: CommandLine) -> None:
    said = line.run("deploy", "--help").out
    assert "Whom to ask, and as whom" in said
    for option in ("--coordinator", "--key", "--insecure"):
        assert option in said


@pytest.mark.parametrize("command", ["coordinator", "agent", "version"])
def test_before_a_command_that_asks_nobody_they_are_refused(line: CommandLine, command: str) -> None:
    said = line.run("--insecure", command)
    assert said.code == 2
    assert f"--insecure before `{command}` would mean nothing" in said.err


def test_a_commands_own_option_of_that_name_stays(line: CommandLine) -> None:
    said = " ".join(line.run("coordinator", "start", "--help").out.split())
    assert "--secure" in said
    assert "--key" not in said
