"""The tables of settings in docs/cli.md are those of the nouns and of the commands.

To write them anew after a change on purpose: LEPTON_TEST_WRITE_TABLES=1 pytest, then read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from device_agents import cli as agents
from lepton_edge.cli import coordinator as coordinators
from lepton_edge.settings.reference import markdown
from lepton_edge.settings.rooms import AGENT, COORDINATOR, Room

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
STARTS = {
    "agent": typer.main.get_command(agents.app).commands["start"],  # type: ignore[attr-defined]
    "coordinator": typer.main.get_command(coordinators.app).commands["start"],  # type: ignore[attr-defined]
}
SAME = {"insecure_bind": "bind"}
NO_SETTINGS = {"config", "token", "token_file", "help"}


def flags(room: Room[Any]) -> dict[str, str]:
    """Return the flags of a setting by its name."""
    found: dict[str, list[str]] = {}
    for option in STARTS[room.table].params:
        found.setdefault(SAME.get(option.name, option.name), []).extend(
            [*option.opts, *option.secondary_opts]
        )
    return {name: ", ".join(f"`{one}`" for one in every) for name, every in found.items()}


@pytest.mark.parametrize("room", [AGENT, COORDINATOR], ids=lambda room: room.table)
def test_the_table_is_the_settings(room: Room[Any]) -> None:
    table, page = markdown(room, flags(room)), PAGE.read_text(encoding="utf-8")
    if os.environ.get("LEPTON_TEST_WRITE_TABLES"):
        old = re.compile(rf"\| flag \| variable \| in `\[{room.table}\]`.*?(?=\n\n)", re.S)
        PAGE.write_text(old.sub(lambda _: table, page), encoding="utf-8")
    assert table in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("room", [AGENT, COORDINATOR], ids=lambda room: room.table)
def test_every_flag_is_a_setting(room: Room[Any]) -> None:
    assert set(flags(room)) - set(room.settings()) - NO_SETTINGS == set()
