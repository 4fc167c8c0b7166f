"""Two coordinators by mistake: on one state, on copies of it, and one that meets another's agents."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import lepton_edge
from tests.journeys.conftest import LEPTON_EDGE, ROOT, until

pytestmark = [pytest.mark.journey, pytest.mark.measured]
INSECURE = True  # it speaks for itself, and in the open


@pytest.fixture
def served(house: Any, small: Path) -> Any:
    """A coordinator, a board that serves the small model for it, and an idle cloud."""
    house.start_coordinator()
    house.start_agent("board", "board")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    house.start_agent("cloud", "cloud")
    return house


def _status(house: Any, address: str) -> Any:
    with lepton_edge.Client(address) as client:
        return client.status()


def _start(house: Any, key: str) -> str:
    line: str = house._start(key, ["coordinator", "start", "--insecure", "--port", "0", "--no-announce"])
    return line.partition("control=")[2]


def test_one_state_directory_is_one_coordinators(served: Any) -> None:
    command = ["coordinator", "start", "--insecure", "--port", "0", "--no-announce"]
    state = ["--state-directory", str(served.directory / "coordinator")]
    second = subprocess.run(
        [*LEPTON_EDGE, *command, *state], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 3
    assert "another coordinator uses the state directory" in second.stderr


def test_of_two_on_copies_of_one_state_the_newer_commands_and_the_older_stops(served: Any) -> None:
    first = served.coordinator
    term = _status(served, first)["coordinator"]["term"]
    shutil.copytree(served.directory / "coordinator", served.directory / "copy")
    (served.directory / "copy" / "lock.db").unlink()
    second = _start(served, "copy")
    served.end("board")
    served.coordinator = second
    served.start_agent("board", "board")  # somebody gave it the address of the copy
    served.end("board")
    served.coordinator = first
    served.start_agent("board", "board", registered=False)
    until(lambda: "two coordinators run on copies" in served.log("board"))
    with (
        lepton_edge.Client(first) as client,
        pytest.raises(lepton_edge.errors.NotLeader, match=f"term {term}\\b"),
    ):
        client.deploy("small")
    assert [one["connected"] for one in _status(served, first)["devices"]] == [False, False]
    port = int(first.rpartition(":")[2])
    served.end("copy")
    served.end("coordinator")
    served.start_coordinator(port)  # a person has it take over again: above every term that it heard of
    until(lambda: all(one["connected"] for one in _status(served, first)["devices"]))
    assert _status(served, first)["coordinator"]["term"] == term + 2
    with lepton_edge.Client(first) as client:
        assert client.deploy("small")["epoch"] == 2


def test_an_agent_serves_one_master_until_a_person_says_otherwise(served: Any, small_input: Path) -> None:
    first, second = served.coordinator, _start(served, "other")
    served.end("board")
    served.coordinator = second
    served.start_agent("board", "board", registered=False)
    until(lambda: "--adopt" in served.log("board"))
    served.end("board")
    served.start_agent("board", "board", "--adopt")
    [board] = _status(served, second)["devices"]
    assert [(one["model"], one["state"]) for one in board["epochs"]] == [("small", "foreign")]
    infer = ["infer", "small", "--input", f"x={small_input}"]
    served.coordinator = board["addresses"][0]
    assert "local" in served.command(*infer), "what it served it serves on"
    served.coordinator = first
    devices = {one["device"]: one["connected"] for one in _status(served, first)["devices"]}
    assert devices == {"board": False, "cloud": True}
