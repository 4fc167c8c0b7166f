"""docs/cli.md knows every command and every option that --help knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lepton_edge.cli.lazy import LazyGroup
from lepton_edge.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
EVERYWHERE = {"--help", "--version"}


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by the words that call it (types are typer's own: Any)."""
    root = typer.main.get_command(app)
    assert isinstance(root, LazyGroup)
    for name in root.list_commands(None):
        command = root._known()[name].load()
        below = getattr(command, "commands", {})
        if not below:
            yield name, command
        for other, inner in below.items():
            yield f"{name} {other}", inner


COMMANDS = dict(commands())


def test_all_commands_are_found() -> None:
    assert {"deploy", "plan what-if", "agent start", "model push", "status"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_table_of_commands(name: str) -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    assert re.search(rf"`{name}\b", table)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_is_documented(name: str) -> None:
    named = [[*one.opts, *one.secondary_opts] for one in COMMANDS[name].params]
    options = [words for words in named if words[0].startswith("--") and not EVERYWHERE.intersection(words)]
    assert [words for words in options if not any(re.search(rf"{word}\b", PAGE) for word in words)] == []
