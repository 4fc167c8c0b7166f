"""Links to other agents: dialled where a plan needs them, kept warm, dialled again, accepted, met at a relay.

Law: knows addresses and links, no plans. A peer is up while there is any open link to it, whoever dialled;
the machine is told of the first and of the last. Pauses between dials double, with jitter, up to
`LONGEST_PAUSE`, and begin anew only after a link that lived for `LIVED`.

Where both sides dial, two links may come to be. Both sides prefer the same one: a direct one, then that of the
device whose name is first, then the newest. Who dialled the spare closes it when nothing has used it for a
while, so that no request is lost by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from device_agents.driver.dialling import first_to_answer
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import LinkReport, Peer
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

log = structlog.get_logger("agent")

FIRST_PAUSE = Seconds(0.1)
LONGEST_PAUSE = Seconds(2.0)
LIVED = Seconds(5.0)
LINGER = Seconds(60.0)  # a link that a measurement needed may be of use to the plan that is made of it
QUIET = Seconds(1.0)  # between two looks at a spare link; twice unused, it is closed

NOBODY = DeviceId("")
Told = Callable[[DeviceId], None]


@dataclass(frozen=True)
class Ways:
    """How links are made: by an address, through a relay's link; `busy` says whether a link is in use."""

    dial: Callable[[str], Awaitable[Link]]
    through: Callable[[Link, DeviceId], Awaitable[Link]]
    busy: Callable[[Link], bool]


@dataclass(eq=False)
class Way:
    """One open link to a peer; `via` the relay that it goes through; `up` and `down` as its traffic last showed.

    A link forgets rates within seconds, since what it paces by must be of now; here they are kept, with their age.
    """

    link: Link
    dialled: bool = False
    via: DeviceId = NOBODY
    since: float = field(default_factory=time.monotonic)
    up: float = 0.0
    down: float = 0.0
    measured_at: float = 0.0

    def look(self, now: float) -> LinkReport:
        """Return how the link does."""
        seen = self.link.estimate()
        if seen.up > 0:
            self.up, self.measured_at = seen.up, now - seen.rate_age
        if seen.down > 0:
            self.down = seen.down
        age = Seconds(now - self.measured_at if self.up else 0.0)
        device = DeviceId(self.link.peer.name)
        return LinkReport(device, True, self.via, self.up, self.down, seen.rtt_least, seen.rates, age)


