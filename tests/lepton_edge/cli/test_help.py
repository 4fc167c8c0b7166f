"""What --help shows: examples that can be typed, and lines that fit a narrow terminal."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from device_agents import cli as agent
from lepton_edge.cli import asking_options
from lepton_edge.cli.main import _Commands
from tests.lepton_edge.cli.conftest import CommandLine


def commands() -> dict[str, Any]:
    """Return every command by what is typed for it."""
    found: dict[str, Any] = {}
    roots = {name: one.load() for name, one in _Commands.table.items()}
    for root in roots.values():
        asking_options.offer(root)
    waiting = {**roots, "agent": typer.main.get_command(agent.app)}
    while waiting:
        name, one = waiting.popitem()
        below = getattr(one, "commands", None)
        if below:
            waiting |= {f"{name} {word}": command for word, command in below.items()}
        else:
            found[name] = one
    return found


EVERY = commands()
EXAMPLES = [
    (name, line)
    for name, one in sorted(EVERY.items())
    for line in (one.epilog or "").split("\n\n")
    if line.startswith("lepton-edge ")
]


def test_there_are_examples_of_what_is_typed_first() -> None:
    shown = {name for name, _ in EXAMPLES}
    assert shown >= {"coordinator start", "agent start", "agent join", "model push", "deploy", "infer"}


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_an_example_can_be_typed(name: str, line: str) -> None:
    words = shlex.split(re.sub(r"   \(.*\)$", "", line))
    assert words[: 1 + len(name.split())] == ["lepton-edge", *name.split()]
    flags = {flag for option in EVERY[name].params for flag in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= flags


@pytest.mark.parametrize("name", sorted(EVERY))
def test_help_fits_eighty_columns_and_every_option_says_something(line: CommandLine, name: str) -> None:
    said = line.run(*name.split(), "--help", COLUMNS="80")
    assert said.code == 0
    assert max(len(one) for one in said.out.splitlines()) <= 80
    assert "…" not in said.out or name == "plan what-if", "but for its --no-keep-input-on-board"
    assert [option.name for option in EVERY[name].params if not option.help] == []
