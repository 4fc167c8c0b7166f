"""Looks at the links that plans need, so that what is known of them stays true while too little travels.

Law: traffic measures a link for nothing, and its signs of life keep the round trip true; only the rates of a link whose
traffic shows none (it is idle, or its frames are small) are probed, by the side that dials first, and ever more
seldom: a metered link must not be eaten by the curiosity of its ends. A probe carries 32 KiB each way, 15 s after the
last rate was seen, then after 30 s, 1, 2, 4, ... minutes, up to every 4 hours: 256 KiB in the first five minutes,
0.4 MB a day in the long run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from device_agents.driver.peers import Peers
from lepton_edge.core.links import LinkEstimate
from lepton_edge.core.messages import LinkReport
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError
from partitioner.units import Bytes, Seconds

log = structlog.get_logger("agent")

EVERY = Seconds(1.0)
FIRST, LONGEST = Seconds(15.0), Seconds(4 * 3600.0)
SIZE = Bytes(32 << 10)


@dataclass
class Idleness:
    """How long a link has shown no rate: when it is to be probed, and how long the pause after that is."""

    rates: int = -1
    at: float = 0.0
    pause: float = FIRST

    def due(self, seen: LinkEstimate, now: float) -> bool:
        """Whether to probe now; what traffic shows begins the pauses anew."""
        if seen.rates != self.rates:
            self.rates, self.pause, self.at = seen.rates, FIRST, now + FIRST
        return now >= self.at

    def probed(self, seen: LinkEstimate, now: float) -> None:
        """Take note of a probe, and of what it showed: that was no traffic."""
        self.rates, self.pause = seen.rates, min(2 * self.pause, LONGEST)
        self.at = now + self.pause


class Watch:
    """The links that plans need, looked at every second; `seen` is told how they do."""

    def __init__(self, peers: Peers, seen: Callable[[tuple[LinkReport, ...]], None]) -> None:
        self._peers, self._seen = peers, seen
        self._idle: dict[Link, Idleness] = {}
        self._probes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look, until this is cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                self.look(time.monotonic())
        finally:
            for task in self._probes:
                task.cancel()

    def look(self, now: float) -> None:
        """Tell how the links do, and probe those that have been idle."""
        self._seen(self._peers.reports())
        links = self._peers.watched()
        self._idle = {link: self._idle.get(link, Idleness()) for link in links}
        for link, idle in self._idle.items():
            if idle.due(link.estimate(), now) and not self._probes:  # one at a time: they may share a radio
                task = asyncio.create_task(self._probe(link, idle))
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)

    async def _probe(self, link: Link, idle: Idleness) -> None:
        try:
            await link.refreshed(-1.0, SIZE)
        except LeptonError as error:
            log.debug("a look at a link failed", peer=link.peer.name, error=str(error))
        idle.probed(link.estimate(), time.monotonic())
