"""A link measured by probes: checked against a link whose times are known."""

from __future__ import annotations

import pytest

from device_agents.driver import probing
from device_agents.driver.probing import message_costs, probe_link
from lepton_edge.core.links import ProbeSample
from lepton_edge.core.messages import Peer, ProbeCommand
from partitioner.costs import transfer_time

COMMAND = ProbeCommand("q", Peer("cloud", ()), (1 << 10, 32 << 10, 160 << 10), 4.0)


class KnownLink:
    """`up`, `down` bytes per second, `delay` seconds each way, and a far side that takes its time."""

    def __init__(self, up, down, delay, far=0.0, jitter=()):
        self.longest = 0.0
        self.up, self.down, self.delay, self.far = up, down, delay, far
        self.jitter = list(jitter)
        self.count = 0

    async def probe(self, size_up=0, size_down=0, timeout=10.0):
        self.count += 1
        took = (
            2 * self.delay + transfer_time(size_up, self.up) + transfer_time(size_down, self.down) + self.far
        )
        took += self.jitter.pop() if self.jitter else 0.0
        self.longest = max(self.longest, took)
        return ProbeSample(size_up, size_down, took, self.far)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(probing, "PAUSE", 0.0)
    monkeypatch.setattr(probing, "REST", 0.0)


@pytest.mark.parametrize(
    ("up", "down", "delay"), [(2.36e6, 2.36e6, 0.002), (0.73e6, 3e6, 0.025), (137.5e3, 1e6, 0.05)]
)
async def test_rates_and_delays_are_found_each_way(up, down, delay) -> None:
    found = await probe_link(KnownLink(up, down, delay, far=0.004), COMMAND)
    assert found.up == pytest.approx(up, rel=1e-6)
    assert found.down == pytest.approx(down, rel=1e-6)
    assert (found.delay_up, found.delay_down) == (pytest.approx(delay), pytest.approx(delay))
    assert found.measured


async def test_single_slow_probes_do_not_matter() -> None:
    jitter = [0.0] * 60
    jitter[-3], jitter[-20], jitter[-25] = 0.5, 0.3, 0.3
    found = await probe_link(KnownLink(1e6, 1e6, 0.01, jitter=jitter), COMMAND)
    assert found.up == pytest.approx(1e6, rel=1e-6)
    assert found.delay_up == pytest.approx(0.01)


async def test_a_link_too_fast_to_time_has_a_finite_rate() -> None:
    found = await probe_link(KnownLink(1e15, 1e15, 0.0), COMMAND)
    assert found.up == pytest.approx(probing.FASTEST, rel=0.01)


async def test_the_budget_ends_the_rounds_after_the_first() -> None:
    link = KnownLink(1e6, 1e6, 0.01)
    await probe_link(link, ProbeCommand("q", Peer("cloud", ()), (1, 2), 0.0))
    assert link.count == probing.ROUND_TRIPS + 1 + 1 + 4  # how much fits, the first large one, one round


@pytest.mark.parametrize(("rate", "slowest"), [(1.2e3, 2.0), (8e3, 1.0), (32e3, 3.0)])
async def test_a_narrow_link_is_not_filled_for_longer_than_the_budget(rate, slowest) -> None:
    link = KnownLink(rate, rate, 0.02)
    found = await probe_link(link, COMMAND)
    assert link.longest <= slowest < COMMAND.budget
    assert (found.up, found.down) == (pytest.approx(rate, rel=1e-6), pytest.approx(rate, rel=1e-6))


async def test_an_echo_is_a_round_trip_whatever_a_single_one_does() -> None:
    found = await message_costs(KnownLink(1e9, 1e9, 0.003, jitter=[0.0, 0.2, 0.0]))
    assert found.echo == pytest.approx(0.006)
    assert found.end == pytest.approx(0.006 / 4), "a round trip sends twice and receives twice"


async def test_bytes_cost_what_a_large_frame_takes_longer_half_at_each_end() -> None:
    found = await message_costs(KnownLink(1e9, 5e9, 0.003))
    assert 2 * found.byte * 1e6 == pytest.approx(transfer_time(1_000_000, 1e9))


async def test_bytes_that_cost_less_than_can_be_timed_cost_nothing() -> None:
    found = await message_costs(KnownLink(1e9, 1e9, 0.003, jitter=[0.01] * 11 + [0.0] * 7))
    assert found.byte >= 0.0
