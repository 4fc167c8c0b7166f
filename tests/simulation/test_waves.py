"""Links and loads that come and go at about the pace at which they are reacted to: pages turn, epochs do not flap.

Square waves against the real deciders, in virtual time. A look at a cause takes 2 to 15 s, a trial 10 to 60 s, a rest
30 s and ever longer: the periods lie around these.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from lepton_edge.coordinator import loads
from lepton_edge.coordinator.adapting import REST
from tests.simulation.planning import street
from tests.simulation.planning import world as planned
from tests.simulation.world import World

LONG = 1200.0


def wave(world: World, period: float, turn: Callable[[bool], None], rate: float = 1.0) -> None:
    """Let something be so and otherwise by turns, half a period each, while requests come."""
    high, end = False, world.clock.now + LONG
    world.stream(rate, LONG)
    while world.clock.now < end:
        high = not high
        turn(high)
        world.clock.run(period / 2)
    turn(False)


def changes(world: World) -> list[str]:
    """Return what the coordinator changed by itself."""
    kept = world.coordinator.store.changes.values()
    return [
        f"{one.at:.0f} {one.kind}: {one.cause} [{one.verdict}]"
        for one in kept
        if one.kind in ("replan", "rollback")
    ]


@pytest.mark.parametrize("period", [4.0, 24.0, 80.0])
def test_a_link_that_comes_and_goes_turns_pages_and_no_epoch(period: float) -> None:
    world = planned(1)
    world.begin()
    cable = world.network.cable(world.agents["b1"], world.agents["c1"])

    def far(high: bool) -> None:
        cable.delay = 0.15 if high else 0.002

    before = len(world.coordinator.activated)
    wave(world, period, far)
    halves = 2 * LONG / period
    assert changes(world) == []
    assert len(world.coordinator.activated) == before, "no epoch changed"
    turned = world.agents["b1"].state.turned
    # At one request a second not every half of two seconds is seen before it is over.
    followed = (0.5 if period > 4.0 else 0.4) * halves
    assert followed < turned < 2.0 * halves, f"pages follow the wave: {turned} turns"
    assert world.trouble() == []


@pytest.mark.parametrize("period", [40.0, 200.0])
def test_a_load_that_comes_and_goes_changes_epochs_ever_less(period: float) -> None:
    """The book has only the best page and the local one: whichever way the board's speed goes, another is better."""
    world = planned(2, most=1)
    world.begin()
    board = world.agents["b1"]

    def busy(high: bool) -> None:
        board.slow = 30.0 if high else 1.0

    before = len(world.coordinator.activated)
    wave(world, period, busy, rate=2.0)
    made = [one for one in changes(world) if " replan:" in one]
    assert len(made) <= math.log2(LONG / REST), made
    rolled_back = len([one for one in changes(world) if " rollback:" in one])
    assert len(world.coordinator.activated) - before == len(made) + rolled_back
    assert world.trouble() == []
    assert world.unanswered() == []
    world.clock.run(60.0)
    assert world.disagreements() == []


def test_what_stays_slow_is_planned_for_once_and_kept() -> None:
    world = planned(3, most=1)
    world.begin()
    world.agents["b1"].slow = 30.0
    world.stream(2.0, 300.0)
    world.clock.run(310.0)
    (only,) = changes(world)
    assert only.endswith("[kept]")
    assert world.coordinator.state.active_epoch("net", "b1").book.active == "cloud-raw"
    assert world.trouble() == []


# --- many boards, one cloud -------------------------------------------------------------------------------

BOARDS, PACE, QUICK = 4, 6.0, 5.0
"""On boards as slow as this the whole model is better in the cloud, once links are so many times as quick."""


@pytest.fixture
def shared() -> World:
    """Boards whose books have one cut and the board alone; all links may become quick at once."""
    world = street(5, BOARDS, PACE)
    world.begin()
    assert {one.book.active for one in world.coordinator.state.active_epochs()} == {"cut-1"}
    return world


def quick(world: World, high: bool) -> None:
    for name in world.boards:
        world.network.cable(world.agents[name], world.agents["c1"]).rate = QUICK if high else 1.0


def moves(world: World, since: int) -> list[float]:
    """Return when epochs were activated by themselves."""
    return [at for at, _, _ in world.coordinator.activated[since:]]


def apart(found: list[float]) -> float:
    return min((later - one for one, later in zip(found, found[1:], strict=False)), default=math.inf)


def test_links_that_all_become_quick_move_boards_of_one_cloud_one_after_the_other(shared: World) -> None:
    before = len(shared.coordinator.activated)
    shared.stream(4.0, 150.0)
    quick(shared, True)
    shared.clock.run(155.0)
    found = moves(shared, before)
    assert len(found) == BOARDS
    assert apart(found) >= loads.SETTLED - 0.5, f"the load was not measured in between: {found}"
    assert {one.book.active for one in shared.coordinator.state.active_epochs()} == {"cloud-raw"}
    assert shared.trouble() == []
    assert shared.unanswered() == []


@pytest.mark.parametrize("period", [50.0, 100.0])
def test_links_that_all_come_and_go_move_ever_fewer_boards(shared: World, period: float) -> None:
    before, lasts = len(shared.coordinator.activated), 300.0
    shared.stream(3.0, lasts)
    high, end = False, shared.clock.now + lasts
    while shared.clock.now < end:
        high = not high
        quick(shared, high)
        shared.clock.run(period / 2)
    quick(shared, False)
    shared.clock.run(5.0)
    found, told = moves(shared, before), changes(shared)
    assert len(found) <= BOARDS * math.log2(lasts / REST), told
    back = sum(" rollback:" in one for one in told)
    assert back or apart(found) >= loads.SETTLED - 0.5, "all but a return waits for the load to be known"
    assert shared.trouble() == []
    assert shared.unanswered() == []
