"""How often an idle link is probed, and by whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from device_agents.driver.watching import (
    FIRST,
    LONG,
    LONGEST,
    PART,
    SHORT,
    SIZE,
    TOLD_EVERY,
    UNDER_WAY,
    Idleness,
    Watch,
    pause_in_use,
    size_in_use,
)
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.links import LinkEstimate


def test_the_probes_of_an_idle_link_cost_less_and_less() -> None:
    idle, rates, probes = Idleness(), 1, []
    for second in range(3 * 86_400):
        if idle.due(LinkEstimate(rates=rates), float(second)):
            rates += 1
            probes.append(second)
            idle.probed(LinkEstimate(rates=rates), float(second))
    assert probes[:3] == [FIRST, FIRST * 3, FIRST * 7]
    last_day = [second for second in probes if second >= 2 * 86_400]
    assert 0 < len(last_day) * 2 * SIZE < 500_000
    assert max(b - a for a, b in zip(probes, probes[1:], strict=False)) <= LONGEST


def test_traffic_needs_no_probe_and_begins_the_pauses_anew() -> None:
    idle = Idleness()
    for second in range(1000):
        assert not idle.due(LinkEstimate(rates=second // 10), float(second))
    assert not idle.due(LinkEstimate(rates=99), 1000.0)
    assert idle.due(LinkEstimate(rates=99), 1000.0 + FIRST)


class FakeLink:
    def __init__(self, error=None):
        self.peer = SimpleNamespace(name="cloud")
        self.asked, self.error, self.waiting = [], error, 0
        self.seen = LinkEstimate(up=1e6, rates=1, rate_age=30.0)

    def estimate(self):
        return self.seen

    async def refreshed(self, age, size):
        await self.probe(age, size, None)

    async def probe(self, up, down, timeout):
        self.asked.append((up, down))
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        self.seen = replace(self.seen, rates=self.seen.rates + 1, rate_age=0.0)


class FakePeers:
    def __init__(self, *links, watched=()):
        self.links, self.mine, self.needed, self.looks = links, watched, [], 0

    def reports(self):
        return ("reports",)

    def watched(self):
        return self.mine

    def kept(self):
        return {f"cloud{number}": link for number, link in enumerate(self.links)}

    def need(self, device, now):
        self.needed.append((device, now))

    def look(self):
        self.looks += 1


def nobody(device, now):
    return False


def somebody(device, now):
    return True


async def looked(watch, seconds, begin=0.0):
    """Look every quarter of a second; return nothing."""
    for quarter in range(int(seconds * 4)):
        watch.look(begin + quarter / 4)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_what_is_seen_is_told_each_second_and_at_once_when_there_is_news() -> None:
    told, peers = [], FakePeers()
    watch = Watch(peers, told.append, nobody)
    await looked(watch, 3.0)
    assert told == [("reports",)] * 3
    assert peers.looks == 3 * TOLD_EVERY
    peers.news()
    assert len(told) == 4


async def test_one_idle_link_at_a_time_is_probed() -> None:
    links = [FakeLink(), FakeLink(Unavailable("gone"))]
    watch = Watch(FakePeers(watched=links), lambda seen: None, nobody)
    await looked(watch, FIRST)
    assert [link.asked for link in links] == [[], []]
    watch.look(FIRST)
    assert [len(link.asked) for link in links] == [0, 0], "not in the look itself"
    await asyncio.sleep(0.01)
    assert [link.asked for link in links] == [[(-1.0, SIZE)], []]
    for quarter in range(1, TOLD_EVERY + 1):
        watch.look(FIRST + quarter / 4)
    await asyncio.sleep(0.01)
    assert [len(link.asked) for link in links] == [1, 1]


async def test_a_link_that_requests_would_use_is_probed_each_second_while_nothing_else_is_on_it() -> None:
    link = FakeLink()
    watch = Watch(FakePeers(link), lambda seen: None, somebody)
    await looked(watch, 0.5)
    assert link.asked == [(LONG, 0)]
    link.waiting = 1
    await looked(watch, 5.0, begin=100.0)
    assert len(link.asked) == 1, "a request's answer is on its way"
    link.waiting = 0
    link.seen = replace(link.seen, under_way=UNDER_WAY)
    await looked(watch, 5.0, begin=200.0)
    assert len(link.asked) == 1, "a request is on its way"
    quiet = FakeLink()
    await looked(Watch(FakePeers(quiet), lambda seen: None, nobody), 30.0)
    assert not quiet.asked


@pytest.mark.parametrize("rate", [0.0, 12e3, 137e3, 1e6, 100e6])
def test_probes_in_use_take_a_twentieth_of_a_links_time_at_most(rate) -> None:
    seen, idle, spent, probes, rates = LinkEstimate(up=rate), Idleness(), 0.0, 0, 1
    for quarter in range(4 * 600):
        now = quarter / 4
        seen = LinkEstimate(up=rate, rates=rates)
        if idle.due_in_use(seen, now):
            probes, rates = probes + 1, rates + 1
            spent += size_in_use(seen) / rate if rate else 0.0
            idle.probed_in_use(LinkEstimate(up=rate, rates=rates), now)
    assert SHORT <= size_in_use(seen) <= LONG
    assert spent <= 600 * PART + 2 * SHORT / (rate or 1.0)
    assert probes == pytest.approx(600 / pause_in_use(seen), rel=0.35)
    assert probes <= 601


def test_traffic_that_shows_the_rate_needs_no_probe_in_use() -> None:
    idle = Idleness()
    for quarter in range(1000):
        now = quarter / 4
        assert not idle.due_in_use(
            LinkEstimate(up=1e6, rates=1 + quarter // 2, rate_age=(quarter % 2) / 4), now
        )


@pytest.mark.parametrize("before", [1e6, 5e3])
def test_a_rate_that_has_halved_or_doubled_is_looked_at_again_soon_whatever_it_is_said_to_be(before) -> None:
    idle, looks, rates = Idleness(), [], 1
    assert not idle.due_in_use(LinkEstimate(up=before, rates=rates), 0.0)
    for eighth in range(8 * 30):
        now = eighth / 8
        seen = LinkEstimate(up=2e4, rates=rates + 1)
        if idle.due_in_use(seen, now):
            rates += 1
            looks.append(now)
            idle.probed_in_use(LinkEstimate(up=2e4, rates=rates + 1), now)
    assert looks[:3] == pytest.approx([0.25, 0.75, 1.75], abs=0.26)
    assert looks[3] - looks[2] == pytest.approx(pause_in_use(seen), abs=0.26)


def test_a_look_that_came_too_soon_is_repeated_soon_but_luck_is_no_reason_for_ever() -> None:
    idle, looks, rates = Idleness(), [], 1
    for eighth in range(8 * 20):
        now = eighth / 8
        seen = LinkEstimate(up=1e5, rates=rates, doubted=rates > 1)
        if idle.due_in_use(seen, now):
            rates += 1
            looks.append(now)
            idle.probed_in_use(LinkEstimate(up=1e5, rates=rates, doubted=True), now)
    usual = pause_in_use(seen)
    assert looks[1] - looks[0] == pytest.approx(0.5, abs=0.26)
    assert len(looks) <= 2 + 1.8 * 20 / usual


async def test_a_probe_that_a_dead_link_swallowed_does_not_keep_its_successor_from_being_probed() -> None:
    dead, alive = FakeLink(), FakeLink()
    never = asyncio.Event()
    dead.probe = lambda up, down, timeout: never.wait()
    peers = FakePeers(dead)
    watch = Watch(peers, lambda seen: None, somebody)
    await looked(watch, 1.0)
    peers.links = (alive,)
    await looked(watch, 1.0, begin=1.0)
    assert len(alive.asked) >= 1
    never.set()


async def test_the_links_own_words_do_not_keep_it_from_being_probed() -> None:
    link = FakeLink()
    link.seen = replace(link.seen, under_way=UNDER_WAY - 1)
    await looked(Watch(FakePeers(link), lambda seen: None, somebody), 0.5)
    assert len(link.asked) == 1


async def test_who_would_use_a_link_that_is_down_does_not_let_it_wait() -> None:
    peers = FakePeers(None)
    Watch(peers, lambda seen: None, somebody).look(7.0)
    assert peers.needed == [("cloud0", 7.0)]
