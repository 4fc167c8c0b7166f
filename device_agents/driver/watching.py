"""Looks at the links that plans need, so that what is known of them stays true while too little travels.

Law: traffic measures a link for nothing, and its signs of life keep the round trip true; only the rates of a link whose
traffic shows none are probed.

- *In use*: while requests flow that would go by a link if it were better than it is, it is probed once a second,
  `SHORT` to `LONG` bytes one way, what it moves in 100 ms: not more than a twentieth of its time, and not while
  anything else is under way on it. A rate that has halved or doubled may be a hiccup, and a look that came sooner than
  it should have may be luck: it is looked at again after `DOUBTS`.
  Without these, a page that needs no link would never see one recover.
- *Idle*, or its frames are small: by the side that dials first, and ever more seldom: a metered link must not be eaten
  by the curiosity of its ends. 32 KiB each way, 15 s after the last rate was seen, then after 30 s, 1, 2, 4, ...
  minutes, up to every 4 hours: 256 KiB in the first five minutes, 0.4 MB a day in the long run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from device_agents.driver.peers import Peers
from lepton_edge.core.links import LinkEstimate
from lepton_edge.core.messages import LinkReport
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError
from partitioner.units import Bytes, DeviceId, Seconds

log = structlog.get_logger("agent")

EVERY = Seconds(0.25)
TOLD_EVERY = 4  # looks
FIRST, LONGEST = Seconds(15.0), Seconds(4 * 3600.0)
SIZE = Bytes(32 << 10)
SHORT, LONG = 4 << 10, 12 << 10
"""Bytes of a probe of a link in use: less than TCP sends at once even after a rest, 14 kB: no slow start is in it."""
LASTS = Seconds(0.1)
PART = 0.05
"""Of a link's time, what probes may take while requests flow."""
AGAIN = Seconds(1.0)
DOUBTS = (0.25, 0.5, 1.0)
"""Seconds between looks at a rate that has become half of what it was, or twice."""
UNDER_WAY = 4 << 10
"""Bytes under way that are nobody's tensors: the link's own words are never asked about."""
PATIENCE = Seconds(2.0)


@dataclass
class Idleness:
    """How long a link has shown no rate: when it is to be probed, and how long the pause after that is.

    `use_at`: when to probe it in any case, where requests would use it; `up` the rate by which that was said, after
    `seen` measurements; `doubts`: looks since it halved or doubled, or since one came too soon for it.
    """

    rates: int = -1
    at: float = 0.0
    pause: float = FIRST
    use_at: float = 0.0
    seen: int = -1
    up: float = 0.0
    doubts: int = len(DOUBTS) + 1

    def due(self, seen: LinkEstimate, now: float) -> bool:
        """Whether to probe now; what traffic shows begins the pauses anew."""
        if seen.rates != self.rates:
            self.rates, self.pause, self.at = seen.rates, FIRST, now + FIRST
        return now >= self.at

    def probed(self, seen: LinkEstimate, now: float) -> None:
        """Take note of a probe, and of what it showed: that was no traffic."""
        self.rates, self.pause = seen.rates, min(2 * self.pause, LONGEST)
        self.at = now + self.pause

    def due_in_use(self, seen: LinkEstimate, now: float) -> bool:
        """Whether to probe now a link that requests would use."""
        if seen.rates != self.seen:
            became_another = self.up and not self.up / 2 < seen.up < self.up * 2
            odd = seen.doubted and self.doubts > len(DOUBTS)  # what is odd again and again is noise
            self.doubts = 0 if became_another else 1 if odd else self.doubts
            self.up, self.seen = seen.up, seen.rates
            self.use_at = now - seen.rate_age + self._pause(seen) if seen.rates else now
        return now >= self.use_at and seen.under_way < UNDER_WAY

    def probed_in_use(self, seen: LinkEstimate, now: float) -> None:
        """Take note of a probe that showed nothing, or something."""
        self.doubts += 1
        self.use_at = now + self._pause(seen)

    def _pause(self, seen: LinkEstimate) -> float:
        return DOUBTS[self.doubts] if self.doubts < len(DOUBTS) else pause_in_use(seen)


def size_in_use(seen: LinkEstimate) -> Bytes:
    """Return the bytes of a probe of a link that requests would use."""
    return Bytes(int(min(max((seen.up or seen.proven) * LASTS, SHORT), LONG)))


def pause_in_use(seen: LinkEstimate) -> float:
    """Return the seconds between two of them."""
    return max(float(AGAIN), size_in_use(seen) / seen.up / PART if seen.up else 0.0)


class Watch:
    """The links that plans need, looked at every quarter of a second.

    `seen` is told how they do, each second and at once when one has become another one; `wanted` says whether requests
    would use the link to a device if it were better than it is.
    """

    def __init__(
        self,
        peers: Peers,
        seen: Callable[[tuple[LinkReport, ...]], None],
        wanted: Callable[[DeviceId, float], bool],
    ) -> None:
        self._peers, self._seen, self._wanted = peers, seen, wanted
        self._idle: dict[Link, Idleness] = {}
        self._probes: dict[Link, asyncio.Task[None]] = {}
        self._looks = 0
        peers.news = self._tell

    async def run(self) -> None:
        """Look, until this is cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                self.look(time.monotonic())
        finally:
            for task in self._probes.values():
                task.cancel()

    def look(self, now: float) -> None:
        """Tell how the links do, and probe those that need it."""
        self._peers.look()
        if self._looks % TOLD_EVERY == 0:
            self._tell()
        self._looks += 1
        kept, watched = self._peers.kept(), self._peers.watched()
        links = {link for link in (*kept.values(), *watched) if link is not None}
        self._idle = {link: self._idle.get(link, Idleness()) for link in links}
        for device, link in kept.items():
            if self._wanted(device, now):
                self._in_use(device, link, now)
        if self._looks % TOLD_EVERY == 1:
            for link in watched:
                self._when_idle(link, now)

    def _tell(self) -> None:
        self._seen(self._peers.reports())

    def _in_use(self, device: DeviceId, link: Link | None, now: float) -> None:
        if link is None:
            return self._peers.need(device, now)
        idle, seen = self._idle[link], link.estimate()
        if idle.due_in_use(seen, now) and not link.waiting and link not in self._probes:
            self._spawn(link, self._probe_in_use(link, idle, size_in_use(seen)))
        return None

    def _when_idle(self, link: Link, now: float) -> None:
        idle = self._idle[link]
        if idle.due(link.estimate(), now) and not self._probes:  # one at a time: they may share a radio
            self._spawn(link, self._probe(link, idle))

    def _spawn(self, link: Link, work: Awaitable[None]) -> None:
        self._probes[link] = task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._probes.pop(link, None))

    async def _probe_in_use(self, link: Link, idle: Idleness, size: Bytes) -> None:
        try:
            await link.probe(size, 0, PATIENCE)
            log.debug("looked at a link in use", peer=link.peer.name, up=round(link.estimate().up))
        except LeptonError as error:
            log.debug("a look at a link failed", peer=link.peer.name, error=str(error))
        idle.probed_in_use(link.estimate(), time.monotonic())

    async def _probe(self, link: Link, idle: Idleness) -> None:
        try:
            await link.refreshed(-1.0, SIZE)
        except LeptonError as error:
            log.debug("a look at a link failed", peer=link.peer.name, error=str(error))
        idle.probed(link.estimate(), time.monotonic())
