"""Links to peers: dialled, kept, dialled again, let go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from device_agents.driver import peers as room
from device_agents.driver.peers import Peers
from device_agents.driver.ways import Ways
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.links import LinkEstimate
from lepton_edge.core.messages import LinkReport, Peer, Relay

CLOUD = Peer("cloud", ("gone:1", "here:2"))


class FakeLink:
    def __init__(self, name="cloud"):
        self.peer = SimpleNamespace(name=name, kind="agent")
        self.closed = asyncio.Event()
        self.error, self.silence = None, 0.0

    def estimate(self):
        return LinkEstimate(up=1e6, rates=3, rate_age=2.0, silence=self.silence)

    async def close(self):
        self.closed.set()


class World:
    """Addresses that answer or do not, and what the machine was told."""

    def __init__(self):
        self.answers = {"here:2": "cloud"}
        self.dialled, self.links, self.told = [], [], []
        self.tunnels, self.busy = {}, set()
        self.peers = Peers(
            "board",
            Ways(self.dial, self.through, lambda link: link in self.busy),
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

    async def through(self, relay, device):
        self.dialled.append(f"{relay.peer.name}>{device}")
        if device not in self.tunnels.get(relay.peer.name, ()):
            raise Unavailable(f"{relay.peer.name} has no link with {device}")
        link = FakeLink(device)
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
    theirs, newer = FakeLink(), FakeLink()
    world.peers.add(theirs)
    world.peers.keep((CLOUD,))
    await asyncio.sleep(0.15)
    assert not world.dialled, "there is a link already"
    world.peers.add(newer)
    await theirs.close()
    await asyncio.sleep(0.02)
    assert world.told == [("up", "cloud")]
    assert world.peers.link("cloud") is newer
    await newer.close()
    await world.until(3)
    assert world.peers.link("cloud") is world.links[0]
    await world.peers.close()


async def test_who_is_dialled_first_waits_before_it_dials() -> None:
    world = World()
    world.peers.keep((replace(CLOUD, dial_after=0.3),))
    await asyncio.sleep(0.1)
    assert not world.dialled
    await world.until(1)
    assert world.dialled == ["gone:1", "here:2"]
    await world.peers.close()


async def test_the_side_that_waits_takes_what_comes() -> None:
    world = World()
    world.peers.keep((replace(CLOUD, dial_after=5.0),))
    await asyncio.sleep(0.02)
    world.peers.add(theirs := FakeLink())
    await asyncio.sleep(0.1)
    assert world.peers.link("cloud") is theirs
    assert not world.dialled
    await world.peers.close()


async def test_two_that_dialled_at_once_prefer_the_same_link_and_the_spare_goes_when_unused(
    monkeypatch,
) -> None:
    monkeypatch.setattr(room, "QUIET", 0.03)
    world = World()
    ours, theirs = FakeLink("aaa"), FakeLink("aaa")  # "aaa" comes before "board": its own dial counts
    world.peers.add(theirs)
    world.busy.add(ours)
    world.peers.add(ours, dialled=True)
    assert world.peers.link("aaa") is theirs
    await asyncio.sleep(0.15)
    assert not ours.closed.is_set(), "somebody waits for an answer on it"
    world.busy.clear()
    await asyncio.sleep(0.15)
    assert ours.closed.is_set()
    assert not theirs.closed.is_set()
    assert world.told == [("up", "aaa")]


async def test_the_preferred_link_stays_and_the_other_side_closes_its_own(monkeypatch) -> None:
    monkeypatch.setattr(room, "QUIET", 0.02)
    world = World()
    ours, theirs = FakeLink("cloud"), FakeLink("cloud")
    world.peers.add(theirs)
    world.peers.add(ours, dialled=True)
    assert world.peers.link("cloud") is ours
    await asyncio.sleep(0.1)
    assert not ours.closed.is_set()
    assert not theirs.closed.is_set(), "who dialled it closes it"


async def test_a_link_that_dies_at_once_is_dialled_ever_more_seldom() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    for turn in range(1, 4):
        await world.until(2 * turn - 1)
        await world.links[-1].close()
    begun = asyncio.get_running_loop().time()
    await world.until(7)
    assert asyncio.get_running_loop().time() - begun > 0.15
    await world.peers.close()


RELAY = Relay("middle", ("here:3",))
MET = Peer("cloud", ("gone:1",), (RELAY,))


async def test_a_peer_that_cannot_be_dialled_is_met_at_its_relay() -> None:
    world = World()
    world.answers = {"here:3": "middle"}
    world.peers.keep((MET,))
    await world.until(1)
    assert world.told == [("up", "middle")]
    assert world.peers.reports()[0] == LinkReport("cloud", connected=False, error="nobody at gone:1")
    world.tunnels["middle"] = {"cloud"}
    await world.until(2)
    assert world.told[1] == ("up", "cloud")
    assert world.peers.via(world.peers.link("cloud")) == "middle"
    assert [(one.peer, one.via, one.up) for one in world.peers.reports()] == [
        ("cloud", "middle", 1e6),
        ("middle", "", 1e6),
    ]
    assert world.peers.watched() == [world.peers.link("cloud")]
    with pytest.raises(Unavailable):
        world.peers.direct("cloud")
    await world.peers.close()


async def test_another_relay_is_taken_when_the_first_is_gone() -> None:
    world = World()
    world.answers = {"here:3": "middle", "here:4": "other"}
    world.tunnels = {"middle": {"cloud"}, "other": {"cloud"}}
    world.peers.keep((replace(MET, via=(RELAY, Relay("other", ("here:4",)))),))
    await world.until(3)
    world.answers.pop("here:3")
    for link in [one for one in world.links if one.peer.name in ("middle", "cloud")]:
        await link.close()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if ("up", "cloud") in world.told[4:]:
            break
    assert world.peers.via(world.peers.link("cloud")) == "other"
    await world.peers.close()


async def test_a_direct_link_is_preferred_to_a_relayed_one() -> None:
    world = World()
    world.peers.add(FakeLink(), dialled=True, via="middle")
    world.peers.add(direct := FakeLink())
    assert world.peers.link("cloud") is direct


async def test_who_comes_through_a_relay_that_nobody_named_is_no_way() -> None:
    world = World()
    world.answers = {}
    world.peers.add(claimed := FakeLink(), via="mallory")
    world.peers.keep((MET,))
    with pytest.raises(Unavailable):
        world.peers.link("cloud")
    world.peers.add(met := FakeLink(), via="middle")
    assert world.peers.link("cloud") is met
    assert ("up", "cloud") in world.told
    assert not claimed.closed.is_set()
    await world.peers.close()


async def test_who_came_before_its_relay_was_named_is_taken_then() -> None:
    world = World()
    world.answers = {}
    world.peers.add(early := FakeLink(), via="middle")
    assert world.told == []
    world.peers.keep((MET,))
    assert world.peers.link("cloud") is early
    assert world.told == [("up", "cloud")]
    await world.peers.close()


async def test_a_measurement_gets_the_way_it_asks_for_and_the_plan_after_it_the_same(monkeypatch) -> None:
    monkeypatch.setattr(room, "LINGER", 0.2)
    world = World()
    world.answers = {"here:2": "cloud", "here:3": "middle"}
    world.tunnels = {"middle": {"cloud"}}
    through = await world.peers.reach(MET)
    assert world.peers.via(through) == "middle"
    direct = await world.peers.reach(CLOUD)
    assert world.peers.via(direct) == ""
    assert await world.peers.reach(CLOUD) is direct
    world.peers.keep((CLOUD,))
    await asyncio.sleep(0.5)
    assert not direct.closed.is_set(), "a plan needs it"
    assert all(one.closed.is_set() for one in world.links if one.peer.name == "middle")
    await world.peers.close()


async def test_somebody_else_at_the_address_is_not_the_peer() -> None:
    world = World()
    world.answers = {"here:2": "board-7"}
    with pytest.raises(Unavailable, match="'board-7' answers at here:2, not 'cloud'"):
        await world.peers.reach(CLOUD)
    assert world.links[0].closed.is_set()


async def test_who_comes_and_goes_under_ever_new_names_leaves_nothing_behind() -> None:
    world = World()
    for number in range(20):
        link = FakeLink(f"stranger-{number}")
        world.peers.add(link)
        await link.close()
    await world.until(40)
    assert (world.peers._links, world.peers._why, world.peers._awaited) == ({}, {}, {})
    world.peers.keep((Peer("lost", ("gone:1",)),))
    for _ in range(100):
        if world.peers._why:
            break
        await asyncio.sleep(0.01)
    assert world.peers.reports() == (LinkReport("lost", connected=False, error="nobody at gone:1"),)
    world.peers.keep(())
    assert world.peers._why == {}


async def test_beside_a_link_that_fell_silent_another_one_is_dialled_and_told() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    silent = world.links[0]
    world.peers.look()
    await asyncio.sleep(0.2)
    assert len(world.links) == 1, "it is sound"
    silent.silence = room.SILENT
    world.busy.add(silent)
    world.peers.look()
    await world.until(2)
    assert world.told == [("up", "cloud")] * 2, "who gave the peer up hears that it can be asked again"
    assert world.peers.link("cloud") is world.links[1]
    assert not silent.closed.is_set(), "it may still speak"
    await silent.close()
    await asyncio.sleep(0.02)
    assert world.told == [("up", "cloud")] * 2
    await world.peers.close()


async def test_a_silent_link_that_speaks_again_stays_and_no_other_is_dialled_then() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    world.links[0].silence, world.answers = room.SILENT, {}
    world.peers.look()
    for _ in range(300):
        await asyncio.sleep(0.01)
        if len(world.dialled) > 4:
            break
    assert len(world.dialled) > 4
    world.links[0].silence, world.answers = 0.0, {"here:2": "cloud"}
    await asyncio.sleep(0.5)
    assert len(world.links) == 1
    assert world.peers.link("cloud") is world.links[0]
    await world.peers.close()


async def test_what_was_known_of_a_peer_is_known_of_its_next_link() -> None:
    world = World()
    world.peers.keep((CLOUD,))
    await world.until(1)
    assert world.peers.reports()[0].up == 1e6
    await world.links[0].close()
    world.answers = {}
    await world.until(2)
    assert world.peers.reports()[0].up == 0.0, "there is no link"
    world.answers = {"here:2": "cloud"}
    await world.until(3)
    world.links[1].estimate = lambda: LinkEstimate(rtt_least=0.01)
    assert world.peers.reports()[0].up == 1e6
    assert world.peers.reports()[0].age > 2.0
    world.peers.keep(())
    assert (world.peers._figures, world.peers._pauses, world.peers._stirred) == ({}, {}, {})


async def test_news_of_any_link_are_passed_on() -> None:
    world, heard = World(), []
    world.peers.news = lambda: heard.append("news")
    world.peers.add(link := FakeLink())
    link.news()
    assert heard == ["news"]
    assert world.peers.kept() == {}
