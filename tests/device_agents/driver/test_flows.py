"""Whose request it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from device_agents.driver.flows import MAX_FLOW, flow_of
from lepton_edge.core.frames import Frame, FrameKind


@pytest.mark.parametrize(
    ("kind", "name", "said", "flow"),
    [
        ("client", "client-1a", "", "client-1a#7"),
        ("client", "client-1a", "board/another#1", "client-1a#7"),
        ("client", "x" * 1000, "", "x" * 64 + "#7"),
        ("agent", "board", "board/client-1a#7", "board/client-1a#7"),
        ("agent", "board", "", "board"),
        ("agent", "board", "y" * 10_000, "y" * MAX_FLOW),
    ],
)
def test_a_client_is_its_link_and_an_agent_tells_of_its_own(kind, name, said, flow) -> None:
    link = SimpleNamespace(peer=SimpleNamespace(kind=kind, name=name))
    assert flow_of(link, 7, Frame(FrameKind.REQUEST, "r", flow=said)) == flow
