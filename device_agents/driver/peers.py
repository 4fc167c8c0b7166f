"""Links to other agents: dialled where a plan needs them, kept warm, dialled again, or accepted from them.

Law: knows addresses and links, no plans. A peer is up while there is any open link to it, whoever dialled;
the machine is told of the first and of the last. Pauses between dials double, with jitter, up to
`LONGEST_PAUSE`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import Peer
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

log = structlog.get_logger("agent")

FIRST_PAUSE = Seconds(0.1)
LONGEST_PAUSE = Seconds(2.0)

Dial = Callable[[str], Awaitable[Link]]
Told = Callable[[DeviceId], None]


class Peers:
    """The links to other agents, by device."""

    def __init__(self, dial: Dial, up: Told, down: Told) -> None:
        self._dial, self._up, self._down = dial, up, down
        self._links: dict[DeviceId, list[Link]] = {}
        self._kept: dict[DeviceId, tuple[Peer, asyncio.Task[None]]] = {}
        self._watching: set[asyncio.Task[None]] = set()

    def link(self, device: DeviceId) -> Link:
        """Return an open link to `device`; raises Unavailable."""
        links = self._links.get(device)
        if not links:
            raise Unavailable(f"there is no link to {device}", "try again")
        return links[0]

    def add(self, link: Link) -> None:
        """Take a link that is open, to use it until it closes."""
        device = DeviceId(link.peer.name)
        links = self._links.setdefault(device, [])
        links.append(link)
        task = asyncio.create_task(self._watch(device, link))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        if len(links) == 1:
            self._up(device)

    def keep(self, peers: tuple[Peer, ...]) -> None:
        """Dial these, again and again; let go of the others."""
        wanted = {peer.device: peer for peer in peers}
        for device, (peer, task) in list(self._kept.items()):
            if wanted.get(device) != peer:
                task.cancel()
                del self._kept[device]
        for device, peer in wanted.items():
            if device not in self._kept:
                self._kept[device] = (peer, asyncio.create_task(self._hold(peer)))

    async def reach(self, peer: Peer) -> tuple[Link, bool]:
        """Return a link to `peer` and whether it was dialled for this (the caller closes it then)."""
        try:
            return self.link(peer.device), False
        except Unavailable:
            return await self._dial_any(peer), True

    async def close(self) -> None:
        """Let go of everybody."""
        self.keep(())
        links = [link for links in self._links.values() for link in links]
        await asyncio.gather(*(link.close() for link in links))

    async def _watch(self, device: DeviceId, link: Link) -> None:
        await link.closed.wait()
        links = self._links[device]
        links.remove(link)
        if not links:
            del self._links[device]
            log.info("peer lost", peer=device, why=str(link.error))
            self._down(device)

    async def _hold(self, peer: Peer) -> None:
        """Keep one dialled link to `peer` for as long as it is wanted."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._use(await self._dial_any(peer))
                pause = FIRST_PAUSE
            except LeptonError as error:
                tell = log.info if pause == FIRST_PAUSE else log.debug  # a peer may be away for weeks
                tell("peer cannot be reached", peer=peer.device, error=str(error))
                pause = Seconds(min(pause * 2, LONGEST_PAUSE))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _use(self, link: Link) -> None:
        self.add(link)
        try:
            await link.closed.wait()
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(link.close()))
            raise

    async def _dial_any(self, peer: Peer) -> Link:
        """Dial the addresses of a peer in turn; raises what the last one said."""
        last: LeptonError = Unavailable(f"no address of {peer.device} is known", "is it registered?")
        for address in peer.addresses:
            try:
                return await self._right(peer, address)
            except LeptonError as error:  # noqa: PERF203 (a dial costs a thousand times more)
                last = error
        raise last

    async def _right(self, peer: Peer, address: str) -> Link:
        link = await self._dial(address)
        if link.peer.name == peer.device:
            return link
        await link.close()
        raise Unavailable(
            f"{link.peer.name!r} answers at {address}, not {peer.device!r}", "check --advertise"
        )
