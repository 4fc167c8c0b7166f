"""Where requests may enter: boards that serve, and nobody else where an input is kept there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import entries
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.standing import Drain
from lepton_edge.core import messages as m


@pytest.fixture
def deployed(pair: Any) -> Any:
    pair.deploy()
    pair.run()
    return pair


def test_entries_are_those_with_an_active_epoch_then_boards(pair: Any, make: Any) -> None:
    pair.attach(make.hello("aaa", "cloud"))
    told = entries.description(pair.state, "here", "127.0.0.1:8010")
    assert [one.device for one in told.entries] == ["board", "aaa", "cloud"]
    pair.state.devices["cloud"].epochs["net", 1] = "active"
    pair.do(e.Detached("gone", pair.state.devices["aaa"].stream))
    told = entries.description(pair.state, "here", "127.0.0.1:8010")
    assert [one.device for one in told.entries] == ["cloud", "board"]
    assert (told.kind, told.name, told.coordinator) == ("coordinator", "here", "127.0.0.1:8010")


def _names(world: Any) -> list[str]:
    told = entries.description(world.state, "here", "127.0.0.1:8010")
    return [str(one.device) for one in told.entries]


KEPT = (
    {"request": m.Deploy("net", keep_input_on_board=True)},
    {"request": m.Deploy("net", wishes=m.Wishes(first_layers=1))},
    {"request": m.Deploy("net", wishes=m.Wishes(stay=("x",)))},
    {"request": None, "document": '{"keep_input_on_board": true}'},  # kept by an older release
)


@pytest.mark.parametrize("said", KEPT)
def test_a_kept_input_has_one_door_even_when_the_board_is_away(deployed: Any, make: Any, said: Any) -> None:
    deployed.attach(make.hello("aaa", "cloud"))
    assert _names(deployed) == ["board", "cloud", "aaa"]
    record = deployed.state.active_epoch("net")
    kept = dataclasses.replace(
        record,
        **said,
        holds=(dataclasses.replace(record.holds[0], device="board", blocks=(0, 1)),),
    )
    deployed.state.epochs[record.key] = kept
    assert _names(deployed) == ["board"]
    deployed.do(e.Detached("gone", deployed.state.devices["board"].stream))
    assert _names(deployed) == []


def test_every_board_that_keeps_its_input_is_a_door(deployed: Any, make: Any) -> None:
    deployed.attach(make.hello("shed"))
    for board in ("board", "shed"):
        deployed.deploy(board=board, keep_input_on_board=True)
        deployed.run()
    assert _names(deployed) == ["board", "shed"]
    deployed.do(e.Detached("gone", deployed.state.devices["board"].stream))
    assert _names(deployed) == ["shed"]


def _serving(world: Any) -> dict[str, tuple[str, ...]]:
    told = entries.description(world.state, "here", "127.0.0.1:8010")
    return {one.model: one.entries for one in told.serving}


def test_the_entries_of_a_model_are_its_boards_then_who_holds_a_part_of_it(deployed: Any, make: Any) -> None:
    for name in ("attic", "shed"):
        deployed.attach(make.hello(name))
    deployed.deploy(board="shed")
    deployed.run()
    assert _serving(deployed) == {"net": ("board", "shed", "cloud")}, "the attic has no part in it"
    deployed.do(e.Detached("gone", deployed.state.devices["board"].stream))
    assert _serving(deployed) == {"net": ("shed", "cloud")}


def test_two_models_that_keep_their_input_on_different_boards_have_a_door_each(
    deployed: Any, make: Any
) -> None:
    deployed.attach(make.hello("shed"))
    record = deployed.state.active_epoch("net")
    for model, board in (("net", "board"), ("other", "shed")):
        request = m.Deploy(model, keep_input_on_board=True)  # type: ignore[arg-type]
        holds = (dataclasses.replace(record.holds[0], device=board, blocks=(0, 1)),)
        one = dataclasses.replace(record, model=model, request=request, board=board, holds=holds)
        deployed.state.epochs[one.key] = one
    assert _names(deployed) == [], "nobody may be asked for both"
    assert _serving(deployed) == {"net": ("board",), "other": ("shed",)}
    told = entries.description(deployed.state, "here", "127.0.0.1:8010")
    assert {peer.device for peer in told.doors} == {"board", "shed"}


def test_nobody_is_sent_to_one_that_is_being_drained_or_is_away(deployed: Any, make: Any) -> None:
    deployed.attach(make.hello("shed"))
    deployed.deploy(board="shed")
    deployed.run()
    record = deployed.state.active_epoch("net", "board")
    ended = dataclasses.replace(record, state="DRAINING")
    deployed.state.epochs[record.key] = ended
    assert entries.elsewhere(deployed.state, ended, "board") == ("shed:8011",)
    deployed.state.drains["shed"] = Drain(deployed.now)
    assert entries.elsewhere(deployed.state, ended, "board") == ()
    del deployed.state.drains["shed"]
    deployed.do(e.Detached("gone", deployed.state.devices["shed"].stream))
    assert entries.elsewhere(deployed.state, ended, "board") == ()
