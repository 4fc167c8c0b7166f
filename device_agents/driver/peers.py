"""Links to other agents: dialled where a plan needs them, kept warm, dialled again, accepted, met at a relay.

Law: knows addresses and links, no plans. A peer is up while there is any open link to it, whoever dialled;
the machine is told of the first and of the last. Pauses between dials (`redialling`) begin anew only after a link
that lived for `LIVED`. Beside a link whose peer has been `SILENT` another one is dialled: after a gap in the network
TCP may repeat what was lost much later than a new connection comes about, and the network may have forgotten the old
one.

Where both sides dial, two links may come to be. Both sides prefer the same one: a direct one, then that of the
device whose name is first, then the newest. Who dialled the spare closes it when nothing has used it for a
while, so that no request is lost by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from device_agents.driver.dialling import first_to_answer
from device_agents.driver.redialling import Pauses, Tries, until_answered
from device_agents.driver.ways import NOBODY, Figures, Way, Ways
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import LinkReport, Peer
from lepton_edge.link.link import Link
from lepton_edge.link.reactions import nothing
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

log = structlog.get_logger("agent")

LIVED = Seconds(5.0)
LINGER = Seconds(60.0)  # a link that a measurement needed may be of use to the plan that is made of it
QUIET = Seconds(1.0)  # between two looks at a spare link; twice unused, it is closed
SILENT = Seconds(0.75)  # for which a peer owes a word, beyond what is under way: another is dialled beside

Told = Callable[[DeviceId], None]


class Peers:
    """The links to other agents, by device; `own` is this one's name.

    `news` is called when a link has become another one.
    """

    def __init__(self, own: DeviceId, ways: Ways, up: Told, down: Told) -> None:
        self._own, self._ways, self._up, self._down = own, ways, up, down
        self._links: dict[DeviceId, list[Way]] = {}
        self._kept: dict[DeviceId, tuple[Peer, asyncio.Task[None]]] = {}
        self._lent: dict[DeviceId, float] = {}
        self._relays: set[DeviceId] = set()  # kept to meet others there, and for nothing else
        self._unnamed: list[tuple[Link, DeviceId]] = []  # bounded by the tunnels
        self._why: dict[DeviceId, str] = {}
        self._awaited: dict[DeviceId, asyncio.Event] = {}
        self._pauses: dict[DeviceId, Pauses] = {}
        self._stirred: dict[DeviceId, asyncio.Event] = {}
        self._figures: dict[DeviceId, Figures] = {}  # by which those who are kept were reached last
        self.news: Callable[[], None] = nothing
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

    def kept(self) -> dict[DeviceId, Link | None]:
        """Return the peers that are kept, relays apart, and the link to each where there is one."""
        ways = {device: self._best(device) for device in self._kept if device not in self._relays}
        return {device: way.link if way is not None else None for device, way in ways.items()}

    def look(self) -> None:
        """Look for links whose peer has fallen silent: others are dialled beside them."""
        for device in self._kept:
            if self._best(device) is not None and not self._is_sound(device):
                self._stirred[device].set()

    def need(self, device: DeviceId, now: float) -> None:
        """Somebody would use the link to `device` that there is not: do not let him wait."""
        if device in self._pauses:
            self._pauses[device].need(now)

    def _is_sound(self, device: DeviceId) -> bool:
        best = self._best(device)
        return best is not None and best.link.estimate().silence < SILENT

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
        """Take a link that is open, to use it until it closes.

        Where somebody met us through a relay that the coordinator did not name for it, nobody vouches for who that
        is: it may ask, and is no way to it.
        """
        device = DeviceId(link.peer.name)
        if via and not dialled and not self._is_named(via, device):
            self._unnamed = [one for one in self._unnamed if not one[0].closed.is_set()] + [(link, via)]
            return
        lost = not self._is_sound(device)
        ways = self._links.setdefault(device, [])
        ways.append(Way(link, dialled, via, figures=self._figures.get(device, Figures())))
        self._why.pop(device, None)
        link.news = lambda: self.news()
        if device in self._awaited:
            self._awaited.pop(device).set()
        self._spawn(self._watch(device, ways[-1]))
        if lost:
            self._up(device)
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
                for known in (self._why, self._pauses, self._stirred, self._figures):
                    known.pop(device, None)
                self._let_go(device)
        for device, peer in wanted.items():
            if device not in self._kept:
                self._pauses[device], self._stirred[device] = Pauses(), asyncio.Event()
                self._figures.setdefault(device, self._known(device))
                self._kept[device] = (peer, asyncio.create_task(self._hold(peer)))
        self._judge_anew()

    def _is_named(self, relay: DeviceId, device: DeviceId) -> bool:
        """Say whether the coordinator named `relay` as one where `device` is met."""
        known = self._kept.get(device)
        return known is not None and any(one.device == relay for one in known[0].via)

    def _judge_anew(self) -> None:
        """Take those whom nobody vouched for until now."""
        waiting, self._unnamed = self._unnamed, []
        for link, via in waiting:
            if not link.closed.is_set():
                self.add(link, via=via)

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

    def _known(self, device: DeviceId) -> Figures:
        best = self._best(device)
        return best.figures if best is not None else Figures()

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
        if device in self._stirred:
            self._stirred[device].set()
        if not ways:
            del self._links[device]
            if device in self._kept:  # not everybody who comes and goes, under ever new names
                self._why[device] = str(way.link.error)
            log.info("peer lost", peer=device, via=way.via, why=str(way.link.error))
            self._down(device)

    # --- dialling ---------------------------------------------------------------------------------

    async def _hold(self, peer: Peer) -> None:
        """See to it that there is a sound link to `peer` for as long as it is wanted."""
        device, pauses = peer.device, self._pauses[peer.device]
        await self._patience(peer)
        while True:
            if self._best(device) is not None:
                await self._until_lost(device, pauses)
                await self._patience(peer)
                await pauses.rest()
            await self._dialled(peer, pauses)

    async def _until_lost(self, device: DeviceId, pauses: Pauses) -> None:
        """Return when no link to `device` is left, or its peer has fallen silent on the best one."""
        stirred = self._stirred[device]
        while (way := self._best(device)) is not None and self._is_sound(device):
            stirred.clear()
            await stirred.wait()
            if time.monotonic() - way.since > LIVED:
                pauses.reset()

    async def _dialled(self, peer: Peer, pauses: Pauses) -> None:
        """Dial until there is a sound link, whoever made it."""

        def failed(error: LeptonError) -> None:
            self._why[peer.device] = str(error)
            tell = log.info if pauses.tries == 1 else log.debug  # a peer may be away for weeks
            tell("peer cannot be reached", peer=peer.device, error=str(error))

        tries = Tries(
            lambda: self._dial_any(peer),
            lambda: self._is_sound(peer.device),
            failed,
            lambda one: one[0].close(),
        )
        found = await until_answered(tries, pauses)
        if found is not None:
            self.add(found[0], dialled=True, via=found[1])

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