class Peers:
    """The links to other agents, by device; `own` is this one's name."""

    def __init__(self, own: DeviceId, ways: Ways, up: Told, down: Told) -> None:
        self._own, self._ways, self._up, self._down = own, ways, up, down
        self._links: dict[DeviceId, list[Way]] = {}
        self._kept: dict[DeviceId, tuple[Peer, asyncio.Task[None]]] = {}
        self._lent: dict[DeviceId, float] = {}
        self._relays: set[DeviceId] = set()  # kept to meet others there, and for nothing else
        self._why: dict[DeviceId, str] = {}
        self._awaited: dict[DeviceId, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what there is ----------------------------------------------------------------------------

    def link(self, device: DeviceId) -> Link:
        """Return the best open link to `device`; raises Unavailable."""
        best = self._best(device)
        if best is None:
            raise Unavailable(f"there is no link to {device}", "try again")
        return best.link

    def direct(self, device: DeviceId) -> Link:
        """Return a link to `device` that goes through nobody else; raises Unavailable."""
        best = self._best(device)
        if best is None or best.via:
            raise Unavailable(f"{self._own} has no link with {device}", f"does {device} reach {self._own}?")
        return best.link

    def via(self, link: Link) -> DeviceId:
        """Return the relay that an open link goes through, "" for none."""
        ways = [way for ways in self._links.values() for way in ways if way.link is link]
        return ways[0].via if ways else NOBODY

    def reports(self) -> tuple[LinkReport, ...]:
        """Return how the links to the peers that are kept do."""
        return tuple(self._report(device) for device in sorted(self._kept))

    def watched(self) -> list[Link]:
        """Return the links that this side looks at while they are idle: those to peers that it dials first."""
        ours = [peer.device for peer, _ in self._kept.values() if not peer.dial_after]
        ours = [device for device in ours if device not in self._relays]
        return [best.link for best in map(self._best, ours) if best is not None]

    def _report(self, device: DeviceId) -> LinkReport:
        best = self._best(device)
        if best is None:
            return LinkReport(device, connected=False, error=self._why.get(device, ""))
        return best.look(time.monotonic())

    def _best(self, device: DeviceId) -> Way | None:
        """Return the way that both sides prefer."""
        ways = self._links.get(device)
        return min(ways, key=self._rank) if ways else None

    def _rank(self, way: Way) -> tuple[bool, str, float]:
        dialler = self._own if way.dialled else way.link.peer.name
        return bool(way.via), dialler, -way.since

    # --- taking and keeping -----------------------------------------------------------------------

    def add(self, link: Link, *, dialled: bool = False, via: DeviceId = NOBODY) -> None:
        """Take a link that is open, to use it until it closes."""
        device = DeviceId(link.peer.name)
        ways = self._links.setdefault(device, [])
        ways.append(Way(link, dialled, via))
        self._why.pop(device, None)
        if device in self._awaited:
            self._awaited.pop(device).set()
        self._spawn(self._watch(device, ways[-1]))
        if len(ways) == 1:
            self._up(device)
            return
        for way in ways:
            if way.dialled and way is not self._best(device):
                self._spawn(self._spare(device, way))

    def keep(self, peers: tuple[Peer, ...]) -> None:
        """Hold a link to each of these, dialled again and again, and to their relays; let go of the others."""
        wanted = {relay.device: Peer(relay.device, relay.addresses) for peer in peers for relay in peer.via}
        wanted.update({peer.device: peer for peer in peers})
        self._relays = wanted.keys() - {peer.device for peer in peers}
        for device, (peer, task) in list(self._kept.items()):
            if wanted.get(device) != peer:
                task.cancel()
                del self._kept[device]
            if device not in wanted:
                self._why.pop(device, None)
                self._let_go(device)
        for device, peer in wanted.items():
            if device not in self._kept:
                self._kept[device] = (peer, asyncio.create_task(self._hold(peer)))

    async def reach(self, peer: Peer) -> Link:
        """Return a link to `peer`, a new one where there is none: through its relay, or else a direct one.

        It stays open for `LINGER`. Raises what the last address, or the relay, said.
        """
        relays = peer.via[:1]
        there = [
            way for way in self._links.get(peer.device, ()) if way.via == (relays[0].device if relays else "")
        ]
        for device in (peer.device, *(relay.device for relay in relays)):
            self._lend(device)
        if there:
            return min(there, key=self._rank).link
        if relays:
            await self.reach(Peer(relays[0].device, relays[0].addresses))
        link, via = await (self._through(peer) if relays else self._dial(peer))
        self.add(link, dialled=True, via=via)
        return link

    async def close(self) -> None:
        """Let go of everybody."""
        self.keep(())
        links = [way.link for ways in self._links.values() for way in ways]
        await asyncio.gather(*(link.close() for link in links))
        for task in list(self._tasks):
            task.cancel()

    # --- letting go -------------------------------------------------------------------------------

    def _let_go(self, device: DeviceId) -> None:
        for way in self._links.get(device, ()):
            if way.dialled:
                self._spawn(way.link.close())

    def _lend(self, device: DeviceId) -> None:
        known = device in self._lent
        self._lent[device] = time.monotonic() + LINGER
        if not known:
            self._spawn(self._return(device))

    async def _return(self, device: DeviceId) -> None:
        """Close what a measurement dialled, unless a plan needs it now."""
        rest = float(LINGER)
        while rest > 0:
            await asyncio.sleep(rest)
            rest = self._lent[device] - time.monotonic()
        del self._lent[device]
        if device not in self._kept:
            self._let_go(device)

    async def _spare(self, device: DeviceId, way: Way) -> None:
        """Close a link that is not the preferred one, once it was found unused twice."""
        unused = 0
        while unused < 2:
            await asyncio.sleep(QUIET)
            if way.link.closed.is_set() or way is self._best(device):
                return
            unused = 0 if self._ways.busy(way.link) else unused + 1
        log.info("a spare link is closed", peer=device)
        await way.link.close()

    async def _watch(self, device: DeviceId, way: Way) -> None:
        await way.link.closed.wait()
        ways = self._links[device]
        ways.remove(way)
        if not ways:
            del self._links[device]
            if device in self._kept:  # not everybody who comes and goes, under ever new names
                self._why[device] = str(way.link.error)
            log.info("peer lost", peer=device, via=way.via, why=str(way.link.error))
            self._down(device)

    # --- dialling ---------------------------------------------------------------------------------

    async def _hold(self, peer: Peer) -> None:
        """See to it that there is a link to `peer` for as long as it is wanted."""
        pause = FIRST_PAUSE
        await self._patience(peer)
        while True:
            way = self._best(peer.device)
            if way is not None:
                await way.link.closed.wait()
                pause = FIRST_PAUSE if time.monotonic() - way.since > LIVED else pause
                await self._patience(peer)
            elif await self._dialled(peer, pause):
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = Seconds(min(pause * 2, LONGEST_PAUSE))

    async def _dialled(self, peer: Peer, pause: Seconds) -> bool:
        try:
            link, via = await self._dial_any(peer)
        except LeptonError as error:
            self._why[peer.device] = str(error)
            tell = log.info if pause == FIRST_PAUSE else log.debug  # a peer may be away for weeks
            tell("peer cannot be reached", peer=peer.device, error=str(error))
            return False
        self.add(link, dialled=True, via=via)
        return True

    async def _patience(self, peer: Peer) -> None:
        """Wait for the other side, where it dials first."""
        if peer.dial_after <= 0 or peer.device in self._links:
            return
        came = self._awaited.setdefault(peer.device, asyncio.Event())
        came.clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(came.wait(), peer.dial_after)

    async def _dial_any(self, peer: Peer) -> tuple[Link, DeviceId]:
        """Meet a peer at its relays, where it has some, else (or if that fails) dial its addresses."""
        if not peer.via:
            return await self._dial(peer)
        try:
            return await self._through(peer)
        except LeptonError as error:
            log.debug("no way through a relay", peer=peer.device, error=str(error))
            return await self._dial(peer)

    async def _through(self, peer: Peer) -> tuple[Link, DeviceId]:
        """Meet a peer at one of its relays; raises what the last one said."""
        last: LeptonError = Unavailable(f"no relay leads to {peer.device}", "is one connected?")
        for relay in peer.via:
            try:
                return await self._ways.through(self.direct(relay.device), peer.device), relay.device
            except LeptonError as error:  # noqa: PERF203 (a tunnel costs a thousand times more)
                last = error
        raise last

    async def _dial(self, peer: Peer) -> tuple[Link, DeviceId]:
        """Dial the addresses of a peer; raises what the last one said."""
        return await first_to_answer(peer.addresses, lambda address: self._right(peer, address)), NOBODY

    async def _right(self, peer: Peer, address: str) -> Link:
        link = await self._ways.dial(address)
        if link.peer.name == peer.device:
            return link
        await link.close()
        raise Unavailable(
            f"{link.peer.name!r} answers at {address}, not {peer.device!r}", "check --advertise"
        )

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
