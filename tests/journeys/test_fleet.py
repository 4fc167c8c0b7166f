"""Many boards, several clouds: each board has its plan, a model moves, a cloud stands in; nobody gets an error."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge

measured = pytest.mark.measured(roof=("board",), shed=("board",), east=("cloud",), west=("cloud",))
pytestmark = [pytest.mark.journey, measured]

PAUSE = (
    0.03  # seconds between two requests of one client: about 70 % of what this machine serves beside the rest
)
BOARDS, CLOUDS = ("roof", "shed"), ("east", "west")


class Town:
    """Two boards, two clouds, the small model, and its right answer for one input."""

    def __init__(self, house: Any, model: Path, given: Path, *east: str) -> None:
        self.house = house
        self.x = np.load(given)
        self.expected = onnxruntime.InferenceSession(str(model)).run(None, {"x": self.x})[0]
        house.start_coordinator()
        self.doors = {name: house.start_agent(name, "board") for name in BOARDS}
        self.doors |= {
            name: house.start_agent(name, "cloud", *(east if name == "east" else ())) for name in CLOUDS
        }
        house.command("model", "push", "small", str(model))

    def infer(self, address: str, page: str = "") -> Any:
        """Infer by way of `address`, check the answer, and return the result."""
        with lepton_edge.Client(address) as client:
            result = client.infer("small", {"x": self.x}, page=page)
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-4, atol=1e-5)
        return result

    def epochs(self, name: str) -> dict[int, str]:
        """Return what a device holds, by epoch."""
        devices = self.house.json("device", "list")["devices"]
        held = next(one["epochs"] for one in devices if one["device"] == name)
        return {one["epoch"]: one["state"] for one in held}

    def boards(self) -> list[dict[str, Any]]:
        """Return the active plans of the model in short."""
        found: list[dict[str, Any]] = self.house.json("model", "show", "small")["boards"]
        return found


class Stream:
    """Requests one after the other at a steady pace, each answer checked, until it is ended."""

    def __init__(self, town: Town, address: str, page: str = "") -> None:
        self.errors: list[Exception] = []
        self.last: Counter[str] = Counter()  # answers by the device that gave them
        self._town, self._address, self._page = town, address, page
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with lepton_edge.Client(self._address) as client:
            while not self._over.wait(PAUSE):
                try:
                    answer = client.infer("small", {"x": self._town.x}, page=self._page)
                    np.testing.assert_allclose(answer["y"], self._town.expected, rtol=1e-4, atol=1e-5)
                    self.last[answer.hops[-1].device] += 1
                except (lepton_edge.LeptonError, AssertionError) as error:
                    self.errors.append(error)

    def __enter__(self) -> Stream:
        time.sleep(0.5)
        return self

    def __exit__(self, *reason: object) -> None:
        time.sleep(0.5)
        self._over.set()
        self._thread.join(30)


@pytest.fixture
def town(house: Any, small: Path, small_input: Path) -> Iterator[Town]:
    return Town(house, small, small_input)


def test_every_board_has_its_plan_and_every_cloud_stands_in(town: Town, house: Any) -> None:
    told = house.json("deploy", "small", "--all-boards", "--device", "cloud=east", "--replicas", "all")
    assert [(one["board"], one["epoch"]) for one in told["deployments"]] == [("roof", 1), ("shed", 2)]
    assert [one["replicas"] for one in told["deployments"]] == [{"west": True}, {"west": True}]
    for name in CLOUDS:
        assert town.epochs(name) == {1: "active", 2: "active"}
    for name, epoch in (("roof", 1), ("shed", 2)):
        assert town.infer(town.doors[name]).epoch == epoch
        assert town.infer(town.doors[name], "cloud-raw").hops[-1].device == "east"
    assert house.json("plan", "explain", "small", "--device", "board=roof")["board"] == "roof"
    with Stream(town, town.doors["shed"]) as undisturbed:
        house.command("deploy", "small", "--device", "board=roof", "--device", "cloud=west")
    assert (undisturbed.errors, town.epochs("shed")) == ([], {2: "active"})
    assert [(one["board"], one["cloud"], one["epoch"]) for one in town.boards()] == [
        ("shed", "east", 2),
        ("roof", "west", 3),
    ]
    assert town.infer(town.doors["roof"], "cloud-raw").hops[-1].device == "west"


def test_a_model_moves_from_board_to_board_and_from_cloud_to_cloud_under_load(town: Town, house: Any) -> None:
    house.command("deploy", "small", "--device", "board=roof", "--device", "cloud=east")
    with Stream(town, house.coordinator) as plain, Stream(town, house.coordinator, "cloud-raw") as split:
        house.command("model", "move", "small", "--from", "east", "--to", "west")
        time.sleep(0.5)
        house.command("model", "move", "small", "--from", "roof", "--to", "shed")
        time.sleep(0.5)
    assert (plain.errors, split.errors) == ([], [])
    assert set(plain.last) >= {"roof", "shed"}, "some before it moved, some after"
    assert set(split.last) >= {"east", "west"}
    assert [(one["board"], one["cloud"]) for one in town.boards()] == [("shed", "west")]
    assert (town.epochs("roof"), town.epochs("east")) == ({}, {})


def test_what_one_board_asks_of_a_cloud_is_a_part_of_the_others_plan(
    house: Any, small: Path, small_input: Path
) -> None:
    town = Town(house, small, small_input, "--simulate-slow", "30")

    def load(board: str) -> Any:
        return house.json(*words, "--device", f"board={board}")["plan"]["load"]

    words = ("deploy", "small", "--dry-run", "--device", "cloud=east")
    house.command("deploy", "small", "--device", "board=roof", "--device", "cloud=east")
    assert load("shed") is None
    with Stream(town, town.doors["roof"], "cloud-raw") as busy:
        time.sleep(8)
        told = load("shed")
        assert "east is" in house.command(*words, "--device", "board=shed")
        assert load("roof") is None, "its own requests do not count"
    assert busy.errors == []
    assert (told["device"], told["by"][0]["board"]) == ("east", "roof")
    assert 0.02 < told["part"] < 1
    assert 0 < told["wait"] < 0.1
