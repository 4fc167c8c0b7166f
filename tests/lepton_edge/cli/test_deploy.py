"""Deploying on several boards with one command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lepton_edge.cli import deploy
from lepton_edge.cli.deploy import read_share
from lepton_edge.cli.output import stdout
from lepton_edge.client import Client, MockTransport
from lepton_edge.core.errors import UsageError
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document, RollBack
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


@pytest.mark.parametrize(("given", "share"), [("10%", 0.1), ("0.25", 0.25), ("1%", 0.01), (None, 0.0)])
def test_a_share_is_read(given: str | None, share: float) -> None:
    assert read_share(given) == pytest.approx(share)


@pytest.mark.parametrize("given", ["0", "100%", "1", "-5%", "ten", "", "%", "nan"])
def test_what_is_no_share_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--canary"):
        read_share(given)


def test_a_canary_is_asked_for_and_told(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=4, page="local", canary=0.1, plan={})
    said = line.run("deploy", "net", "--canary", "10%", "--canary-requests", "50")
    assert (said.code, said.out.strip()) == (0, "net: tried by 10% of the requests: epoch 4, page 'local'")
    assert [(call.canary, call.canary_requests) for call in line.calls] == [(0.1, 50)]


def test_a_version_is_rolled_back(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=3, version="v1", page="local", plan={})
    said = line.run("model", "rollback", "net", "--device", "board=roof")
    assert (said.code, said.out.strip()) == (0, "net: active: epoch 3, version v1")
    assert line.calls == [RollBack("net", "roof")]


def test_what_is_tried_is_ended(line: CommandLine) -> None:
    line.tell("model", model="net", epoch=3, version="v2", page="local")
    said = line.run("model", "rollback", "net")
    assert said.out.strip() == "net: what was tried is over; epoch 3, page local answers alone"


def test_every_other_cloud_may_stand_in(street: CommandLine) -> None:
    assert street.run("deploy", "net", "--device", "board=roof", "--replicas", "all").code == 0
    assert street.run("deploy", "net", "--device", "board=roof", "--replicas", "some").code == 2
    assert [call.replicas for call in street.calls if isinstance(call, Deploy)] == [("*",)]


def test_a_plan_without_its_board_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    away = [{"device": "kitchen", "role": "board", "since_heard": 104.2}]
    deploy.render({"model": "net", "epoch": 1, "page": "cloud-raw", "away": away}, stdout())
    said = capsys.readouterr().out
    assert "WITHOUT kitchen (board): LOST, 104.2 s ago; once it is back: lepton-edge deploy net" in said
