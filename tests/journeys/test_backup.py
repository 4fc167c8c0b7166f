"""A coordinator's machine is lost: what was saved of it brings the fleet back, with its keys as if nothing had been,
without them once every device has joined again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from tests.journeys.conftest import until

pytestmark = [pytest.mark.journey, pytest.mark.measured]


def _state(house: Any) -> tuple[str, str]:
    return ("--state-directory", str(house.directory / "coordinator"))


def _lose(house: Any) -> None:
    """Have the coordinator's machine burn down."""
    house.kill("coordinator")
    shutil.rmtree(house.directory / "coordinator")


def _restored(house: Any, saved: Path) -> None:
    """Bring the coordinator back where it was, on another machine's disk."""
    house.command("restore", str(saved), *_state(house))
    house.start_coordinator(int(house.coordinator.rpartition(":")[2]))


def _attached(house: Any) -> set[str]:
    return {row["device"] for row in house.json("device", "list")["devices"] if row["connected"]}


def _answer(house: Any, x: Any) -> Any:
    with lepton_edge.Client(house.coordinator) as client:
        return client.infer("small", {"x": x})["y"]


def _epochs(house: Any) -> list[int]:
    return [row["epoch"] for row in house.json("status")["models"]]


def _join_again(house: Any, name: str) -> None:
    """Let a device join anew, and start its agent anew: keys of another authority are for another process."""
    token = house.directory / f"{name}.again"
    token.write_text(house.token)
    join = ("agent", "join", house.coordinator, "--role", name, "--name", name, "--token-file", str(token))
    house.command(*join, "--state-directory", str(house.directory / name))
    house.end(name)
    house.start_agent(name, name)


def test_a_fleet_comes_back_from_what_was_saved(house: Any, small: Path, small_input: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    x = np.load(small_input)
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    right, epochs = _answer(house, x), _epochs(house)
    full, plain = house.directory / "full.tar", house.directory / "plain.tar"
    house.command("backup", str(full), "--include-secrets", *_state(house))
    house.command("backup", str(plain), *_state(house))

    _lose(house)
    _restored(house, full)
    until(lambda: _attached(house) == {"board", "cloud"}, 30.0)
    assert _epochs(house) == epochs, "nothing was deployed anew"
    np.testing.assert_array_equal(_answer(house, x), right)

    _lose(house)
    _restored(house, plain)
    assert _attached(house) == set(), "its keys are new: nobody is believed until he has joined again"
    for name in ("board", "cloud"):
        _join_again(house, name)
    assert _attached(house) == {"board", "cloud"}
    assert _epochs(house) == epochs
    np.testing.assert_array_equal(_answer(house, x), right)
