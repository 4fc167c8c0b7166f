"""The one method of a data port: a stream of chunks in both directions, the same face for both ends.

Law: bytes pass untouched; what a chunk means is `codec.py`'s. `ChunkStream` is kept here over gRPC, and in
`sockets.py` over plain sockets. gRPC's ways of ending a stream become two: None
after the last chunk, and Unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import grpc

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.identity import Identity
from lepton_edge.wire import rpc
from lepton_edge.wire.codec import Chunk
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError

LINK = "Link"

Take = Callable[[Chunk], None]
Over = Callable[[LeptonError | None], None]
Serve = Callable[["ChunkStream"], Awaitable[None]]


class ChunkStream(Protocol):
    """Both directions of a link, whoever dialled; `secure` where nothing damages its bytes (TLS, no network).

    `identity` is who the other side proved to be, as far as that is known here.

    One task reads and one task writes at a time.
    """

    peer: str
    secure: bool
    identity: Identity | None

    async def read(self) -> Chunk | None:
        """Return the next chunk, which nobody will change, or None after the last; Unavailable when it breaks."""
        ...

    def push(self, take: Take, over: Over) -> bool:
        """Give each chunk to `take` and the end to `over` (None: no more comes), and say so; else it is to be read.

        An error of the tree that `take` raises is told to `over`, and no more chunks come.
        """
        return False

    async def write(self, head: Chunk, *payload: Chunk) -> None:
        """Hand a chunk over: its head, and pieces of payload behind it; Unavailable when the stream is broken."""
        ...

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        """Take a chunk as `write` does, where that needs no waiting; say whether it was taken."""
        return False

    async def close(self) -> None:
        """End the stream; reading and writing elsewhere end with it."""
        ...


class _GrpcStream:
    """What both ends of a call have alike; `call` reads and writes chunks.

    `ends` are what gRPC raises where it is over: with its status, as if the task were cancelled, or because it is over
    already.
    """

    ends: tuple[type[BaseException], ...]

    def __init__(self, peer: str, call: Any, secure: bool, identity: Identity | None = None) -> None:
        self.peer, self.secure, self.identity = peer, secure, identity
        self._call = call

    async def read(self) -> bytes | None:
        """Return the next chunk, or None after the last; Unavailable when the stream breaks."""
        try:
            chunk = await self._call.read()
        except self.ends as error:
            raise self._meaning(error) from error
        return None if chunk is grpc.aio.EOF else chunk

    def push(self, take: Take, over: Over) -> bool:
        """Say that it is to be read."""
        return False

    async def write(self, head: Chunk, *payload: Chunk) -> None:
        """Hand a chunk over; Unavailable when the stream is broken."""
        try:
            await self._call.write(_joined(head, payload))
        except self.ends as error:
            raise self._meaning(error) from error

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        """Take nothing: gRPC is asynchronous through and through."""
        return False

    def _meaning(self, error: BaseException) -> BaseException:
        """Return what `error` of the call means: a typed error."""
        if isinstance(error, grpc.aio.AioRpcError):
            return rpc.from_rpc_error(error, self.peer)
        return Unavailable(f"the link to {self.peer} is closed")


class DialledStream(_GrpcStream):
    """The stream as its dialler has it; owns its channel.

    With `trust` it is verified to be a node's. gRPC does not tell whose: `shown`, the certificate that the node
    showed before and whose it is (`front.shown_at`), is the only one that is then believed; without it it is anybody's.
    """

    ends = (grpc.aio.AioRpcError, asyncio.CancelledError, asyncio.InvalidStateError)

    def __init__(
        self, address: str, trust: Trust | None = None, shown: tuple[bytes, Identity] | None = None
    ) -> None:
        self._channel = rpc.open_channel(address, trust=trust, only=shown[0] if shown else b"")
        call = self._channel.stream_stream(f"/{rpc.DATA}/{LINK}")()
        super().__init__(address, call, secure=trust is not None)
        self.identity = shown[1] if shown else None

    def _meaning(self, error: BaseException) -> BaseException:
        """Return what `error` of the call means: a typed error, or that the task was cancelled."""
        if not isinstance(error, asyncio.CancelledError):
            return super()._meaning(error)
        task = asyncio.current_task()
        asked = getattr(task, "cancelling", None)  # Python 3.11
        if not self._call.cancelled() or (asked is not None and asked()):
            return error
        return Unavailable("the link was closed here")

    async def close(self) -> None:
        """End the call and close the connection."""
        self._call.cancel()
        await self._channel.close()


class AcceptedStream(_GrpcStream):
    """The stream as the side that was dialled has it."""

    ends = (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError)

    def __init__(self, context: Any) -> None:
        who = rpc.peer_of(context)
        super().__init__(who.peer, context, who.sealed, who.identity)

    async def close(self) -> None:
        """Do nothing: the stream ends when the method that serves it returns."""


def _joined(head: Chunk, payload: tuple[Chunk, ...]) -> bytes:
    """Return one bytes object, which is all that gRPC takes."""
    return head if isinstance(head, bytes) and not payload else b"".join((head, *payload))


def link_handlers(serve: Serve) -> rpc.Handlers:
    """Return the handler of Link: `serve` is awaited once for each stream that somebody dials."""

    async def link(_requests: AsyncIterator[bytes], context: Any) -> None:
        stream = AcceptedStream(context)
        try:
            await serve(stream)
        except LeptonError as error:
            await rpc.abort(context, error)

    return [
        grpc.method_handlers_generic_handler(rpc.DATA, {LINK: grpc.stream_stream_rpc_method_handler(link)})
    ]
