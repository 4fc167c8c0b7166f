"""Probes ask for bytes and tell how long they lay on the far side."""

from __future__ import annotations

import zlib

import pytest

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.link import probes


def test_a_probe_says_what_it_wants_back() -> None:
    probe = probes.probe("p", 70_000, 123)  # type: ignore[arg-type]
    assert len(probe.tensors[0].payload) == 70_000
    assert probes.size_asked(probe) == 123


def test_probes_are_never_a_burden() -> None:
    probe = probes.probe("p", 1 << 30, 1 << 30)  # type: ignore[arg-type]
    assert len(probe.tensors[0].payload) == probes.size_asked(probe) == probes.LARGEST


@pytest.mark.parametrize("wanted", ["", "-1", "1e9", "²", "9" * 50, "x"])
def test_a_wish_that_is_no_size_gets_nothing(wanted: str) -> None:
    assert probes.size_asked(Frame(FrameKind.PROBE, "p", metadata={"size_down": wanted})) == 0  # type: ignore[arg-type]


def test_a_reply_says_how_long_it_took() -> None:
    reply = probes.probe_reply(Frame(FrameKind.PROBE_REPLY, "p", metadata={"size_down": "10"}), 0.25)  # type: ignore[arg-type]
    assert probes.far_seconds(reply) == 0.25
    assert len(reply.tensors[0].payload) == 10


def test_probes_do_not_compress() -> None:
    payload = bytes(probes.probe("p", 60_000, 0).tensors[0].payload)  # type: ignore[arg-type]
    assert len(zlib.compress(payload)) >= 60_000
