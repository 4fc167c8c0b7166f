"""A plan that has nobody of a role says who is known and away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lepton_edge.cli.absent import name_absent, note_absent, render_absent
from lepton_edge.cli.output import stdout
from lepton_edge.client import Client, MockTransport
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, WireError
from lepton_edge.core.messages import AdminCall, Document, ListDevices

KITCHEN = {"device": "kitchen", "role": "board", "connected": False, "since_heard": 104.2}
CLOUD = {"device": "server", "role": "cloud", "connected": True, "since_heard": 0.4}
BARRED = {
    **KITCHEN,
    "connected": True,
    "standing": {"open": False, "quarantine": 24.4, "why": "it was lost 4 times within 120 s"},
}
ALONE = {"devices": [{"device": "server", "role": "cloud"}]}


def _no_frames(frame: Frame) -> Frame:
    raise AssertionError(frame)


def transport(*rows: dict[str, Any]) -> MockTransport:
    told = Document("lepton-edge/devices/1", json.dumps({"devices": rows}))
    return MockTransport(_no_frames, lambda calls: [told])


def client(*rows: dict[str, Any]) -> Client:
    return Client(transport=transport(*rows))


def noted(plan: dict[str, Any], *rows: dict[str, Any]) -> tuple[dict[str, Any], list[AdminCall]]:
    told: dict[str, Any] = {"model": "net"}
    asked = transport(*rows)
    with Client(transport=asked) as made:
        note_absent(made, told, plan)
    return told, asked.calls


def test_the_board_that_is_lost_is_named() -> None:
    told, calls = noted(ALONE, KITCHEN, CLOUD)
    assert [type(call) for call in calls] == [ListDevices]
    assert told["away"] == [
        {"device": "kitchen", "role": "board", "since_heard": 104.2, "revoked": None, "planned": False},
    ]


def test_so_is_one_that_the_plan_has() -> None:
    told, _ = noted({"devices": [*ALONE["devices"], {"device": "kitchen", "role": "board"}]}, KITCHEN, CLOUD)
    assert [(row["device"], row["planned"]) for row in told["away"]] == [("kitchen", True)]


def test_so_is_one_that_is_there_and_may_be_given_nothing() -> None:
    told, _ = noted(ALONE, BARRED, CLOUD)
    assert [(row["device"], row["planned"]) for row in told["away"]] == [("kitchen", False)]


@pytest.mark.parametrize(
    ("plan", "rows"),
    [
        (ALONE, (CLOUD,)),
        ({"devices": [*ALONE["devices"], {"device": "kitchen", "role": "board"}]}, (BARRED,)),
        (ALONE, ({**KITCHEN, "connected": True},)),
        ({"devices": [*ALONE["devices"], {"device": "roof", "role": "board"}]}, (KITCHEN,)),
        ({}, (KITCHEN,)),
    ],
)
def test_nobody_is_missed_who_is_there_or_has_no_part(plan: Any, rows: Any) -> None:
    assert "away" not in noted(plan, *rows)[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"planned": True}, "AWAY: kitchen (board): LOST, 104.2 s ago; start it again there"),
        ({}, "WITHOUT kitchen (board): LOST, 104.2 s ago; once it is back: lepton-edge deploy net"),
        (
            BARRED,
            "WITHOUT kitchen (board): QUARANTINE for 24 s more: it was lost 4 times within 120 s; to let it",
        ),
        (
            {"standing": {"drained": True}},
            "drained; to let it take part: lepton-edge device drain kitchen --undo",
        ),
        ({"revoked": True}, "WITHOUT kitchen (board): REVOKED, 104.2 s ago"),
    ],
)
def test_it_is_said_in_a_line(row: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    render_absent({"model": "net", "away": [{**KITCHEN, **row}]}, stdout())
    assert said in capsys.readouterr().out


def test_who_finds_nobody_to_ask_hears_who_is_lost() -> None:
    found = name_absent(client(KITCHEN, CLOUD), Unavailable("nobody admits requests", "start one"))
    assert found.message == "nobody admits requests (kitchen: LOST, 104.2 s ago)"
    assert found.hint == "start it again there; or start one"
    same = Unavailable("nobody", "start one")
    assert name_absent(client(CLOUD, BARRED), same) is same


def test_who_may_not_ask_for_devices_hears_the_error_alone() -> None:
    same = Unavailable("nobody", "start one")
    refused = WireError("permission_denied", "not you", "ask another")
    assert name_absent(Client(transport=MockTransport(_no_frames, lambda calls: [refused])), same) is same
