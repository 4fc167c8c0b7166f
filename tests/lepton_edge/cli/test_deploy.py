"""Deploying on several boards with one command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lepton_edge.client import Client, MockTransport
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document
from tests.lepton_edge.cli.conftest import CommandLine

DEVICES = [{"device": name, "role": "board", "connected": True} for name in ("roof", "shed", "yard")]
NO_ROOM = WireError("storage_full", "shed: no space left", "free some", "device", True)


@pytest.fixture
def street(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A command line on three boards, of which the shed's disk is full."""

    def answer(calls: list[AdminCall]) -> list[AdminEvent]:
        call = calls[0]
        if not isinstance(call, Deploy):
            return [_document("devices", devices=DEVICES)]
        if call.board == "shed":
            return [NO_ROOM]
        return [_document("deployment", model=call.name, board=call.board, epoch=4, page="cut-2", plan={})]

    def client(address: str | None) -> Client:
        line.transports.append(MockTransport(line.answer, answer))
        return Client(transport=line.transports[-1])

    monkeypatch.setattr("lepton_edge.cli.connect.make_client", client)
    return line


def _document(schema: str, **value: Any) -> Document:
    return Document(f"lepton-edge/{schema}/1", json.dumps(value))


def test_one_failing_board_leaves_the_others_and_the_status_tells(street: CommandLine) -> None:
    said = street.run("deploy", "net", "--all-boards", "--format", "json")
    assert said.code == 5
    told = said.document
    assert [one["board"] for one in told["deployments"]] == ["roof", "yard"]
    assert [(one["board"], one["code"]) for one in told["failed"]] == [("shed", "storage_full")]


def test_people_read_which_board_failed_and_why(street: CommandLine) -> None:
    said = street.run("deploy", "net", "--device", "board=roof", "--device", "board=shed")
    assert said.code == 5
    assert "net: active: epoch 4" in said.out
    assert "shed: FAILED: shed: no space left / what to do: free some" in said.out


def test_boards_are_deployed_on_in_turn_with_the_same_wishes(street: CommandLine) -> None:
    words = ("--device", "board=roof", "--device", "board=yard", "--device", "cloud=a", "--device", "cloud=b")
    assert street.run("deploy", "net", *words, "--keep-input-on-board").code == 0
    calls = [call for call in street.calls if isinstance(call, Deploy)]
    assert [(call.board, call.cloud, call.replicas) for call in calls] == [
        ("roof", "a", ("b",)),
        ("yard", "a", ("b",)),
    ]
    assert all(call.keep_input_on_board for call in calls)


def test_a_plan_may_be_asked_to_stay(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=1, page="local")
    line.run("deploy", "net", "--no-adapt")
    assert line.calls == [Deploy("net", fixed=True)]  # type: ignore[arg-type]
