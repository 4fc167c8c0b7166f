"""Somebody sets the clock of a machine: no request, lease or epoch notices; what people read is told by the new one."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

import lepton_edge
from bench.chaos.clocks import DAY, MINUTES, Clocks
from tests.journeys.conftest import until
from tests.journeys.load import Load

pytestmark = [pytest.mark.journey, pytest.mark.measured]

NAMES = ("coordinator", "board", "cloud")


class Machines:
    """A coordinator, a board and a cloud, each with a wall clock of its own."""

    def __init__(self, house: Any, clocks: Clocks, patch: pytest.MonkeyPatch) -> None:
        self.house, self.clocks, self._patch = house, clocks, patch

    def start(self, name: str) -> str:
        for key, value in self.clocks.environment(name).items():
            self._patch.setenv(key, value)
        if name == "coordinator":
            port = self.house.coordinator.rpartition(":")[2]
            return str(self.house.start_coordinator(int(port or 0)))
        return str(self.house.start_agent(name, name))

    def events(self, age: float = 0.0) -> list[Any]:
        with lepton_edge.Client(self.house.coordinator) as client:
            return list(client.events(age=age)["events"])

    def all_there(self) -> bool:
        with lepton_edge.Client(self.house.coordinator) as client:
            return all(one["connected"] and one["epochs"] for one in client.devices()["devices"])


@pytest.fixture
def machines(house: Any, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = Machines(house, Clocks(tmp_path / "clocks"), monkeypatch)
    for name in NAMES:
        made.start(name)
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    return made


def is_dated(house: Any, name: str, day: datetime.date) -> bool:
    return f"{day.isoformat()}T" in house.log(name).splitlines()[-1]


def today(days: int = 0) -> datetime.date:
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).date()


def test_a_clock_that_jumps_moves_nothing_else(
    machines: Machines, house: Any, small: Path, small_input: Path
) -> None:
    with Load(house.coordinator, [small], small_input) as load:
        for name in NAMES:
            for seconds in (DAY, -DAY, MINUTES, 0.0):
                machines.clocks.set(name, seconds)
                load.settle(15)
                assert machines.all_there()
    load.check()
    assert {result.epoch for _, result in load.answers} == {1}
    own = {"turn", "drift"}  # of a busy machine's pace, which is no clock's
    assert {one["kind"] for one in machines.events()} <= {"coordinator", "device", "deploy", *own}


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_what_was_noted_since_a_jump_is_found_by_its_age(machines: Machines, seconds: float) -> None:
    before = machines.events()[-1]["serial"]
    machines.clocks.set("coordinator", seconds)
    until(lambda: "its clock was set" in [one["cause"] for one in machines.events()])
    with lepton_edge.Client(machines.house.coordinator) as client:
        client.pin("small", page="local")
    found = machines.events(age=60.0)
    assert "pinned" in found[-1]["cause"]
    assert found[-1]["serial"] > before
    assert is_dated(machines.house, "coordinator", today(1 if seconds > 0 else -1)), "the clock was set"


def test_a_coordinator_that_starts_a_day_early_takes_over_all_the_same(
    machines: Machines, house: Any, small: Path, small_input: Path
) -> None:
    """As on a board without a clock of its own: the date comes later, over the network."""
    last = machines.events()[-1]["serial"]
    with Load(house.coordinator, [small], small_input) as load:
        load.settle()
        house.kill("coordinator")
        machines.clocks.set("coordinator", -DAY)
        machines.start("coordinator")
        until(machines.all_there)
        with lepton_edge.Client(house.coordinator) as client:
            client.pin("small", page="local")
        machines.clocks.set("coordinator", 0.0)
        load.settle()
    assert load.versions[-1] == 0
    assert load.answers[-1][1].epoch == 2
    assert load.answers[-1][1].page == "local"
    serials = [one["serial"] for one in machines.events()]
    assert serials == sorted(serials)
    assert serials[-1] > last
