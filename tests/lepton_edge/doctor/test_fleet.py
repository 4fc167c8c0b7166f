"""What a coordinator's status gives away of its devices."""

from __future__ import annotations

from typing import Any

from lepton_edge.doctor import Level, fleet


def device(**changes: Any) -> dict[str, Any]:
    told = {
        "throttled": False,
        "temperature": 50.0,
        "memory_available": 1 << 31,
        "seconds_since_success": 3.0,
    }
    telemetry = {**told, **changes.pop("telemetry", {})}
    return {"device": "pi", "connected": True, "epochs": [{}], "telemetry": telemetry, **changes}


def levels(*devices: dict[str, Any], **more: Any) -> list[Level]:
    findings = fleet.findings({"devices": list(devices), **more})
    assert all(one.fix for one in findings if one.level is not Level.OK)
    return [one.level for one in findings]


def test_a_device_that_is_well() -> None:
    assert levels(device()) == [Level.OK]


def test_a_fleet_without_devices() -> None:
    assert levels() == [Level.NOTE]


def test_what_ails_a_device() -> None:
    assert levels(device(connected=False)) == [Level.WARNING]
    assert levels(device(telemetry={"throttled": True})) == [Level.WARNING]
    assert levels(device(telemetry={"temperature": 80.0})) == [Level.WARNING]
    assert levels(device(telemetry={"memory_available": 50 << 20})) == [Level.PROBLEM]
    assert levels(device(telemetry={"seconds_since_success": 600.0})) == [Level.PROBLEM]
    assert levels(device(telemetry={"seconds_since_success": 600.0}, epochs=[])) == [Level.OK]
    assert levels(device(simulated_slowdown=4.0)) == [Level.NOTE]


def test_a_device_that_told_nothing_yet_is_not_judged() -> None:
    assert levels({"device": "pi", "connected": True, "telemetry": None}) == [Level.OK]


def test_links_that_are_down_and_profiles_that_drifted() -> None:
    link = {"device": "pi", "peer": "cloud", "connected": False, "error": "refused"}
    assert levels(device(), links=[link]) == [Level.OK, Level.WARNING]
    assert levels(device(), links=[{**link, "connected": None}]) == [Level.OK]
    assert levels(device(), drifted=[{"model": "m", "device": "pi", "why": "slower"}]) == [
        Level.OK,
        Level.NOTE,
    ]


def test_a_device_that_is_shut_out_is_not_merely_away() -> None:
    (said,) = fleet.findings({"devices": [device(connected=False, revoked=True)]})
    assert "revoked" in said.said
    assert "token create" in said.fix
