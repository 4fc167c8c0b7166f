"""What the coordinator shows of itself: no number that stands for "none" leaves the house."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import reports
from lepton_edge.coordinator.state import Device, Settings, State
from lepton_edge.core import messages as m
from partitioner.units import Bytes, Seconds


def _told(make: Any, telemetry: m.Telemetry | None, degrees: float) -> dict[str, Any]:
    hello = make.hello("board")
    hello = dataclasses.replace(hello, hardware=dataclasses.replace(hello.hardware, temperature=degrees))
    state = State(Settings("0.1", 1))
    state.devices[hello.device] = Device(hello, telemetry=telemetry)
    device: dict[str, Any]
    [device] = reports.devices(state, Seconds(1.0))["devices"]
    assert reports.status(state, Seconds(0.0), Seconds(1.0))["devices"] == [device]
    return device


def _telemetry(temperature: float, seconds_since_success: float) -> m.Telemetry:
    return m.Telemetry(0.5, Bytes(1), Bytes(2), temperature, 0, 0, 0, Seconds(seconds_since_success))


@pytest.mark.parametrize(
    ("degrees", "ago", "shown"),
    [(-273.15, -1.0, (None, None)), (-20.5, 0.0, (-20.5, 0.0)), (61.2, 3.5, (61.2, 3.5))],
)
def test_what_is_unknown_is_null(make: Any, degrees: float, ago: float, shown: Any) -> None:
    device = _told(make, _telemetry(degrees, ago), degrees)
    telemetry = device["telemetry"]
    assert (telemetry["temperature"], telemetry["seconds_since_success"]) == shown
    assert device["hardware"]["temperature"] == shown[0]
    assert telemetry["load"] == 0.5


def test_a_device_that_told_nothing_yet_has_no_telemetry(make: Any) -> None:
    assert _told(make, None, -273.15)["telemetry"] is None
