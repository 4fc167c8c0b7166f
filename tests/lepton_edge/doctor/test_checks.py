"""Facts of machines that are well, and of those that are not: what is said, how loudly, and what to do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Hardware
from lepton_edge.doctor import Coordinator, Door, Finding, Level, Machine, checks

WHEELS = (("onnxruntime", "1.23.2"), ("numpy", "2.1"), ("grpcio", "1.70"), ("onnxruntime-gpu", ""))
HARDWARE = Hardware(
    "aarch64", "Linux 6.6", 4, 8 << 30, 4 << 30, "Raspberry Pi 5 Model B", ("CPUExecutionProvider",),
    "onnxruntime 1.23.2", 51.0,
)  # fmt: skip
PI = Machine(
    system="Debian GNU/Linux 12 (bookworm) (Linux 6.6)", architecture="aarch64", bits=64, python=(3, 11, 2),
    today=1.79e9, synchronised=True, memory_total=8 << 30, memory_available=4 << 30,
    state_directory="/var/lib/lepton-edge", writable=True, disk_free=20 << 30, wheels=WHEELS,
    hardware=HARDWARE, flags=0, route="192.168.1.20",
)  # fmt: skip
THERE = Coordinator(
    "192.168.1.2:8010", name="server", software="0.1.0", protocol=(PROTOCOL_MAJOR, PROTOCOL_MINOR),
    seconds=0.01, skew=0.1, devices=(("pi", True), ("cloud", True)),
    doors=(Door("pi", "192.168.1.20:8011", seconds=0.02), Door("cloud", "192.168.1.2:8011", "connection refused")),
)  # fmt: skip


def found(check: str, **changes: Any) -> list[Finding]:
    findings = checks.machine(dataclasses.replace(PI, **changes))
    assert all(one.fix for one in findings if one.level is not Level.OK)
    return [one for one in findings if one.check == check]


def test_a_machine_that_is_well_has_nothing_but_good_news() -> None:
    findings = checks.machine(PI)
    assert {one.level for one in findings} == {Level.OK}
    assert {one.check for one in findings} == {
        "system", "python", "wheels", "engine", "memory", "disk", "heat", "power", "clock", "network",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("check", "level", "words", "changes"),
    [
        ("system", Level.PROBLEM, "32-bit", {"bits": 32, "architecture": "armv7l"}),
        ("system", Level.PROBLEM, "its kernel has 64 bits", {"bits": 32}),
        ("python", Level.PROBLEM, "too old", {"python": (3, 9, 2)}),
        ("python", Level.NOTE, "newer", {"python": (3, 14, 0)}),
        ("wheels", Level.PROBLEM, "not installed: numpy", {"wheels": (("onnxruntime", "1"), ("numpy", ""))}),
        (
            "wheels",
            Level.WARNING,
            "overwrite each other's files",
            {"wheels": (("onnxruntime", "1"), ("onnxruntime-gpu", "1"))},
        ),
        ("accelerator", Level.WARNING, "IS PRESENT AND NOT USED", {"accelerators": ("a Hailo accelerator",)}),
        (
            "power mode",
            Level.NOTE,
            "saves power",
            {"hardware": dataclasses.replace(HARDWARE, power_mode="powersave")},
        ),
        ("power", Level.NOTE, "does not tell", {"flags": None, "pi": True}),
        ("memory", Level.WARNING, "memory is available", {"memory_available": 300 << 20}),
        ("memory", Level.PROBLEM, "memory is available", {"memory_available": 20 << 20}),
        ("disk", Level.PROBLEM, "cannot be written", {"writable": False}),
        ("disk", Level.WARNING, "are free", {"disk_free": 500 << 20}),
        ("disk", Level.PROBLEM, "are free", {"disk_free": 5 << 20}),
        ("heat", Level.WARNING, "79 degrees", {"hardware": dataclasses.replace(HARDWARE, temperature=79.0)}),
        ("heat", Level.PROBLEM, "86 degrees", {"hardware": dataclasses.replace(HARDWARE, temperature=86.0)}),
        ("clock", Level.PROBLEM, "years behind", {"today": 1.0, "synchronised": False}),
        ("clock", Level.NOTE, "nothing has set", {"synchronised": False}),
        ("network", Level.NOTE, "no network but loopback", {"route": ""}),
        ("network", Level.NOTE, "no route for multicast", {"multicast": False}),
        ("network", Level.NOTE, "container", {"container": True}),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(check: str, level: Level, words: str, changes: Any) -> None:
    told = found(check, **changes)
    assert [one for one in told if one.level is level and words in one.said], told


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert found("clock", synchronised=None) == []
    assert found("heat", hardware=None) == []
    assert found("power", flags=None) == []


def test_another_onnxruntime_stands_in_for_the_usual_one() -> None:
    wheels = (("onnxruntime", ""), ("onnxruntime-gpu", "1.23"), ("numpy", "2"))
    assert [one.level for one in found("wheels", wheels=wheels)] == [Level.OK]


def test_a_pis_flags_of_now_and_of_before() -> None:
    told = found("power", flags=0x50001)
    assert [(one.level, one.said) for one in told] == [
        (Level.WARNING, "now: the supply voltage is too low"),
        (Level.NOTE, "since the last start, not now: the processor is throttled"),
    ]
    assert "supply" in told[0].fix


def test_a_coordinator_that_answers() -> None:
    told = checks.coordinator(THERE)
    assert [(one.check, one.level) for one in told] == [
        ("coordinator", Level.OK), ("version", Level.OK), ("clocks", Level.OK),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "level", "changes"),
    [
        ("coordinator", Level.PROBLEM, {"why": "connection refused"}),
        ("coordinator", Level.WARNING, {"seconds": 1.5}),
        ("version", Level.PROBLEM, {"protocol": (PROTOCOL_MAJOR + 1, 0)}),
        ("version", Level.NOTE, {"protocol": (PROTOCOL_MAJOR, PROTOCOL_MINOR + 1)}),
        ("clocks", Level.WARNING, {"skew": -40.0}),
        ("clocks", Level.OK, {"skew": -40.0, "doubt": 60.0}),
        ("clocks", Level.PROBLEM, {"skew": 86400.0}),
    ],
)
def test_a_coordinator_that_does_not(check: str, level: Level, changes: Any) -> None:
    told = checks.coordinator(dataclasses.replace(THERE, **changes))
    assert level in [one.level for one in told if one.check == check]


def test_ports_that_do_not_answer_are_a_clouds_problem_and_a_boards_note() -> None:
    assert [one.level for one in checks.doors(THERE, "cloud")] == [Level.OK, Level.PROBLEM]
    assert [one.level for one in checks.doors(THERE, "cloud", dialled=False)] == [Level.OK, Level.NOTE]
    assert [one.level for one in checks.doors(THERE, "pi")] == [Level.OK, Level.OK]


def test_a_device_that_is_not_there_and_a_coordinator_that_did_not_try() -> None:
    (unknown,) = checks.doors(THERE, "stranger")
    assert "knows no device stranger" in unknown.said
    away = dataclasses.replace(THERE, devices=(("pi", False),), doors=())
    assert "not attached" in checks.doors(away, "pi")[0].said
    (untried,) = checks.doors(dataclasses.replace(THERE, doors_why="it is of protocol 1.0"), "pi")
    assert untried.level is Level.NOTE
    assert checks.doors(dataclasses.replace(THERE, why="gone"), "pi") == []


def test_a_laptops_governor_of_that_name_is_quick() -> None:
    saves = dataclasses.replace(HARDWARE, power_mode="powersave")
    assert found("power mode", hardware=saves, architecture="x86_64") == []
