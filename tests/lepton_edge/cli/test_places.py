"""Which devices a command is about."""

from __future__ import annotations

import pytest
import typer

from lepton_edge.cli.places import Places, read_board, read_places
from lepton_edge.core.errors import NotFound, UsageError
from lepton_edge.core.messages import MoveModel
from tests.lepton_edge.cli.conftest import CommandLine

DEVICES = {
    "devices": [
        {"device": "roof", "role": "board", "connected": True},
        {"device": "shed", "role": "board", "connected": True},
        {"device": "gone", "role": "board", "connected": False},
        {"device": "server", "role": "cloud", "connected": True},
    ]
}


def test_nothing_said_leaves_the_choice_to_the_coordinator() -> None:
    assert read_places([]) == Places(("",), "", (), each=False)


def test_one_of_each_is_as_it_ever_was() -> None:
    assert read_places(["board=roof", "cloud=server"]) == Places(("roof",), "server", (), each=False)


def test_further_clouds_are_replicas_and_further_boards_are_deployed_on_each() -> None:
    given = ["board=roof", "cloud=a", "board=shed", "cloud=b", "board=roof"]
    assert read_places(given) == Places(("roof", "shed"), "a", ("b",), each=True)
    assert read_places(["cloud=a"], every_other_cloud=True).replicas == ("*",)


def test_all_boards_are_the_connected_ones() -> None:
    assert read_places(["cloud=a"]).on_all(DEVICES) == Places(("roof", "shed"), "a", (), each=True)
    with pytest.raises(NotFound, match="no board is connected"):
        Places().on_all({"devices": []})
    with pytest.raises(UsageError):
        read_places(["board=roof"]).on_all(DEVICES)


@pytest.mark.parametrize("wrong", ["roof", "board=", "gateway=x", "=x"])
def test_what_names_no_device_is_refused(wrong: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_places([wrong])
    with pytest.raises(typer.BadParameter):
        read_board(wrong)


def test_a_board_is_named_as_with_deploy() -> None:
    assert (read_board(None), read_board("board=roof")) == ("", "roof")


def test_a_model_is_moved_from_one_device_to_another(line: CommandLine) -> None:
    line.tell("deployment", model="net", board="roof", epoch=4, page="cut-2", plan={})
    said = line.run("model", "move", "net", "--from", "shed", "--to", "roof")
    assert said.code == 0, said.err
    assert "net: active: epoch 4" in said.out
    line.run("model", "move", "net", "--from", "east", "--to", "west", "--device", "board=shed")
    assert line.calls == [MoveModel("net", "shed", "roof"), MoveModel("net", "east", "west", "shed")]  # type: ignore[arg-type]


def test_a_move_needs_both_ends(line: CommandLine) -> None:
    assert line.run("model", "move", "net", "--from", "shed").code == 2
