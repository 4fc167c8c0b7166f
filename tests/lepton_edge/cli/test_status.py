"""One screen of everything: whatever is missing is left out, whatever is simulated is shouted."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from lepton_edge.cli.status import render

LINK = {
    "device": "pi",
    "peer": "server",
    "up": 731_250.0,
    "down": 125_000.0,
    "delay_up": 0.02,
    "delay_down": 0.005,
}
PI = {"device": "pi", "role": "board", "connected": True, "since_heard": 0.4, "simulated_slowdown": 1.0}


def shown(**told: Any) -> str:
    stream = io.StringIO()
    render(told, Console(file=stream, width=110, no_color=True))
    return stream.getvalue()


def test_the_headline_tells_what_is_going_on() -> None:
    about = {"software": "1.2.3", "uptime": 61.7}
    assert shown(coordinator=about).startswith("coordinator: lepton-edge 1.2.3, up 62 s\n")
    busy = shown(coordinator={**about, "deploying": "net", "phase": "probing"})
    assert busy.startswith("coordinator: lepton-edge 1.2.3, up 62 s, deploying net (probing)\n")


def test_a_link_is_in_megabits_with_its_round_trip() -> None:
    row = shown(links=[LINK]).splitlines()[-1]
    assert row.split() == ["pi", "server", "5.85", "Mbit/s", "1", "Mbit/s", "25.0"]


def test_a_fast_link_is_in_gigabits_with_four_digits_at_most() -> None:
    row = shown(links=[{**LINK, "up": 1_176_543_210.0, "down": 123_456_789.0}]).splitlines()[-1]
    assert row.split()[2:6] == ["9.412", "Gbit/s", "987.7", "Mbit/s"]


def test_how_two_meet_and_who_says_how_fast() -> None:
    relayed = {**LINK, "via": "middle", "by": "traffic", "age": 3.2, "connected": True, "now_via": "middle"}
    row = shown(links=[relayed]).splitlines()[-1]
    assert "through middle " in row
    assert row.rstrip().endswith("by traffic, 3 s ago")
    moved = shown(links=[{**relayed, "now_via": "", "by": "probe", "age": None}]).splitlines()[-1]
    assert "through middle, now direct" in moved
    assert moved.rstrip().endswith("by probe")
    down = {**relayed, "via": "", "connected": False, "error": "nobody at there:1"}
    assert "DOWN, nobody at there:1" in shown(links=[down])
    assert "direct" in shown(links=[{**relayed, "via": "", "connected": None, "now_via": None}])


def test_what_was_not_measured_is_left_empty() -> None:
    row = shown(links=[{**LINK, "up": None, "delay_down": None}]).splitlines()[-1]
    assert row.split() == ["pi", "server", "1", "Mbit/s"]
    assert "Mbit/s" not in shown(links=[])


def test_each_simulated_device_is_shouted_and_no_other() -> None:
    assert "SIMULATED" not in shown(devices=[PI])
    text = shown(devices=[PI, {**PI, "device": "slow", "simulated_slowdown": 4.0}])
    assert "slow is SIMULATED 4x slower: its times are no real board's" in text
    assert "pi is" not in text


def test_a_document_of_an_older_coordinator_is_drawn_as_far_as_it_goes() -> None:
    text = shown()
    assert "no devices" in text
    assert "no models" in text


def test_what_changes_by_itself_and_what_changed_last_is_one_line() -> None:
    targets = [{"model": "net", "board": "pi", "on": True, "on_trial": True}]
    last = {"age": 61.0, "kind": "replan", "cause": "pi is slow"}
    text = shown(adapting={"targets": targets, "last": last})
    assert "adapting: on; on trial: net for pi; last change 1 min ago: replan since pi is slow" in text
    pinned = {"model": "other", "board": "pi", "on": False}
    assert "not other for pi (pinned or --no-adapt)" in shown(adapting={"targets": [*targets, pinned]})
    assert "adapting: off" in shown(adapting={"targets": [pinned]})
