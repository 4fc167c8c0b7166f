"""A coordinator that has just begun: what it is asked to deploy waits for the agents that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.standing import Drain
from lepton_edge.coordinator.state import Device, Settings, State

KNOWN = (("board", "board"), ("cloud", "cloud"))


@pytest.fixture
def begun(make: Any) -> Any:
    """A coordinator that knows a board, a cloud and a model from an earlier life, and hears nobody yet."""
    devices = {name: Device(make.hello(name, role)) for name, role in KNOWN}
    world = make.World(State(Settings("0.1", 2), devices=devices, models={"net": make.model()}))
    world.do(e.Tick())
    return world


def back(world: Any, name: str) -> None:
    world.attach(world.state.devices[name].hello)
    world.do(e.Tick())
    world.run()


def test_who_deploys_at_once_is_told_whom_it_waits_for_and_gets_what_it_wants(begun: Any) -> None:
    call = begun.deploy()
    assert [one.progress.message for one in begun.told] == [
        "for board, cloud to come back to a coordinator that has just begun"
    ]
    begun.now += 1.0
    back(begun, "board")
    assert call not in begun.answers, "with the board alone it would be another plan"
    back(begun, "cloud")
    assert isinstance(begun.answer_of(call), c.Finish)
    assert begun.state.active_epoch("net").cloud == "cloud"


@pytest.mark.parametrize("asked", [{}, {"board": "board"}, {"cloud": "cloud"}, {"replicas": ("cloud",)}])
def test_who_does_not_come_back_is_waited_for_no_longer_than_a_lease(begun: Any, asked: Any) -> None:
    call = begun.deploy(**asked)
    begun.now += begun.state.settings.lease - 0.5
    begun.do(e.Tick())
    assert call not in begun.answers
    begun.now += 1.0
    begun.do(e.Tick())
    assert begun.answer_of(call).error.code == "not_found"


def test_later_nobody_is_waited_for(begun: Any) -> None:
    begun.now += begun.state.settings.lease + 1.0
    begun.do(e.Tick())
    assert begun.answer_of(begun.deploy()).error.code == "not_found"


def test_who_is_not_meant_is_not_waited_for(begun: Any, make: Any) -> None:
    begun.state.devices["attic"] = Device(make.hello("attic", "board"))
    begun.state.devices["cellar"] = Device(make.hello("cellar", "board"))
    begun.state.drains["cellar"] = Drain(0.0)
    back(begun, "board")
    back(begun, "cloud")
    call = begun.deploy(board="board", cloud="cloud")
    begun.run()
    assert isinstance(begun.answer_of(call), c.Finish)
    open_choice = begun.deploy(cloud="cloud")
    assert open_choice not in begun.answers, "the attic may make it ambiguous"
    back(begun, "attic")
    assert "more than one board" in begun.answer_of(open_choice).error.message


def test_what_waits_keeps_its_place_and_others_theirs(begun: Any) -> None:
    first, second = begun.deploy(), begun.deploy(dry_run=True)
    back(begun, "board")
    back(begun, "cloud")
    assert list(begun.answers) == [first, second]


def test_who_finds_nobody_is_told_who_is_lost_and_since_when(pair: Any) -> None:
    pair.do(e.Detached("gone", pair.state.devices["board"].stream))
    pair.now += 104.0
    error = pair.answer_of(pair.deploy(board="board")).error
    assert error.message.startswith("no board called 'board' is connected")
    assert "lost: board (heard 104 s ago)" in error.message
    assert error.hint.startswith("start it again there")
