"""Real deciders of two entries, two clouds and a coordinator over a bad network, in virtual time, seed by seed."""

from __future__ import annotations

import os

import pytest

from tests.simulation.world import World

SEEDS = int(os.environ.get("LEPTON_TEST_SIMULATIONS", "15"))


def lived(seed: int, faults: int = 12) -> World:
    """Let a world live through faults, and settle."""
    world = World(seed)
    world.replicas = ("*",) if seed % 2 else ()
    world.begin()
    world.stream(10.0, 20.0)
    for _ in range(faults):
        world.clock.after(world.draw.uniform(0, 18.0), world.fault)
    world.clock.run(22.0)
    world.mend()
    world.clock.run(30.0)
    world.settle()
    world.clock.run(60.0)
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
        client.twice = 0.0
        one = client.ask(world.draw.choice(("", "cut-1", "cloud-raw", "local")))
        world.clock.run(world.draw.uniform(0.0, 0.04))
        client.cancel(one)
        world.clock.run(0.03)  # a word's way to the entry, and on to the cloud
        assert world.leaks() == []
    assert world.counts()["cancelled"] > 100


def test_a_page_follows_the_link_and_comes_back() -> None:
    world = World(4)
    world.begin()
    board, cloud = world.agents["b1"], world.agents[world.home("b1")]
    world.clients = world.clients[:1]

    def pages(seconds: float) -> set[str]:
        asked = []
        for _ in range(round(seconds / 0.2)):
            asked.append(world.clients[0].ask())
            world.clock.run(0.2)
        world.clock.run(2.0)
        return {one.frame.page for one in asked[len(asked) // 2 :] if one.frame is not None}

    assert "local" not in pages(4.0)
    world.network.cable(board, cloud).delay = 0.4
    assert pages(6.0) == {"local"}
    world.network.heal(board, cloud)
    assert "local" not in pages(6.0)
    assert set(world.counts()) == {"right"}


@pytest.mark.parametrize("seed", range(3))
def test_a_coordinator_that_is_away_for_an_hour_is_not_missed(seed: int) -> None:
    world = World(seed)
    world.begin()
    world.coordinator.die()
    for name in (*world.boards, *world.clouds):
        world.stream(2.0, 5.0)
        world.agents[name].die()
        world.clock.run(1.0)
        world.agents[name].boot()
        world.clock.run(900.0)
        assert {one.ends[0] for one in world.probe(3)} == {"right"}, (
            "a reboot without a coordinator serves what it has"
        )
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


@pytest.mark.parametrize("seed", range(4))
def test_epochs_that_change_under_load_cost_no_request(seed: int) -> None:
    world = World(seed)
    world.begin()
    world.stream(100.0, 20.0)
    for turn in range(12):
        world.version += turn % 3 == 2
        for client in world.clients:
            client.versions.add(world.version)
        world.push()
        wishes = {"cloud": world.draw.choice(world.clouds)} if turn % 2 else {}
        world.clock.after(
            1.5 * turn, lambda w=wishes, t=turn: world.deploy(world.boards[t % 2], **w) and None
        )
    world.clock.run(60.0)
    assert set(world.counts()) == {"right"}, world.counts()
    assert world.trouble() == world.leaks() == world.disagreements() == []


@pytest.mark.parametrize("seed", range(4))
def test_a_coordinator_of_an_older_term_is_not_obeyed(seed: int) -> None:
    """A backup is started beside the true one, which has restarted since; agents find now one, now the other."""
    world = World(seed)
    world.begin()
    backup = world.coordinator.copied("backup")
    backup.store.term -= 1  # of before the last start: its next term is one that was there already
    for _ in range(2):
        world.coordinator.die()
        world.coordinator.boot()
        world.clock.run(5.0)
    world.impostors = [backup]
    backup.boot()
    world.stream(5.0, 60.0)
    for at in range(6):
        for name in world.agents:  # streams end, and are made anew with whom is found
            world.clock.after(
                10.0 * at + 5.0, lambda agent=world.agents[name]: agent.control and agent.control.end()
            )
        world.clock.after(10.0 * at + 7.0, lambda: world.deploy(world.draw.choice(world.boards)) and None)
    world.clock.run(70.0)
    backup.die()
    world.clock.run(60.0)
    assert world.trouble() == world.unanswered() == world.leaks() == world.disagreements() == []
    assert set(world.counts()) == {"right"}, world.counts()
    assert {one.ends[0] for one in world.probe(3)} == {"right"}
