"""Tunnels: a link between two peers that cannot dial each other, through a relay that both have a link with.

Law: a relay forwards chunks and never reads them: hello, credits, checksums and versions are the two ends'
own matter, because what goes through a tunnel is a whole Link. A tunnel's chunks are TUNNEL frames on the
links that carry it; they need credit as requests do, and the credit goes back when a chunk was read, or
forwarded, so that a relay never holds more than its windows and a slow end slows the other one down. Chunks of one
tunnel stay in order, since one is written after the other on each leg. Tunnels are bounded in number, forward
over direct links only (no chains, no circles), and end with the links that carry them.

A TUNNEL frame's request id names the tunnel on one leg. It opens one ("to" whom, asked of the relay, or "from" whom,
asked of the far end; answered by REPLY or ERROR), carries one chunk as its only tensor, or ends it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from lepton_edge.core.errors import InvalidInput, Overloaded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.link import Handler, Link
from lepton_edge.wire import rpc
from lepton_edge.wire.codec import Chunk
from lepton_edge.wire.streams import Over, Take
from partitioner.codecs import RAW
from partitioner.errors import LeptonError
from partitioner.units import Bytes, DeviceId, RequestId, Seconds, TensorName

log = structlog.get_logger("link")

TUNNELLING = 1  # the minor version of the protocol from which on a peer knows TUNNEL
MOST = 64  # tunnels in all, and
MOST_OF_LINK = 16  # on one link
OPENING = Seconds(5.0)  # for the far end to say yes
CHUNK = Bytes(256 << 10)  # of an inner link: with its prefix it is one chunk of the carrier
FULL = Seconds(0.005)  # pause before a carrier whose outbox is full is tried again
_CHUNK = TensorName("chunk")

Key = tuple[int, RequestId]  # id() of the carrying link, and the tunnel's name on it


class RelayedStream:
    """One end of a tunnel: a ChunkStream whose chunks travel on another link, the carrier."""

    secure = False

    def __init__(self, carrier: Link, tunnel: RequestId, device: DeviceId, left: Callable[[], None]) -> None:
        self.peer = f"{device} through {carrier.peer.name}"
        # the relay vouches for it: nobody else is heard there
        self.identity: Identity | None = Identity(Role.AGENT, device)
        self.carrier, self.tunnel = carrier, tunnel
        self._left = left
        self._arrived: deque[tuple[Chunk, asyncio.Event]] = deque()
        self._wake = asyncio.Event()
        self._end: LeptonError | None = None
        self.over = False

    async def read(self) -> Chunk | None:
        """Return the next chunk, or None after the last; Unavailable when the tunnel breaks."""
        while not self._arrived:
            if self.over:
                if self._end is not None:
                    raise self._end
                return None
            self._wake.clear()
            await self._wake.wait()
        chunk, taken = self._arrived.popleft()
        taken.set()
        return chunk

    def push(self, take: Take, over: Over) -> bool:
        """Say that it is to be read: a chunk's credit goes back when somebody reads it."""
        return False

    async def write(self, head: Chunk, *payload: Chunk) -> None:
        """Hand a chunk to the carrier; Unavailable when the tunnel is over."""
        if self.over:
            raise self._end or Unavailable(f"the tunnel to {self.peer} is closed")
        chunk = head if isinstance(head, bytes) and not payload else b"".join((head, *payload))
        tensor = WireTensor(_CHUNK, "uint8", (len(chunk),), RAW.name, chunk)
        await _send(self.carrier, Frame(FrameKind.TUNNEL, self.tunnel, tensors=(tensor,)))

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        """Take nothing: whether the carrier has room is not known without waiting."""
        return False

    async def close(self) -> None:
        """End the tunnel and tell the other end, as far as the carrier still lives."""
        if self.over:
            return
        self.end(Unavailable("the tunnel was closed here"))
        try:
            await _send(self.carrier, _close_frame(self.tunnel))
        except LeptonError as error:
            log.debug("no farewell to a tunnel", peer=self.peer, error=str(error))

    async def take(self, chunk: Chunk) -> None:
        """Take a chunk off the carrier; return when it was read, so that its credit goes back."""
        if self.over:
            return
        taken = asyncio.Event()
        self._arrived.append((chunk, taken))
        self._wake.set()
        await taken.wait()

    def end(self, error: LeptonError | None) -> None:
        """Let the reader find the end (None: orderly) after what has arrived."""
        if self.over:
            return
        self.over, self._end = True, error
        self._wake.set()
        self._left()
        for _, taken in self._arrived:
            taken.set()


