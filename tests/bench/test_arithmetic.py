"""Ideal arithmetic: what a request would cost with nothing else, and that the parts add up to the whole."""

from __future__ import annotations

import pytest

from bench.arithmetic import Parts, medians, parts_of
from examples.demo.processes import Conditions

LINK = Conditions("test", rate=8.0, delay=5.0)  # 1 byte a microsecond


def _hop(**figures: float) -> dict[str, float]:
    names = ("queue", "decode", "compute", "encode", "network", "bytes_out", "bytes_in", "total")
    return dict.fromkeys(names, 0.0) | figures


ENTRY = _hop(compute=0.020, encode=0.002, network=0.130, bytes_out=99_000, bytes_in=1000, total=0.170)
FAR = _hop(compute=0.010, decode=0.001, queue=0.003, total=0.015)
REMOTE = {"latency": 0.175, "hops": [_hop(), ENTRY, FAR]}


def test_the_ideal_is_compute_and_the_bytes_both_ways_and_two_delays() -> None:
    parts = parts_of(REMOTE, LINK)
    assert parts.compute == pytest.approx(0.030)
    assert parts.ideal_network == pytest.approx(100_000 * 1.046e-6 + 0.010)
    assert parts.ideal == pytest.approx(0.030 + 0.1146)


def test_the_parts_add_up_to_the_latency() -> None:
    parts = parts_of(REMOTE, LINK)
    rest = parts.queue + parts.decode + parts.encode + parts.network + parts.client + parts.agents
    assert parts.ideal + rest == pytest.approx(parts.latency)
    assert parts.network == pytest.approx(0.130 - 0.1146)
    assert parts.client == pytest.approx(0.005)


def test_a_request_that_stayed_pays_no_link() -> None:
    alone = {"latency": 0.05, "hops": [_hop(), _hop(compute=0.04, queue=0.002, total=0.045)]}
    parts = parts_of(alone, LINK)
    assert (parts.ideal, parts.network) == (pytest.approx(0.04), 0.0)
    assert parts.agents == pytest.approx(0.003)


def test_medians_are_of_each_part() -> None:
    three = [Parts(*[float(value)] * 10) for value in (3, 1, 2)]
    assert medians(three) == Parts(*[2.0] * 10)
