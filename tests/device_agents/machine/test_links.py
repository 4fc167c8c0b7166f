"""Seconds of bytes on a link as it is now, and when there is nothing to say."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

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


def page(name: str, peer: str, own: float, far: float, up: float) -> SimpleNamespace:
    return SimpleNamespace(name=name, peer=peer, own=own, far=far, up=up)


def cost(option: SimpleNamespace, way: float) -> SimpleNamespace:
    seconds = option.own + option.far + way
    return SimpleNamespace(option=option, own=option.own, far=option.far, seconds=seconds)


LOCAL, JPEG = page("local", "", 0.06, 0.0, 0.0), page("cloud-jpeg", "cloud", 0.002, 0.02, 10_000.0)
CUT = page("cut-4", "cloud", 0.02, 0.01, 3_000.0)


def choosing(
    taken: SimpleNamespace, *costs: SimpleNamespace, turns: bool = True, until: float = 10.0
) -> State:
    state = State("board")
    choice = SimpleNamespace(
        page=taken.name,
        options=(LOCAL, JPEG, CUT),
        costs={one.option.name: one for one in costs},
        until=until,
    )
    turner = SimpleNamespace(turns=turns, choices={"any": choice})
    state.epochs = {"net": SimpleNamespace(turner=turner), "other": SimpleNamespace(turner=None)}
    return state


def test_a_link_is_wanted_while_requests_would_go_by_it_if_it_were_better() -> None:
    state = choosing(LOCAL, cost(LOCAL, 0.0), cost(JPEG, 0.2), cost(CUT, 0.1))
    assert links.wanted(state, "cloud", 10.0)
    assert not links.wanted(state, "elsewhere", 10.0)
    assert not links.wanted(state, "cloud", 10.0 + links.OF_LATE), "none asked of late"
    away = choosing(LOCAL, cost(LOCAL, 0.0))
    assert links.wanted(away, "cloud", 10.0), "by what its pages are predicted to take"


def test_a_link_is_not_wanted_where_no_better_one_would_win_or_requests_show_how_it_is() -> None:
    busy = page("cloud-jpeg", "cloud", 0.002, 0.1, 10_000.0)
    assert not links.wanted(
        choosing(LOCAL, cost(LOCAL, 0.0), cost(busy, 0.2), cost(replace_far(CUT), 0.1)), "cloud", 10.0
    )
    used = choosing(JPEG, cost(LOCAL, 0.0), cost(JPEG, 0.02), cost(CUT, 0.02))
    assert not links.wanted(used, "cloud", 10.0)
    small = choosing(CUT, cost(LOCAL, 0.0), cost(JPEG, 0.02), cost(CUT, 0.02))
    assert links.wanted(small, "cloud", 10.0), "what it sends is too small to show the rate"
    assert not links.wanted(choosing(LOCAL, cost(LOCAL, 0.0), turns=False), "cloud", 10.0), "a person's pin"


def replace_far(option: SimpleNamespace) -> SimpleNamespace:
    return page(option.name, option.peer, option.own, 0.1, option.up)
