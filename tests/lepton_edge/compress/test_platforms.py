"""Platforms by name."""

from __future__ import annotations

import platform

import pytest

from lepton_edge.compress import platforms
from lepton_edge.compress.errors import CompressionRefused


def test_names_are_those_of_the_targets() -> None:
    assert all(platforms.target_of(name).name == name for name in platforms.TARGETS)
    assert platforms.target_of("raspberrypi").activation == "int8"


def test_an_unknown_platform_is_refused() -> None:
    with pytest.raises(CompressionRefused, match="known: x86"):
        platforms.target_of("abacus")


def test_a_processor_without_vnni_saturates() -> None:
    assert platforms.has_vnni("flags : fpu avx512_vnni")
    assert not platforms.has_vnni("flags : fpu avx2")
    assert platforms.TARGETS["x86-novnni"].saturates


@pytest.mark.parametrize(("machine", "name"), [("aarch64", "arm64"), ("x86_64", "x86-novnni")])
def test_this_machine(monkeypatch: pytest.MonkeyPatch, machine: str, name: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platforms, "_flags", lambda: "flags : fpu avx2")
    assert platforms.this_machine().name == name


def test_a_platform_is_a_target_or_its_name() -> None:
    pi = platforms.TARGETS["raspberrypi"]
    assert platforms.chosen("raspberrypi") is platforms.chosen(pi) is pi
    assert platforms.chosen(None) == platforms.chosen("") == platforms.this_machine()
    with pytest.raises(CompressionRefused, match="no platform 'abacus'"):
        platforms.chosen("abacus")


@pytest.mark.parametrize(
    ("architecture", "features", "name"),
    [
        ("x86_64", ("avx2", "avx512_vnni"), "x86"),
        ("AMD64", ("avx2",), "x86-novnni"),
        ("x86_64", (), "x86"),  # an agent of protocol 1.0 tells none
        ("aarch64", ("asimd", "asimddp"), "arm64"),
        ("arm64", (), "arm64"),
        ("riscv64", (), ""),
    ],
)
def test_a_device_is_of_the_platform_that_it_tells(
    architecture: str, features: tuple[str, ...], name: str
) -> None:
    assert platforms.of_processor(architecture, features) == name


def test_seven_bits_serve_processors_with_vnni_and_without() -> None:
    assert platforms.common(["x86", "x86-novnni", "x86"]) == "x86-novnni"
    assert platforms.common(["arm64", "arm64"]) == "arm64"
    assert platforms.common(["arm64", "x86"]) is None
