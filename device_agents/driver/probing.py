"""Measure the link to a peer with probes: round trips of small frames, and what larger ones take on top.

Law: the prober's clock only; what the far side reports of itself is subtracted. The rate is the difference
of two sizes, so that fixed costs cancel; up and down are measured apart.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from lepton_edge.core.messages import ProbeCommand
from lepton_edge.link.link import Link
from partitioner.costs import HEADER_OVERHEAD, LinkProfile
from partitioner.units import Bytes, BytesPerSecond, Seconds

ROUND_TRIPS = 15
ROUNDS = 7
FASTEST = 10e9  # bytes per second; above it a difference is noise of the clock
ECHOES = 12
ENDS = 4  # of messages in a round trip: sent, received, sent, received
LARGE = 600_000  # bytes, as a picture of floats
REST = 0.03  # seconds; as between requests: a processor that was busy just now is quicker
PAUSE = 0.01  # seconds between probes, so that none waits behind another


async def probe_link(link: Link, command: ProbeCommand) -> LinkProfile:
    """Return the link as it is now, within `command.budget` seconds (one round at least)."""
    end = time.monotonic() + command.budget
    trip = await _round_trip(link)
    small, large = await _fitting(link, command, trip)
    await _took(link, large, large)  # the first large one pays TCP's slow start
    up, down = await _differences(link, small, large, end)
    half = Seconds(trip / 2)
    return LinkProfile(_rate(large - small, up), _rate(large - small, down), half, half)


@dataclass(frozen=True)
class MessageCosts:
    """This device's own seconds for an empty frame there and back, for one end of a message, for one of its bytes.

    An end is sending or receiving: framing, copies, the stream, the event loop, and the kernel's loopback.
    """

    echo: Seconds
    end: Seconds
    byte: float


async def message_costs(link: Link) -> MessageCosts:
    """Measure on a link to this very process, where nothing is waited for: all of a round trip is own work.

    Both ends of both messages are in it, and which of them is how much cannot be seen: each gets the same.
    Empty and large frames take turns, with rests as between requests.
    """
    small, large = [], []
    for turn in range(ECHOES):
        await asyncio.sleep(REST)
        small.append((await link.probe(0, 0)).round_trip)
        if turn % 2:
            await asyncio.sleep(REST)
            large.append((await link.probe(LARGE, 0)).round_trip)
    echo = statistics.median(small)
    byte = max(0.0, statistics.median(large) - echo) / LARGE
    return MessageCosts(Seconds(echo), Seconds(echo / ENDS), byte / 2)


async def _fitting(link: Link, command: ProbeCommand, trip: float) -> tuple[Bytes, Bytes]:
    """Return what to send: of a link so slow that the larger sizes would fill it for longer than the budget, less.

    Whatever else travels there (who is alive, for one) waits behind a probe.
    """
    sizes = sorted(command.sizes)
    small = large = sizes[0]
    for size in sizes[1:]:
        seconds = max(0.0, await _took(link, large, large) - trip)  # of that many bytes each way
        if seconds * size / large > command.budget:
            return (small, large) if small < large else (Bytes(0), large)
        large = size
    return small, large


async def _round_trip(link: Link) -> float:
    trips = []
    for _ in range(ROUND_TRIPS):
        trips.append(await _took(link, 0, 0))
        await asyncio.sleep(PAUSE)
    return statistics.median(trips)


async def _differences(link: Link, small: Bytes, large: Bytes, end: float) -> tuple[float, float]:
    """Return the median seconds that `large` takes longer than `small`, up and down, in rounds."""
    up: list[float] = []
    down: list[float] = []
    while not up or (len(up) < ROUNDS and time.monotonic() < end):
        up.append(await _took(link, large, 0) - await _took(link, small, 0))
        down.append(await _took(link, 0, large) - await _took(link, 0, small))
    return statistics.median(up), statistics.median(down)


async def _took(link: Link, size_up: int, size_down: int) -> float:
    sample = await link.probe(size_up, size_down)
    return max(0.0, sample.round_trip - sample.far_seconds)


def _rate(size: int, seconds: float) -> BytesPerSecond:
    """Return the rate of the link itself: payload with its headers over time."""
    slowest = size * HEADER_OVERHEAD / FASTEST
    return BytesPerSecond(size * HEADER_OVERHEAD / max(seconds, slowest))
