"""Agents of the release before, which had no certificates: upgraded one after the other, in the open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lepton_edge
from tests.journeys.load import Load

pytestmark = pytest.mark.journey
INSECURE = True


def test_agents_are_upgraded_one_after_the_other(house: Any, small: Path, small_input: Path) -> None:
    """As docs/operations.md has it: drained, stopped, started anew; what it ran is deployed there again."""
    house.start_coordinator()
    house.start_older_agent("board", "board")
    house.start_older_agent("cloud", "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    with Load(house.coordinator, [small], small_input) as load:
        load.settle()
        for name, role in (("cloud", "cloud"), ("board", "board")):
            house.command("device", "drain", name)
            assert house.end(name) == 0
            load.settle()
            house.start_agent(name, role)
            house.command("device", "drain", name, "--undo")
            house.command("deploy", "small")
            load.settle()
    load.check()
    active = house.json("model", "show", "small")["boards"]
    assert [(one["board"], one["cloud"]) for one in active] == [("board", "cloud")]
