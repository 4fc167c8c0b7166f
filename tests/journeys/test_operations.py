"""Planned work while an application asks all the time: nobody gets an error, and no answer is wrong."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

import lepton_edge
from tests.journeys.conftest import until
from tests.journeys.load import Load

pytestmark = [pytest.mark.journey, pytest.mark.measured]


@pytest.fixture
def fleet(house: Any, small: Path) -> Any:
    """Two boards and two clouds; the small model runs on the first of each."""
    house.start_coordinator()
    for name in ("board", "board2"):
        house.start_agent(name, "board")
    for name in ("cloud", "cloud2"):
        house.start_agent(name, "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small", devices=("board", "cloud"))
    return house


@pytest.fixture
def load(fleet: Any, small: Path, small_input: Path) -> Load:
    return Load(fleet.coordinator, [small], small_input)


def _devices(house: Any) -> dict[str, Any]:
    return {one["device"]: one for one in house.json("device", "list")["devices"]}


def test_the_coordinator_is_restarted(fleet: Any, load: Load) -> None:
    port = int(fleet.coordinator.rpartition(":")[2])
    term = fleet.json("status")["coordinator"]["term"]
    with load:
        load.settle()
        for kill in (False, True):
            before = {name: one["epochs"] for name, one in _devices(fleet).items()}
            fleet.kill("coordinator") if kill else fleet.end("coordinator")
            load.settle()
            fleet.command("device", "list", status=3)
            fleet.start_coordinator(port)
            until(lambda: all(one["connected"] for one in _devices(fleet).values()))
            assert {name: one["epochs"] for name, one in _devices(fleet).items()} == before
            load.settle()
    load.check()
    assert fleet.json("status")["coordinator"]["term"] == term + 2
    assert {result.epoch for _, result in load.answers} == {1}, "nothing was prepared anew"


def test_a_cloud_is_drained_restarted_and_takes_part_again(fleet: Any, load: Load) -> None:
    with load:
        load.settle()
        assert fleet.json("device", "drain", "cloud")["drained"]
        assert _devices(fleet)["cloud"]["epochs"] == []
        assert fleet.end("cloud") == 0
        load.settle()
        fleet.start_agent("cloud", "cloud")
        assert not fleet.json("device", "drain", "cloud", "--undo")["drained"]
        fleet.command("deploy", "small", "--device", "board=board", "--device", "cloud=cloud")
        load.settle()
    load.check()
    assert _devices(fleet)["cloud"]["standing"]["open"]


def test_a_board_is_removed_and_its_clients_find_the_other_one(fleet: Any, load: Load) -> None:
    with load:
        load.settle()
        assert fleet.json("device", "remove", "board")["removed"]
        assert "board" not in _devices(fleet)
        load.settle(40)
        assert fleet.json("device", "remove", "board")["removed"], "twice is as once"
    load.check()
    assert load.answers[-1][1].hops[1].device == "board2"
    fleet.command("device", "remove", "board9", status=7)


def test_an_agent_that_returns_after_its_lease_lets_go_of_the_old_epoch(fleet: Any, load: Load) -> None:
    with load:
        load.settle()
        fleet.processes["cloud"].send_signal(signal.SIGSTOP)
        until(lambda: not _devices(fleet)["cloud"]["connected"])
        fleet.command("deploy", "small", "--device", "board=board", "--device", "cloud=cloud2")
        load.settle()
        fleet.processes["cloud"].send_signal(signal.SIGCONT)
        until(lambda: _devices(fleet)["cloud"]["connected"] and not _devices(fleet)["cloud"]["epochs"])
        load.settle()
    load.check()
    assert load.answers[-1][1].epoch == 2


def test_who_cannot_be_spared_stays(house: Any, small: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    told = house.command("device", "drain", "board", status=3)
    assert "nobody else can run 'small'" in told
    assert "--force" in told
    assert _devices(house)["board"]["standing"]["open"]
    begun = time.monotonic()
    assert house.json("device", "drain", "board", "--force")["drained"]
    assert time.monotonic() - begun < 15
    assert _devices(house)["board"]["epochs"] == []


def test_who_was_given_the_address_of_a_board_is_sent_where_its_model_went_and_comes_back(
    house: Any, small: Path, small_input: Path
) -> None:
    house.start_coordinator()
    own = house.start_agent("board", "board")
    house.start_agent("board2", "board")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small", devices=("board", ""))
    load = Load(own, [small], small_input)
    with load:
        load.settle()
        house.command("device", "drain", "board")
        until(lambda: load.answers[-1][1].hops[1].device == "board2")
        load.settle()
        assert house.end("board") == 0
        house.start_agent("board", "board", "--port", own.rpartition(":")[2])
        until(
            lambda: _who_answers(own, load.x) == "board2"
        )  # one that asks for the first time is sent there, too
        house.command("device", "drain", "board", "--undo")
        house.command("deploy", "small", "--device", "board=board")
        until(lambda: load.answers[-1][1].hops[1].device == "board")
        load.settle()
    load.check()


def _who_answers(address: str, x: Any) -> str:
    """Return the entry that answers a new client of `address`; "" where the model is not known there yet."""
    with lepton_edge.Client(address) as client:
        try:
            return str(client.infer("small", {"x": x}).hops[1].device)
        except lepton_edge.errors.UnknownModel:
            return ""
