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
    strays = [one.frame.reason for one in probes if one.frame is not None and "fallback" in one.frame.reason]
    assert strays == [], told
