"""Links to peers: dialled, kept, dialled again, let go."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from device_agents.driver.peers import Peers
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import Peer

CLOUD = Peer("cloud", ("gone:1", "here:2"))


class FakeLink:
    def __init__(self, name="cloud"):
        self.peer = SimpleNamespace(name=name, kind="agent")
        self.closed = asyncio.Event()
        self.error = None

    async def close(self):
        self.closed.set()


class World:
    """Addresses that answer or do not, and what the machine was told."""

    def __init__(self):
        self.answers = {"here:2": "cloud"}
        self.dialled, self.links, self.told = [], [], []
        self.peers = Peers(
            self.dial,
            lambda device: self.told.append(("up", device)),
            lambda device: self.told.append(("down", device)),
        )

    async def dial(self, address):
        self.dialled.append(address)
        if address not in self.answers:
            raise Unavailable(f"nobody at {address}")
        link = FakeLink(self.answers[address])
        self.links.append(link)
        return link

    async def until(self, count):
        for _ in range(200):
            if len(self.told) >= count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(self.told)


async def test_addresses_are_tried_in_turn() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    assert world.dialled == ["gone:1", "here:2"]
    assert world.peers.link("cloud") is world.links[0]
    await world.peers.close()


async def test_a_lost_link_is_told_and_dialled_again() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    await world.links[0].close()
    await world.until(3)
    assert world.told == [("up", "cloud"), ("down", "cloud"), ("up", "cloud")]
    await world.peers.close()


async def test_a_peer_that_is_not_there_yet_is_tried_until_it_is() -> None:
    world = World()
    world.answers = {}
    world.peers.keep((CLOUD,))
    await asyncio.sleep(0.15)
    assert world.told == []
    with pytest.raises(Unavailable):
        world.peers.link("cloud")
    world.answers = {"here:2": "cloud"}
    await world.until(1)
    await world.peers.close()


async def test_a_peer_that_no_plan_needs_is_let_go() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    world.peers.keep(())
    await world.until(2)
    assert world.told[-1] == ("down", "cloud")
    await asyncio.sleep(0.15)
    assert len(world.links) == 1


async def test_a_link_they_dialled_serves_as_well_and_the_last_one_counts() -> None:
    world = World()
    theirs = FakeLink()
    world.peers.add(theirs)
    world.peers.keep((CLOUD,))
    for _ in range(100):
        await asyncio.sleep(0.005)
        if world.links:
            break
    await theirs.close()
    await asyncio.sleep(0.02)
    assert world.told == [("up", "cloud")]
    assert world.peers.link("cloud") is world.links[0]
    await world.peers.close()


async def test_somebody_else_at_the_address_is_not_the_peer() -> None:
    world = World()
    world.answers = {"here:2": "board-7"}
    with pytest.raises(Unavailable, match="'board-7' answers at here:2, not 'cloud'"):
        await world.peers.reach(CLOUD)
    assert world.links[0].closed.is_set()
