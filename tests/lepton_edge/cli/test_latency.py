"""Percentiles of what requests took."""

from __future__ import annotations

import pytest

from lepton_edge.cli.latency import Latencies, one_line, percentiles
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Hop
from lepton_edge.core.results import Result
from partitioner.units import DeviceId, Epoch, ModelName, PageName, RequestId


def result(latency: float, error: Unavailable | None = None) -> Result:
    hops = (Hop(DeviceId("client"), 0, 0, total=latency), Hop(DeviceId("pi"), 0, 3, compute=latency / 2))
    place = RequestId("r"), ModelName("net"), Epoch(1), PageName("local")
    return Result(*place, {}, hops=hops, latency=latency, error=error)


def test_percentiles_are_values_that_were_seen() -> None:
    seen = [float(number) for number in range(1, 101)]
    assert percentiles(seen) == {"p50": 51, "p90": 91, "p99": 100, "max": 100}
    assert percentiles([7.0]) == {"p50": 7, "p90": 7, "p99": 7, "max": 7}
    assert percentiles([]) == {}


def test_each_device_has_its_own_and_failures_count_apart() -> None:
    latencies = Latencies()
    for one in (result(0.1), result(0.3), result(0.2, Unavailable("gone"))):
        latencies.add(one)
    told = latencies.document(seconds=4.0)
    assert (told["requests"], told["failed"], told["rate"]) == (3, 1, 0.5)
    assert told["hops"][1]["device"] == "pi"
    assert told["hops"][1]["compute"]["max"] == pytest.approx(0.15)
    assert one_line(told).startswith("2 answers in 4.00 s (0.5/s), 1 failed, p50 300.0 ms, p90 300.0 ms, p99")


def test_nothing_is_told_of_nothing() -> None:
    assert one_line(Latencies().document(1.0)) == "0 answers in 1.00 s (0.0/s)"
