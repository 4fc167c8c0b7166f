"""Cells of the table of devices: loud where something is simulated or lost, empty where nothing is known."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from lepton_edge.cli import device
from lepton_edge.core import keys
from lepton_edge.core.messages import DrainDevice, RemoveDevice


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"simulated_slowdown": 8.0}, "SIMULATED 8x slower"),
        ({"simulated_slowdown": 3.25}, "SIMULATED 3.25x slower"),
        ({"simulated_slowdown": 1.0}, ""),
        ({}, ""),
    ],
)
def test_a_slowed_device_is_called_simulated(row: dict[str, Any], words: str) -> None:
    assert device.simulated(row) == words


@pytest.mark.parametrize(
    ("telemetry", "words"),
    [
        ({"temperature": 61.4}, "61 C"),
        ({"temperature": -10.0}, "-10 C"),
        ({"temperature": None}, "-"),
        (None, "-"),
    ],
)
def test_a_temperature_that_nobody_tells_is_a_dash(telemetry: Any, words: str) -> None:
    assert device.temperature({"telemetry": telemetry}) == words


def test_a_load_is_a_percentage_if_known() -> None:
    assert device.load({"telemetry": {"load": 0.256}}) == "26%"
    assert device.load({"telemetry": {"load": 0}}) == "0%"
    assert device.load({"telemetry": None}) == ""


@pytest.mark.parametrize(
    ("connected", "seconds", "words"),
    [
        (True, 0.44, "0.4 s ago"),
        (True, None, "not heard yet"),
        (False, 12.0, "LOST, 12.0 s ago"),
        (False, None, "LOST, not heard yet"),
    ],
)
def test_a_device_that_is_gone_is_called_lost(connected: bool, seconds: float | None, words: str) -> None:
    assert device.age({"connected": connected, "since_heard": seconds}) == words


def test_the_short_table_leaves_out_what_is_wide() -> None:
    row = {"device": "pi", "hardware": {"cores": 97, "architecture": "aarch64"}, "addresses": ["pi:8011"]}
    texts = []
    for draw in (device.render, device.render_short):
        stream = io.StringIO()
        draw({"devices": [row]}, Console(file=stream, width=150, no_color=True))
        texts.append(stream.getvalue())
    wide, short = texts
    assert all(word in wide for word in ("pi", "97", "aarch64", "pi:8011"))
    assert "pi:8011" in short
    assert "97" not in short
    assert "aarch64" not in short


@pytest.mark.parametrize("slowdown", [1.0, 8.0])
def test_notes_have_a_column_only_when_there_is_one(slowdown: float) -> None:
    stream = io.StringIO()
    row = {"device": "pi", "simulated_slowdown": slowdown}
    device.render({"devices": [row]}, Console(file=stream, width=150, no_color=True))
    assert ("note" in stream.getvalue()) == (slowdown != 1.0)


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        ({"drained": True, "left": 2}, "drained, 2 to be moved"),
        ({"drained": True, "left": 0}, "drained"),
        ({"quarantine": 29.6, "why": "it was lost"}, "QUARANTINE for 30 s more: it was lost"),
        ({"open": True, "drained": False, "left": 0, "quarantine": None, "why": ""}, ""),
    ],
)
def test_who_gets_nothing_new_is_noted_with_why(standing: dict[str, Any], words: str) -> None:
    assert device.note({"standing": standing}) == words
    assert device.note({"standing": standing, "simulated_slowdown": 2.0}).startswith("SIMULATED")


@pytest.mark.parametrize(
    ("arguments", "call", "document", "words"),
    [
        (["drain", "b"], DrainDevice("b"), {"drained": True}, "b: drained"),
        (["drain", "b", "--undo"], DrainDevice("b", undo=True), {"drained": False}, "b: takes part"),
        (["drain", "b", "--force"], DrainDevice("b", force=True), {"drained": True}, "b: drained"),
        (["remove", "b"], RemoveDevice("b"), {"removed": True}, "b: removed"),
        (["remove", "b", "--force"], RemoveDevice("b", force=True), {"removed": True}, "b: removed"),
    ],
)
def test_a_device_is_drained_and_removed(
    line: Any, arguments: list[str], call: Any, document: dict[str, Any], words: str
) -> None:
    line.tell("device", device="b", **document)
    said = line.run("device", *arguments)
    assert (said.code, said.out.strip()) == (0, words)
    assert line.calls == [call]


def test_how_busy_requests_keep_a_device_is_beside_its_load() -> None:
    assert device.load({"telemetry": {"load": 0.5}, "busy": 0.0}) == "50%"
    assert device.load({"telemetry": {"load": 0.5}, "busy": 0.31}) == "50% (requests 31%)"
    assert device.load({}) == ""


def test_who_waits_is_listed_approved_refused_and_a_device_is_revoked(line: Any) -> None:
    waits = {"device": "pi", "at": 1.8e9, "machine": "ab" * 32, "approved": False, "fingerprint": "AB12CD34"}
    line.tell("joining", joining=[{**waits, "others": []}, {**waits, "others": ["EF56AB78"]}])
    told = line.run("device", "approve").out
    assert "pi" in told
    assert "AB12CD34; also asked: EF56AB78" in told
    line.events.clear()
    line.tell("joining", device="pi", approved=True, refused=False, fingerprint="AB12CD34")
    assert line.run("device", "approve", "pi", "--fingerprint", "AB12").out == "pi: approved (key AB12CD34)\n"
    line.events.clear()
    line.tell("joining", device="pi", approved=True, refused=False)
    assert line.run("device", "approve", "pi").out == "pi: approved\n"
    line.events.clear()
    line.tell("joining", device="pi", refused=True)
    assert line.run("device", "approve", "pi", "--refuse").out == "pi: refused\n"
    line.events.clear()
    line.tell("key", name="pi", revoked=["ab"])
    assert line.run("device", "revoke", "pi").out == "pi: revoked\n"
    assert line.calls == [
        keys.ListJoining(),
        keys.ApproveDevice("pi", False, "AB12"),  # type: ignore[arg-type]
        keys.ApproveDevice("pi"),  # type: ignore[arg-type]
        keys.ApproveDevice("pi", True),  # type: ignore[arg-type]
        keys.RevokeDevice("pi"),  # type: ignore[arg-type]
    ]


def test_a_device_that_is_shut_out_is_not_called_lost() -> None:
    assert device.age({"revoked": True, "since_heard": 3.0}) == "REVOKED, 3.0 s ago"
    assert device.age({"revoked": False, "since_heard": 3.0}) == "LOST, 3.0 s ago"
    assert device.age({"revoked": True, "connected": True, "since_heard": 3.0}) == "3.0 s ago"
