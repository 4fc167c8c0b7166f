"""A doctor on either side of a small fleet: what is well, and a port that only its own machine can reach."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import LEPTON_EDGE, ROOT, House

pytestmark = pytest.mark.journey


def examined(house: Any, *words: str) -> tuple[int, dict[str, Any]]:
    """Run a doctor and return its status and document."""
    environment = {**os.environ, "LEPTON_EDGE_COORDINATOR": house.coordinator}
    done = subprocess.run(
        [*LEPTON_EDGE, *words, "--format", "json"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def levels(document: dict[str, Any], check: str) -> list[str]:
    return [one["level"] for one in document["findings"] if one["check"] == check]


def test_both_doctors_see_a_door_that_others_cannot_dial(house: Any, tmp_path: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud", "--advertise", "127.0.0.1:9")
    status, told = examined(house, "doctor", "--state-directory", str(tmp_path / "coordinator"))
    assert status == 16
    assert not told["healthy"]
    assert sorted(levels(told, "ports")) == ["ok", "problem"]
    assert levels(told, "clocks") == levels(told, "version") == levels(told, "coordinator") == ["ok"]

    board = ("--name", "board", "--state-directory", str(tmp_path / "board"))
    status, told = examined(house, "agent", "doctor", *board)
    assert (status, told["healthy"], levels(told, "ports")) == (0, True, ["ok"])
    assert levels(told, "registration") == ["ok"]
    cloud = ("--name", "cloud", "--state-directory", str(tmp_path / "cloud"))
    status, told = examined(house, "agent", "doctor", "--role", "cloud", *cloud)
    assert (status, levels(told, "ports")) == (16, ["problem"])
    assert "--advertise" in next(one["fix"] for one in told["findings"] if one["check"] == "ports")

    house.end("board")
    status, told = examined(house, "agent", "doctor", *board)
    assert levels(told, "registration") == ["warning"]


def test_a_fleet_in_the_open_is_told_so(tmp_path: Path) -> None:
    made = House(tmp_path, insecure=True)
    try:
        made.start_coordinator()
        made.start_agent("board", "board")
        board = ("--name", "board", "--insecure", "--state-directory", str(tmp_path / "board"))
        status, told = examined(made, "agent", "doctor", *board)
        assert (status, levels(told, "certificate"), levels(told, "ports")) == (0, ["note"], ["ok"])
    finally:
        for name in list(made.processes):
            made.kill(name)
