"""`lepton-edge events`: what it asks, a line for each change, and what --since means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lepton_edge.cli.events import read_since
from lepton_edge.core.errors import UsageError
from lepton_edge.core.messages import Document, ShowEvents

CHANGE = {
    "schema": "lepton-edge/event/1", "serial": 12, "at": 1.7e9, "kind": "replan", "cause": "board drifted (+90%)",
    "message": "version v1 on board, cloud", "device": "board", "model": "net", "epoch": 3,
    "before": "page local of epoch 2", "after": "page cut-4 of epoch 3", "predicted_before": 0.2,
    "predicted_after": 0.1, "measured_before": 0.21, "measured_after": 0.0, "verdict": "pending",
}  # fmt: skip


def test_each_change_is_a_line_with_cause_prediction_measurement_and_verdict(line: Any) -> None:
    line.tell("events", events=[CHANGE])
    said = line.run("events")
    assert said.code == 0
    words = (
        "12", "replan", "net board", "page local of epoch 2 -> page cut-4 of epoch 3",
        "since board drifted (+90%);", "predicted 200.0 ms -> 100.0 ms;", "measured 210.0 ms -> ?;", "[pending]",
    )  # fmt: skip
    assert [word for word in words if word not in said.out] == []
    assert said.out.count("\n") == 1


def test_nothing_is_said_so(line: Any) -> None:
    line.tell("events", events=[])
    assert line.run("events").out == "nothing has changed\n"


def test_what_is_asked_for_travels(line: Any) -> None:
    line.tell("events", events=[])
    line.run("events", "--since", "10m", "--model", "net", "--device", "pi", "--kind", "turn")
    assert line.calls == [ShowEvents(0, 600.0, False, "net", "pi", "turn")]


def test_following_prints_an_object_a_line_until_the_coordinator_ends_it(line: Any) -> None:
    line.events += [Document("lepton-edge/event/1", json.dumps(CHANGE | {"serial": n})) for n in (12, 13)]
    said = line.run("events", "--follow", "--format", "json", "--since", "11")
    assert [json.loads(one)["serial"] for one in said.out.splitlines()] == [12, 13]
    assert line.calls == [ShowEvents(since=11, follow=True)]


def test_the_document_is_as_the_coordinator_told_it(line: Any) -> None:
    line.tell("events", events=[CHANGE])
    assert line.run("events", "--format", "json").document["events"] == [CHANGE]


@pytest.mark.parametrize(
    ("given", "meant"),
    [(None, (0, 0.0)), ("120", (120, 0.0)), ("90s", (0, 90.0)), ("1.5h", (0, 5400.0)), ("2d", (0, 172800.0))],
)
def test_since_is_a_number_or_an_age(given: str | None, meant: tuple[int, float]) -> None:
    assert read_since(given) == meant


@pytest.mark.parametrize("given", ["yesterday", "-3", "1.5", "10 y", "m"])
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        read_since(given)


def test_an_unknown_kind_is_refused_by_name(line: Any) -> None:
    assert line.run("events", "--kind", "odd").code == 2
