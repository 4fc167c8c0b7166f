"""How often an idle link is probed, and by whom."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from device_agents.driver.watching import FIRST, LONGEST, SIZE, Idleness, Watch
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
        self.asked, self.error, self.rates = [], error, 1

    def estimate(self):
        return LinkEstimate(rates=self.rates)

    async def refreshed(self, age, size):
        self.asked.append((age, size))
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        self.rates += 1


async def test_what_is_seen_is_told_and_one_link_at_a_time_is_probed() -> None:
    told, links = [], [FakeLink(), FakeLink(Unavailable("gone"))]
    peers = SimpleNamespace(reports=lambda: ("reports",), watched=lambda: links)
    watch = Watch(peers, told.append)
    watch.look(0.0)
    watch.look(FIRST)
    assert told == [("reports",), ("reports",)]
    await asyncio.sleep(0.01)
    assert [link.asked for link in links] == [[(-1.0, SIZE)], []]
    watch.look(FIRST + 1)
    await asyncio.sleep(0.01)
    assert [len(link.asked) for link in links] == [1, 1]
