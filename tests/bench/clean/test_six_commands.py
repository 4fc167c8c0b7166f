"""The README's section that `make six-commands` types is there and short, and its commands are ones that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from bench.clean import six_commands
from bench.clean.six_commands import FILES, MOST, STAYS, TITLE, commands, searched
from bench.clean.wheels import ROOT
from lepton_edge.cli.lazy import LazyGroup
from lepton_edge.cli.main import app

TYPED = commands((ROOT / "README.md").read_text("utf-8"))


def test_an_answer_takes_six_commands_on_two_machines() -> None:
    assert len(TYPED) <= MOST
    assert {one.where for one in TYPED} == {"computer", "board"}
    assert [bool(STAYS.match(one.line)) for one in TYPED].count(True) == 2, "a coordinator and an agent"
    assert not any(re.search(r"&&|;|\||--insecure", one.line) for one in TYPED), "two in one, or in the open"


@pytest.mark.parametrize("line", [one.line for one in TYPED if one.line.startswith("lepton-edge")])
def test_each_is_a_command_with_options_that_there_are(line: str) -> None:
    words = shlex.split(line)[1:]
    root = typer.main.get_command(app)
    assert isinstance(root, LazyGroup)
    found: Any = root._known()[words[0]].load()
    if hasattr(found, "commands"):
        found = found.commands[words[1]]
    known = {option for one in found.params for option in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known


def test_what_crossed_the_link_in_the_open_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(six_commands, "INGREDIENTS", tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / FILES["photo.jpg"]).write_bytes(bytes(range(200)))
    (tmp_path / FILES["model.onnx"]).write_bytes(bytes(reversed(range(200))))
    assert searched(b"nothing but noise", "LE1.ca.id.secret")
    assert not searched(b"...secret...", "LE1.ca.id.secret")
    assert not searched(b"..." + bytes(range(90, 160)), "LE1.ca.id.secret")
    assert not searched(b"", "LE1.ca.id.secret"), "nothing was recorded"


def test_a_readme_without_the_section_or_the_machine_is_said() -> None:
    with pytest.raises(ValueError, match="no commands"):
        commands("# Something else\n")
    with pytest.raises(ValueError, match="for no machine"):
        commands(f"{TITLE}\n\n    pipx install x\n")
