"""A plan that has nobody of a role says who is known and away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lepton_edge.cli.absent import note_absent
from lepton_edge.client import Client, MockTransport
from lepton_edge.core.messages import AdminCall, AdminEvent, Document, ListDevices

KITCHEN = {"device": "kitchen", "role": "board", "connected": False, "since_heard": 104.2}
CLOUD = {"device": "server", "role": "cloud", "connected": True, "since_heard": 0.4}
ALONE = {"devices": [{"device": "server", "role": "cloud"}]}


def noted(plan: dict[str, Any], *rows: dict[str, Any]) -> tuple[dict[str, Any], list[AdminCall]]:
    def answer(calls: list[AdminCall]) -> list[AdminEvent]:
        return [Document("lepton-edge/devices/1", json.dumps({"devices": rows}))]

    def frames(frame: Any) -> Any:
        raise AssertionError(frame)

    transport, told = MockTransport(frames, answer), {"model": "net"}
    with Client(transport=transport) as asked:
        note_absent(asked, told, plan)
    return told, transport.calls


def test_the_board_that_is_lost_is_named() -> None:
    told, calls = noted(ALONE, KITCHEN, CLOUD)
    assert [type(call) for call in calls] == [ListDevices]
    assert told["away"] == [
        {"device": "kitchen", "role": "board", "since_heard": 104.2, "revoked": None},
    ]


@pytest.mark.parametrize(
    ("plan", "rows", "asks"),
    [
        (ALONE, (CLOUD,), 1),
        (ALONE, ({**KITCHEN, "connected": True},), 1),
        ({"devices": [*ALONE["devices"], {"device": "kitchen", "role": "board"}]}, (KITCHEN,), 0),
        ({}, (KITCHEN,), 0),
    ],
)
def test_nobody_is_missed_who_is_there_or_never_was(plan: Any, rows: Any, asks: int) -> None:
    told, calls = noted(plan, *rows)
    assert "away" not in told
    assert len(calls) == asks