@dataclass(eq=False)
class _Leg:
    """One direction of a forwarded tunnel: where its chunks go, under which name, one after the other."""

    link: Link
    tunnel: RequestId
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tunnels:
    """The tunnels of one process: those that end here, and those that it forwards.

    `link_to` returns a direct link to a device or raises Unavailable; `accept` serves a stream that somebody
    opened to here, until it ends; `forwards` says whether this process is a relay.
    """

    def __init__(
        self,
        link_to: Callable[[DeviceId], Link],
        accept: Callable[[RelayedStream], Awaitable[None]],
        forwards: bool = False,
    ) -> None:
        self._link_to, self._accept, self._forwards = link_to, accept, forwards
        self._ends: dict[Key, RelayedStream] = {}
        self._legs: dict[Key, _Leg] = {}  # by where a chunk comes from
        self._watched: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many tunnels end here or are forwarded."""
        return len(self._ends) + len(self._legs) // 2

    def carried(self, link: Link) -> int:
        """Return how many tunnels' chunks travel on `link`."""
        return sum(key[0] == id(link) for key in (*self._ends, *self._legs))

    async def open(self, relay: Link, device: DeviceId) -> RelayedStream:
        """Open a tunnel to `device` through `relay`; raise what the relay or the far end said."""
        self._check(relay)
        stream = self._end(relay, RequestId(secrets.token_hex(8)), device)
        try:
            await _asked(relay, _open_frame(stream.tunnel, {"to": device}))
        except (LeptonError, asyncio.CancelledError):
            stream.end(None)
            self._spawn(_told(relay, _close_frame(stream.tunnel)))  # it may be at it still
            raise
        return stream

    async def handle(self, link: Link, frame: Frame) -> None:
        """Take a TUNNEL frame that came in on `link`; return when its chunk was read, or went on."""
        key = id(link), frame.request_id
        opening = frame.metadata.get("tunnel") == "open"
        if opening and key not in self._ends and key not in self._legs:
            await self._opened(link, frame)
        elif key in self._ends:
            await self._arrived(self._ends[key], frame)
        elif key in self._legs:
            await self._forward(key, frame)
        elif frame.tensors:
            await _told(link, _close_frame(frame.request_id))

    async def close(self) -> None:
        """End every tunnel."""
        for stream in list(self._ends.values()):
            await stream.close()
        tasks = [
            task for task in (*self._tasks, *self._watched.values()) if task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the ends ---------------------------------------------------------------------------------

    def _end(self, carrier: Link, tunnel: RequestId, device: DeviceId) -> RelayedStream:
        key = id(carrier), tunnel

        def left() -> None:
            self._ends.pop(key, None)

        stream = self._ends[key] = RelayedStream(carrier, tunnel, device, left)
        self._watch(carrier)
        return stream

    async def _arrived(self, stream: RelayedStream, frame: Frame) -> None:
        if _closes(frame):
            stream.end(rpc.raised(frame.error) if frame.error is not None else None)
        elif frame.tensors:
            await stream.take(frame.tensors[0].payload)

    # --- opening ----------------------------------------------------------------------------------

    async def _opened(self, link: Link, frame: Frame) -> None:
        """Accept, or forward, a tunnel that somebody opens; say so, or why not."""
        kind, error = FrameKind.REPLY, None
        try:
            self._check(link)
            if "to" in frame.metadata:
                await self._through(link, frame)
            else:
                self._accepted(self._end(link, frame.request_id, DeviceId(frame.metadata.get("from", ""))))
        except LeptonError as refused:
            log.info("a tunnel was refused", peer=link.peer.name, why=str(refused))
            kind, error = FrameKind.ERROR, rpc.wire_error(refused)
        await _told(link, Frame(kind, frame.request_id, error=error))

    def _accepted(self, stream: RelayedStream) -> None:
        async def serve() -> None:
            try:
                await self._accept(stream)
            except LeptonError as error:
                log.info("a tunnel ended", peer=stream.peer, why=str(error))
            finally:
                await stream.close()

        self._spawn(serve())

    async def _through(self, link: Link, frame: Frame) -> None:
        """Open the second leg; both are known before, since the far end may speak at once."""
        device = DeviceId(frame.metadata["to"])
        if not self._forwards:
            raise Unavailable(f"this agent forwards for nobody, so not to {device}", "start it with --relay")
        onward = self._link_to(device)
        self._check(onward)
        there = _Leg(onward, RequestId(secrets.token_hex(8)))
        self._legs[id(link), frame.request_id] = there
        self._legs[id(onward), there.tunnel] = _Leg(link, frame.request_id)
        self._watch(link)
        self._watch(onward)
        try:
            await _asked(onward, _open_frame(there.tunnel, {"from": link.peer.name}))
        except LeptonError:
            self._drop((id(link), frame.request_id))
            raise
        log.info("forwarding", between=link.peer.name, and_=device, tunnels=len(self))

    def _check(self, link: Link) -> None:
        """Raise what speaks against one more tunnel on `link`."""
        if link.peer.kind != "agent":
            raise InvalidInput(
                f"a {link.peer.kind or 'nameless peer'} cannot open a tunnel", "dial an entry instead"
            )
        if link.peer.protocol_minor < TUNNELLING:
            raise Unavailable(f"{link.peer.name} is too old to forward, or to be met so", "update it")
        on_link = self.carried(link)
        if len(self) >= MOST or on_link >= MOST_OF_LINK:
            counted = f"{len(self)} tunnels of {MOST}, {on_link} of {MOST_OF_LINK} with {link.peer.name}"
            raise Overloaded(
                f"this relay has {counted}",
                "try again later, or start another relay: lepton-edge agent start --relay",
            )

    # --- forwarding -------------------------------------------------------------------------------

    async def _forward(self, key: Key, frame: Frame) -> None:
        leg = self._legs[key]
        try:
            async with leg.turn:
                await _send(leg.link, dataclasses.replace(frame, request_id=leg.tunnel))
        except LeptonError as error:
            await self._break(key, error)
            return
        if _closes(frame):
            self._drop(key)

    async def _break(self, key: Key, error: LeptonError) -> None:
        """Tell the end that a chunk came from that it cannot go on."""
        back = self._drop(key)
        if back is not None:
            await _told(back.link, _close_frame(back.tunnel, error))

    def _drop(self, key: Key) -> _Leg | None:
        """Forget a forwarded tunnel; return the leg back to where `key`'s chunks came from."""
        leg = self._legs.pop(key, None)
        return self._legs.pop((id(leg.link), leg.tunnel), None) if leg is not None else None

    # --- the links that carry ---------------------------------------------------------------------

    def _watch(self, link: Link) -> None:
        if id(link) not in self._watched:
            self._watched[id(link)] = asyncio.create_task(self._until_closed(link))

    async def _until_closed(self, link: Link) -> None:
        await link.closed.wait()
        self._watched.pop(id(link), None)
        lost = Unavailable(f"the relay's link with {link.peer.name} was lost", "it is dialled again")
        for stream in [one for key, one in self._ends.items() if key[0] == id(link)]:
            stream.end(lost)
        for key, leg in [(key, leg) for key, leg in self._legs.items() if key[0] == id(link)]:
            self._drop(key)
            self._spawn(_told(leg.link, _close_frame(leg.tunnel, lost)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def meet(tunnels: Tunnels, relay: Link, device: DeviceId, hello: LinkHello, handler: Handler) -> Link:
    """Open a link to `device` through `relay` and return it after the handshake; raise as `Tunnels.open`, `dial`."""
    stream = await tunnels.open(relay, device)
    link = Link(stream, hello, handler, Limits(chunk=CHUNK))
    await link.open()
    return link


def _open_frame(tunnel: RequestId, whom: dict[str, str]) -> Frame:
    return Frame(FrameKind.TUNNEL, tunnel, metadata={"tunnel": "open", **whom})


def _close_frame(tunnel: RequestId, error: LeptonError | None = None) -> Frame:
    told = rpc.wire_error(error) if error is not None else None
    return Frame(FrameKind.TUNNEL, tunnel, metadata={"tunnel": "close"}, error=told)


def _closes(frame: Frame) -> bool:
    return frame.metadata.get("tunnel") == "close"


async def _asked(link: Link, frame: Frame) -> None:
    """Ask for a tunnel; raise what is answered when it is not yes."""
    answer = await link.request(frame, OPENING)
    if answer.kind is FrameKind.ERROR and answer.error is not None:
        raise rpc.raised(answer.error)


async def _send(link: Link, frame: Frame) -> None:
    """Send a frame and wait for room where there is none: a stream has no other way to say "later"."""
    while True:
        try:
            await link.send(frame)
        except Overloaded:  # noqa: PERF203 (once in a while)
            await asyncio.sleep(FULL)
        else:
            return


async def _told(link: Link, frame: Frame) -> None:
    """Send a frame to somebody who may be gone."""
    try:
        await _send(link, frame)
    except LeptonError as error:
        log.debug("a tunnel's word was lost", peer=link.peer.name, error=str(error))
