"""Seconds of bytes on a link as it is now, and when there is nothing to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_agents.machine import links
from device_agents.machine.decider import step
from device_agents.machine.events import LinksSeen
from device_agents.machine.state import State
from lepton_edge.core.messages import LinkReport

SEEN = LinkReport("cloud", up=1e6, down=2e6, round_trip=0.05, samples=9, age=3.0)


def state_with(report: LinkReport) -> State:
    state = State("board")
    step(state, LinksSeen((report,)), 0.0)
    return state


def test_a_round_trip_and_what_each_way_takes() -> None:
    found = links.seconds(state_with(SEEN), "cloud", 100_000, 20_000)
    assert found == pytest.approx(0.05 + 0.1 + 0.01, rel=0.01)
    assert links.seconds(state_with(SEEN), "cloud", 0, 0) == 0.05


@pytest.mark.parametrize(
    "changes", [{"connected": False}, {"round_trip": 0.0}, {"age": 1e3}, {"up": 0.0}, {"down": 0.0}]
)
def test_nothing_is_said_where_nothing_is_known(changes) -> None:
    assert links.seconds(state_with(replace(SEEN, **changes)), "cloud", 1, 1) is None
    assert links.seconds(state_with(SEEN), "elsewhere", 1, 1) is None


def test_what_is_not_told_any_more_is_forgotten() -> None:
    state = state_with(SEEN)
    step(state, LinksSeen(()), 1.0)
    assert links.seconds(state, "cloud", 1, 1) is None
