"""Real deciders of two entries, two clouds and a coordinator over a bad network, in virtual time, seed by seed."""

from __future__ import annotations

import os

import pytest

from tests.simulation.world import World

SEEDS = int(os.environ.get("LEPTON_EDGE_SIMULATIONS", "25"))


def lived(seed: int, faults: int = 12) -> World:
    """Let a world live through faults, and settle."""
    world = World(seed)
    world.begin()
    world.stream(10.0, 20.0)
    for _ in range(faults):
        world.clock.after(world.draw.uniform(0, 18.0), world.fault)
    world.clock.run(22.0)
    world.mend()
    world.clock.run(90.0)
    return world


def test_without_faults_every_answer_is_right_and_by_the_best_page() -> None:
    world = World(0)
    world.begin()
    world.stream(10.0, 10.0)
    world.clock.run(45.0)
    assert set(world.counts()) == {"right"}, world.counts()
    assert world.trouble() == []
    assert world.leaks() == []


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_every_request_ends_once_and_right_and_all_is_well_again(seed: int) -> None:
    world = lived(seed)
    told = "\n".join(world.story)
    assert world.trouble() == [], told
    assert world.unanswered() == [], told
    assert world.leaks() == [], told
    probes = world.probe()
    assert {one.ends[0] for one in probes} == {"right"}, told
    assert world.strays(probes) == [], told
    assert world.disagreements() == [], told


def test_what_is_given_up_is_given_up_everywhere() -> None:
    world = World(3)
    world.begin()
    for _ in range(200):
        client = world.draw.choice(world.clients)
        one = client.ask(world.draw.choice(("", "cut-1", "cloud-raw", "local")))
        world.clock.run(world.draw.uniform(0.0, 0.04))
        client.cancel(one)
        world.clock.run(0.03)  # a word's way to the entry, and on to the cloud
        assert world.leaks() == []
    assert world.counts()["cancelled"] > 100


@pytest.mark.parametrize("seed", range(3))
def test_a_coordinator_that_is_away_for_an_hour_is_not_missed(seed: int) -> None:
    world = World(seed)
    world.begin()
    world.coordinator.die()
    for _ in range(3):
        world.stream(2.0, 5.0)
        world._kill()
        world.clock.run(1200.0)
    assert world.trouble() == []
    world.coordinator.boot()
    world.clock.run(60.0)
    assert world.trouble() == world.unanswered() == world.leaks() == []
    assert world.strays(world.probe()) == world.disagreements() == []


@pytest.mark.parametrize("seed", range(5))
def test_a_clock_that_jumps_a_day_ends_what_was_under_way_and_nothing_else(seed: int) -> None:
    world = World(seed)
    world.begin()
    world.stream(20.0, 6.0)
    for name in world.agents:
        world.clock.after(world.draw.uniform(1.0, 5.0), lambda agent=world.agents[name]: agent.jump(86_400.0))
    world.clock.run(100.0)
    assert set(world.counts()) <= {"right", "deadline_exceeded"}, world.counts()
    assert world.counts()["right"] > 200
    assert world.trouble() == world.unanswered() == world.leaks() == []
    assert world.strays(world.probe()) == world.disagreements() == []
