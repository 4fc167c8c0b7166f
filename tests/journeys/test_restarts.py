"""Processes that die and come back: inference goes on, and everybody ends up where they were."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge

pytestmark = [pytest.mark.journey, pytest.mark.measured]


class Asked:
    """The small model, deployed, with its right answer for one input."""

    def __init__(self, house: Any, model: Path, given: Path) -> None:
        self.house = house
        self.x = np.load(given)
        self.expected = onnxruntime.InferenceSession(str(model)).run(None, {"x": self.x})[0]
        house.start_coordinator()
        house.start_agent("board", "board")
        house.start_agent("cloud", "cloud")
        with lepton_edge.Client(house.coordinator) as client:
            client.push("small", model)
            assert client.deploy("small")["epoch"] == 1
        self.term = self.status()["coordinator"]["term"]

    def infer(self, address: str, page: str = "") -> Any:
        """Infer by way of `address`, check the answer, and return the result."""
        with lepton_edge.Client(address) as client:
            result = client.infer("small", {"x": self.x}, page=page)
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-4, atol=1e-5)
        return result

    def status(self) -> Any:
        with lepton_edge.Client(self.house.coordinator) as client:
            return client.status()

    def all_back(self) -> bool:
        return all(one["connected"] and one["epochs"] for one in self.status()["devices"])


@pytest.fixture
def asked(house: Any, small: Path, small_input: Path) -> Asked:
    return Asked(house, small, small_input)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.2)


def test_inference_goes_on_while_the_coordinator_is_away(asked: Asked, house: Any) -> None:
    board = asked.status()["devices"][0]["addresses"][0]
    control = house.coordinator
    house.kill("coordinator")
    assert asked.infer(board).epoch == 1
    assert asked.infer(board, "cloud-raw").hops[-1].device == "cloud"
    assert house.start_coordinator(int(control.rpartition(":")[2])) == control
    until(asked.all_back)
    status = asked.status()
    assert status["coordinator"]["term"] == asked.term + 1
    assert status["models"][0]["epoch"] == 1
    assert asked.infer(control).epoch == 1


def test_a_cloud_that_lost_everything_gets_its_epoch_again(asked: Asked, house: Any) -> None:
    house.kill("cloud")
    assert asked.infer(house.coordinator).page == "local"
    (house.directory / "cloud").rename(house.directory / "lost")
    house.start_agent("cloud", "cloud")  # and at another port
    until(asked.all_back)

    def cloud_answers() -> bool:
        return bool(asked.infer(house.coordinator, "cloud-raw").hops[-1].device == "cloud")

    until(cloud_answers)


def test_a_board_that_was_killed_comes_back_with_its_epoch(asked: Asked, house: Any) -> None:
    house.kill("board")
    house.start_agent("board", "board")
    until(asked.all_back)
    assert asked.infer(house.coordinator).epoch == 1


def test_the_coordinator_survives_kill_9_in_the_middle_of_deployments(asked: Asked, house: Any) -> None:
    """Wherever a kill falls, the agents agree with the coordinator afterwards and answer."""
    for pause in (0.0, 0.02, 0.06):  # after the first word of preparing; all is over about 0.08 s later
        with lepton_edge.Client(house.coordinator) as client:
            preparing = threading.Event()
            deploying = threading.Thread(target=_deploy, args=(client, preparing))
            deploying.start()
            assert preparing.wait(20)
            time.sleep(pause)
            port = int(house.coordinator.rpartition(":")[2])
            house.kill("coordinator")
            deploying.join()
        house.start_coordinator(port)
        until(asked.all_back)
        asked.infer(house.coordinator)
        active = asked.status()["models"][0]["epoch"]
        until(lambda active=active: _held(asked.status()) == {(active, "active")})  # type: ignore[misc]


def _deploy(client: lepton_edge.Client, preparing: threading.Event) -> None:
    def told(progress: Any) -> None:
        if progress.stage == "preparing":
            preparing.set()

    try:
        client.deploy("small", progress=told)
    except lepton_edge.LeptonError:
        return  # it was killed: that is the point


def _held(status: Any) -> set[tuple[int, str]]:
    return {(epoch["epoch"], epoch["state"]) for device in status["devices"] for epoch in device["epochs"]}
