"""What people ask of an active plan: again, pinned, supposed, moved."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import requests
from lepton_edge.coordinator.records import ACTIVE
from lepton_edge.core import messages as m
from lepton_edge.core.errors import NotFound, RequestError
from lepton_edge.core.frames import WireError


@pytest.fixture
def street(pair: Any, make: Any) -> Any:
    """Two boards and three clouds; the model is active for both boards, with the first cloud."""
    for name, role in (("shed", "board"), ("east", "cloud"), ("west", "cloud")):
        pair.attach(make.hello(name, role))
    for board in ("board", "shed"):
        pair.deploy(board=board, cloud="cloud", keep_input_on_board=board == "shed")
        pair.run()
    return pair


def gone(world: Any, name: str) -> None:
    world.do(e.Detached("gone", world.state.devices[name].stream))


def move(world: Any, source: str, target: str, board: str = "") -> Any:
    asked = m.MoveModel("net", source, target, board)  # type: ignore[arg-type]
    call = world.call(lambda cause, number: e.MoveAsked(cause, number, asked))
    world.run()
    return world.answer_of(call)


def test_who_names_no_board_means_the_only_one(pair: Any) -> None:
    assert requests.active(pair.state, "net", "") is None
    pair.deploy()
    pair.run()
    assert requests.active(pair.state, "net", "").board == "board"


def test_of_several_boards_one_must_be_named(street: Any) -> None:
    assert requests.active(street.state, "net", "shed").epoch == 2
    with pytest.raises(RequestError, match="active for board, shed"):
        requests.active(street.state, "net", "")
    with pytest.raises(NotFound, match="'roof'"):
        requests.active(street.state, "net", "roof")


def test_a_pin_is_for_the_board_that_it_names_and_keeps_its_wishes(street: Any) -> None:
    assert street.answer_of(street.pin(page="local")).error.code == "request_error"
    call = street.pin(page="local", board="shed")
    street.run()
    assert isinstance(street.answer_of(call), c.Finish)
    assert street.epoch_states() == {1: ACTIVE, 2: "RETIRED", 3: ACTIVE}
    request = street.state.epochs["net", 3].request
    assert (request.board, request.cloud, request.page) == ("shed", "cloud", "local")
    assert request.keep_input_on_board


def test_a_supposition_is_for_the_board_that_it_names(street: Any) -> None:
    call = street.what_if(board="shed")
    street.run()
    assert street.answer_of(call).ending.board == "shed"
    assert street.ordered[-1].board.device == "shed"


def test_again_is_for_the_same_devices(street: Any) -> None:
    record = street.state.active_epoch("net", "shed")
    assert requests.again(street.state, record) == record.request


def test_again_without_its_cloud_takes_a_replica_first(street: Any) -> None:
    street.deploy(board="board", cloud="cloud", replicas=("west", "east"))
    street.run()
    record = street.state.active_epoch("net", "board")
    assert requests.again(street.state, record).cloud == "cloud"
    gone(street, "cloud")
    assert requests.again(street.state, record).cloud == "west"
    assert requests.again(street.state, record, without=("west",)).cloud == "east"


def test_a_board_takes_over_what_another_runs_and_only_then_that_ends(street: Any, make: Any) -> None:
    street.attach(make.hello("roof"))
    street.log.clear()
    done = move(street, "shed", "roof")
    assert done.ending.epoch == 3
    assert street.epoch_states() == {1: ACTIVE, 2: "RETIRED", 3: ACTIVE}
    record = street.state.active_epoch("net", "roof")
    assert (record.cloud, record.request.keep_input_on_board) == ("cloud", True)
    said = [
        (type(one.message).__name__, street.device(one.stream), one.message.epoch)
        for one in street.log
        if isinstance(one, c.Say) and hasattr(one.message, "epoch")
    ]
    assert said.index(("Activate", "roof", 3)) < said.index(("Drain", "shed", 2))
    assert street.state.devices["shed"].epochs == {}
    assert street.state.devices["cloud"].epochs == {("net", 1): "active", ("net", 3): "active"}


def test_a_move_that_fails_leaves_everything_as_it_was(street: Any, make: Any) -> None:
    street.attach(make.hello("roof"))
    call = street.call(
        lambda cause, number: e.MoveAsked(cause, number, m.MoveModel("net", "shed", "roof"))  # type: ignore[arg-type]
    )
    street.run(refuse={m.Prepare: WireError("storage_full", "no space")})
    assert isinstance(street.answer_of(call), c.Fail)
    assert street.epoch_states() == {1: ACTIVE, 2: ACTIVE, 3: "FAILED"}
    assert street.state.devices["shed"].epochs == {("net", 2): "active"}


def test_a_cloud_takes_over_for_one_board_at_a_time(street: Any) -> None:
    assert move(street, "cloud", "east").error.code == "request_error"
    assert isinstance(move(street, "cloud", "east", board="shed"), c.Finish)
    assert [(one.board, one.cloud) for one in street.state.active_epochs("net")] == [
        ("board", "cloud"),
        ("shed", "east"),
    ]


def test_what_was_declared_of_a_device_does_not_move_with_the_model(street: Any, make: Any) -> None:
    wishes = m.Wishes(board_memory=1 << 30, board_watts=5.0, cloud_watts=90.0)  # type: ignore[arg-type]
    street.deploy(board="shed", cloud="cloud", wishes=wishes)
    street.run()
    asked = m.MoveModel("net", "shed", "board")  # type: ignore[arg-type]
    request, record = requests.relocated(street.state, asked)
    assert (request.wishes.board_memory, request.wishes.board_watts, request.wishes.cloud_watts) == (
        0,
        0.0,
        90.0,
    )
    assert (request.board, record.board) == ("board", "shed")


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("shed", "shed", "request_error"),
        ("shed", "east", "request_error"),
        ("shed", "nobody", "not_found"),
        ("east", "west", "not_found"),
    ],
)
def test_what_cannot_be_moved_is_refused(street: Any, source: str, target: str, code: str) -> None:
    assert move(street, source, target).error.code == code
