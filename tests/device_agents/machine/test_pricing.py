"""What each page of a book costs an entry now."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agents.machine import pricing
from device_agents.machine.decider import step
from device_agents.machine.events import LinksSeen, PeerDown
from device_agents.machine.links import HEADERS
from lepton_edge.core.messages import LinkReport
from partitioner.plan import TurnRule

DOOR = (0, ("y@scores", "y@indices"))


def _board(world, **rule):
    """Return an entry that knows nothing yet, its epoch, and the choice of its requests."""
    book = dataclasses.replace(world.book(), turning=TurnRule(("local", "cut-4"), **rule))
    state = world.agent(book=book)
    held = next(iter(state.epochs.values()))
    return state, held, pricing.turner_of(state, held).choice(*DOOR)


def _link(state, up: float, age: float = 0.0) -> None:
    report = LinkReport("cloud", up=up, down=up, round_trip=0.01, samples=9, age=age)
    step(state, LinksSeen((report,)), 1.0)


def test_where_nothing_is_known_a_page_costs_what_the_plan_says(world) -> None:
    found = pricing.costs(*_board(world), 1.0)
    assert found["local"].seconds == pytest.approx(0.24)
    cut = found["cut-4"]
    assert (cut.own, cut.far, cut.way) == pytest.approx((0.02, 0.01, 0.07))
    assert cut.noise == 0.0


def test_a_far_side_out_of_reach_or_suspected_is_no_choice(world) -> None:
    state, held, choice = _board(world)
    state.far_side("cloud").overdue(0.5, 0.0, 1.0)
    assert set(pricing.costs(state, held, choice, 1.0)) == {"local"}
    state.far_side("cloud").hear(1.1)
    assert set(pricing.costs(state, held, choice, 1.1)) == {"local", "cut-4"}
    step(state, PeerDown("cloud"), 1.2)
    assert set(pricing.costs(state, held, choice, 1.2)) == {"local"}


@given(up=st.floats(1e3, 1e9), size=st.floats(0.0, 1e7))
def test_the_way_is_the_links_own_arithmetic(world, up: float, size: float) -> None:
    state, _, choice = _board(world)
    _link(state, up)
    cut = next(one for one in choice.options if one.peer)
    assert pricing.way_of(state, cut, size) == pytest.approx(0.01 + (size + 60) * HEADERS / up)


@given(age=st.floats(0.0, 60.0), up=st.floats(1e3, 1e7))
def test_figures_that_are_old_go_back_to_the_plans_and_never_beyond(world, age: float, up: float) -> None:
    state, _, choice = _board(world)
    cut = next(one for one in choice.options if one.peer)
    ways = []
    for old in (0.0, age, pricing.TRUSTED + 2 * pricing.DOUBTED, 1e3):
        _link(state, up, old)
        ways.append(pricing.way_of(state, cut, 1000.0))
    low, high = sorted((ways[0], cut.way))
    assert low - 1e-9 <= ways[1] <= high + 1e-9
    assert ways[2] - cut.way == pytest.approx((ways[0] - cut.way) / 4), "half of the way after each so long"
    assert ways[3] == cut.way
    if age <= pricing.TRUSTED:
        assert ways[1] == pytest.approx(ways[0])


def test_a_device_that_is_slow_now_makes_all_its_pages_dearer(world) -> None:
    state, held, choice = _board(world)
    turner = pricing.turner_of(state, held)
    for number in range(40):
        turner.own.note(("local", 0, 5), 0.24, 0.48 if number > 9 else 0.24, 0.1 * number)
    found = pricing.costs(state, held, choice, 4.0)
    assert found["local"].own == pytest.approx(0.48, rel=0.1)
    assert found["cut-4"].own > 0.03, "of which nothing was measured"


def test_a_queue_there_is_a_cost_of_now_and_not_of_the_usual(world) -> None:
    state, held, choice = _board(world)
    pricing.turner_of(state, held).load_of("cloud").note(0.5, 1.0)
    cut = pricing.costs(state, held, choice, 1.0)["cut-4"]
    assert cut.far == pytest.approx(0.01 + 0.2), "one answer's word counts for a part"
    assert cut.usual == pytest.approx(0.01)


def test_pages_beyond_a_limit_are_left_out_unless_all_are(world) -> None:
    assert set(pricing.costs(*_board(world, max_latency=0.2), 1.0)) == {"cut-4"}
    assert set(pricing.costs(*_board(world, max_latency=0.01), 1.0)) == {"local", "cut-4"}
    assert set(pricing.costs(*_board(world, max_egress=10.0), 1.0)) == {"local"}


def test_wishes_weigh_seconds_bytes_and_the_slowest_part(world) -> None:
    value = pricing.costs(*_board(world, latency=1.0, egress=1e-3, bottleneck=2.0), 1.0)["cut-4"].value
    assert value == pytest.approx(0.1 + 1e-3 * 1060 + 2.0 * 0.07)
