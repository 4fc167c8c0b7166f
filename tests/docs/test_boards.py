"""Pages for people with boards: every error code has a section, every command that they name is one that there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lepton_edge.cli import exit_codes
from lepton_edge.cli.lazy import LazyGroup
from lepton_edge.cli.main import app
from lepton_edge.core.errors import BY_CODE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "first-board",
    "raspberry-pi",
    "jetson",
    "cloud-server",
    "troubleshooting",
    "operations",
    "security",
    "network",
)
COMMAND = re.compile(r"(?:^ {4}|`)(?:[A-Z_]+=\S+ )?(?:sudo )?(?:\S*/)?lepton-edge ([^`\n]*)", re.MULTILINE)
SECTIONS = re.findall(r"^### `(\w+)`: ", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
CODES = sorted({*BY_CODE, *(code for _, _, codes in exit_codes.table() for code in codes)})


def commands() -> Iterator[Any]:
    for page in PAGES:
        for line in COMMAND.findall((DOCS / f"{page}.md").read_text("utf-8")):
            yield pytest.param(line, id=f"{page}: {line[:60]}")


@pytest.mark.parametrize("code", CODES)
def test_each_error_code_has_one_section(code: str) -> None:
    assert SECTIONS.count(code) == 1


def test_no_section_is_about_a_code_that_is_gone() -> None:
    assert set(SECTIONS) <= set(CODES)


@pytest.mark.parametrize("line", list(commands()))
def test_a_command_in_the_pages_is_one_that_there_is(line: str) -> None:
    """The words lead to a command, and each option is one of its."""
    words = shlex.split(line.partition("  #")[0].replace("|", " "), comments=True)
    command: Any = typer.main.get_command(app)
    assert isinstance(command, LazyGroup)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        known = command._known() if isinstance(command, LazyGroup) else command.commands
        if words[0] == "COMMAND":
            return
        assert words[0] in known, f"there is no command {words[0]!r}"
        command = known[words[0]].load() if isinstance(command, LazyGroup) else known[words[0]]
        words.pop(0)
    options = {word for one in command.params for word in (*one.opts, *one.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert [word for word in given if word not in options] == []
