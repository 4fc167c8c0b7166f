"""The coordinator is away for long while everything goes on, and comes back to what it left.

LEPTON_TEST_AWAY=180 lets it be away for three minutes (`make absence`); else for seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from bench.chaos.clocks import Clocks
from examples.demo.processes import free_port
from tests.journeys.conftest import until
from tests.journeys.load import Load

pytestmark = [pytest.mark.journey, pytest.mark.measured]

AWAY = float(os.environ.get("LEPTON_TEST_AWAY", "5"))
AFTERWARDS = max(3.0, AWAY / 6)
BACK = 20.0  # seconds within which agents that redial with growing pauses are there again
NEEDLESS = {"replan", "rollback", "deploy"}


@pytest.fixture
def served(
    house: Any, tmp_path: Path, small: Path, small_input: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A coordinator with a clock of its own, a board and a cloud with the small model; returns the house."""
    for key, value in Clocks(tmp_path / "clocks").environment("coordinator").items():
        monkeypatch.setenv(key, value)
    house.start_coordinator()
    for key in ("PYTHONPATH", "WALL_CLOCK"):
        monkeypatch.delenv(key)
    house.x = np.load(small_input)
    house.address = house.start_agent("board", "board")
    house.cloud = free_port()
    house.start_agent("cloud", "cloud", "--port", str(house.cloud))
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    return house


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _restart(house: Any, patch: pytest.MonkeyPatch, clocks: Clocks) -> None:
    """Start the coordinator where it was, an hour later by its clock."""
    clocks.set("coordinator", 3600.0)
    for key, value in clocks.environment("coordinator").items():
        patch.setenv(key, value)
    house.start_coordinator(_port(house.coordinator))


def _document(house: Any) -> tuple[dict[str, Any], list[Any]]:
    with lepton_edge.Client(house.coordinator) as client:
        return client.status(), list(client.events()["events"])


def _all_there(house: Any) -> bool:
    status, _ = _document(house)
    return all(one["connected"] and one["epochs"] for one in status["devices"])


@pytest.mark.timeout(2 * AWAY + 180)
def test_a_coordinator_that_is_away_for_long_finds_everything_as_it_left_it(
    served: Any, small: Path, small_input: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, before = _document(served)
    epoch = status["models"][0]["epoch"]
    with Load(served.address, [small], small_input) as load:
        load.settle()
        served.kill("coordinator")
        gone = time.monotonic()
        _cloud_dies_and_returns(served)
        while time.monotonic() < gone + AWAY:
            load.settle(5)
        _restart(served, monkeypatch, Clocks(tmp_path / "clocks"))
        until(lambda: _all_there(served), BACK)
        since = time.monotonic()
        while time.monotonic() < since + AFTERWARDS:
            load.settle(5)
    load.check()
    assert {result.epoch for _, result in load.answers} == {epoch}
    gaps = [b[0] - a[0] for a, b in zip(load.answers, load.answers[1:], strict=False)]
    assert max(gaps) < 5.0, "it was answered all the time"
    status, after = _document(served)
    assert status["models"][0]["epoch"] == epoch
    new = [one for one in after if one["serial"] > before[-1]["serial"]]
    assert {one["kind"] for one in new}.isdisjoint(NEEDLESS), "there was no need for another plan"


def _cloud_dies_and_returns(house: Any) -> None:
    """Kill the cloud and start it again, while nobody is there to be told."""
    house.kill("cloud")
    time.sleep(AWAY / 8)
    house.start_agent("cloud", "cloud", "--port", str(house.cloud), registered=False)
    with lepton_edge.Client(house.address) as client:
        until(lambda: _is_split(house, client), BACK)


def _is_split(house: Any, client: Any) -> bool:
    try:
        result = client.infer("small", {"x": house.x}, page="cloud-raw")
    except lepton_edge.LeptonError:
        return False
    return bool(result.hops[-1].device == "cloud")
