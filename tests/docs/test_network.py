"""docs/network.md and docs/queues.md say the numbers that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agents.driver import peers, redialling, watching
from device_agents.engine import waiting
from device_agents.machine import room
from lepton_edge.coordinator import reach
from lepton_edge.core.config import CONTROL_PORT, DATA_PORT, AgentConfig
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link import relay, sight
from lepton_edge.wire import front
from partitioner.units import Bytes

DOCS = Path(__file__).parents[2] / "docs"
NETWORK, QUEUES = (
    " ".join((DOCS / f"{name}.md").read_text("utf-8").split()) for name in ("network", "queues")
)
MIB = 1 << 20


@pytest.mark.parametrize(
    "said",
    [
        f"| {CONTROL_PORT} | coordinator",
        f"| {DATA_PORT} | agent",
        f"or none within {front.ANSWERED:g} s",
        f"after {reach.DIAL_AFTER:g} s without a",
        f"{reach.TYPICAL_UP // 1000} kB up, {reach.TYPICAL_DOWN // 1000} kB down",
        f"({LinkHello('agent', 'x').window_bytes // MIB} MiB a link), {relay.MOST_OF_LINK} tunnels per link and "
        f"{relay.MOST} in all",
        f"after {redialling.FIRST_PAUSE:g} s, 0.2 s, ... {redialling.LONGEST_PAUSE:g} s",
        f"they grow to {redialling.SELDOM_PAUSE:g} s",
        f"({redialling.AT_ONCE} at once)",
        f"owed a word for {peers.SILENT:g} s",
        f"| {watching.SHORT // 1024} to {watching.LONG // 1024} KiB one way: what the link moves in "
        f"{watching.LASTS * 1e3:g} ms",
        f"real transfers from {sight.MEANT // 1024} kB on",
        f"lived for {peers.LIVED:g} s",
        f"1 to {reach.PROBE_BUDGET:g} s",
        f"| {watching.FIRST:g} s after traffic last showed a rate",
        f"... {watching.LONGEST / 60:g} min",
        f"| {watching.SIZE // 1024} KiB each way",
        f"more than {reach.NOISE} times off",
        f"every {Limits().idle_probe:g} s each way",
    ],
)
def test_the_page_on_networks_has_the_codes_numbers(said: str) -> None:
    assert said in NETWORK


def test_a_probe_of_a_moment_ago_is_not_repeated() -> None:
    assert reach.CONFIRMED == 5.0
    assert "probe of the last five seconds" in NETWORK


def test_the_page_on_queues_has_the_codes_numbers() -> None:
    limit = AgentConfig(Path(), "board", "pi").queue_limit
    assert f"An agent holds {limit} requests" in QUEUES
    assert room.default_size_limit(Bytes(1 << 20)) == 64 * MIB
    assert room.default_size_limit(Bytes(1 << 34)) == 1 << 31
    assert "an eighth of its memory, 64 MiB at least" in QUEUES
    assert room.RESERVE == 4
    assert "Three quarters of that" in QUEUES
    assert waiting.PASSES == 8
    assert "but eight of them in a row at most" in QUEUES
