"""The first and the last words on a stream: hello, refusal, goodbye; and what a failed frame is answered.

Law: knows streams and their chunks; whether two hellos fit together is `machine.py`'s.
"""

from __future__ import annotations

import asyncio

import structlog

from lepton_edge.core.errors import PermissionDenied, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.links import LinkHello
from lepton_edge.link.timeout import Timeout
from lepton_edge.wire import codec, rpc, streams
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("link")

LAST_WORD = 0.5  # seconds for a goodbye


async def greet(stream: streams.ChunkStream, hello: LinkHello, within: Seconds) -> LinkHello:
    """Say hello and return the peer's; raise what went wrong, with the stream closed."""
    try:
        async with Timeout(within, Unavailable(f"{stream.peer} did not say hello")):
            await stream.write(codec.hello_chunk(hello))
            first = await stream.read()
    except (LeptonError, asyncio.CancelledError):  # else the peer keeps a link that nobody here reads
        await stream.close()
        raise
    try:
        said = _hello_in(first, stream.peer)
        _check_identity(said, stream.identity)
        return said
    except LeptonError as error:
        await refuse(stream, error)
        raise


def _check_identity(said: LinkHello, proved: Identity | None) -> None:
    """Raise PermissionDenied where somebody says to be what it did not prove.

    Only an agent is heard as an agent, and only by its own name; everybody may come as a client.
    """
    if proved is None or said.kind == "client" or (proved.role is Role.AGENT and proved.name == said.name):
        return
    raise PermissionDenied(
        f"{said.kind} {said.name!r} showed the certificate of {proved.role.value} {proved.name!r}",
        "start each agent with credentials of its own",
    )


def _hello_in(first: codec.Chunk | None, peer: str) -> LinkHello:
    if first is None:
        raise Unavailable(f"{peer} closed the link at once", "is this the data port of an agent?")
    hello = codec.read_hello(first)
    if isinstance(hello, WireError):
        raise rpc.raised(hello)
    return hello


async def refuse(stream: streams.ChunkStream, error: LeptonError) -> None:
    """Tell the peer why there will be no link, as far as it still listens; close the stream."""
    await say_goodbye(stream, rpc.wire_error(error))
    await stream.close()


async def say_goodbye(stream: streams.ChunkStream, why: WireError) -> None:
    """Tell the peer that this was all, as far as it still listens."""
    try:
        async with Timeout(LAST_WORD, Unavailable("nobody reads the goodbye")):
            await stream.write(codec.goodbye_chunk(why))
    except LeptonError as error:
        log.debug("no goodbye", peer=stream.peer, error=str(error))


def answer_to(frame: Frame, error: BaseException, peer: str) -> Frame:
    """Return what `peer` is told of what handling its `frame` raised."""
    if not isinstance(error, LeptonError):
        log.error("a handler failed", peer=peer, request=frame.request_id, exc_info=error)
        error = LeptonError(f"internal error: {type(error).__name__}", "see the agent's log")
    return Frame(FrameKind.ERROR, frame.request_id, attempt=frame.attempt, error=rpc.wire_error(error))


def not_told(peer: str, lost: LeptonError) -> None:
    """Note that such an answer did not reach its `peer`."""
    log.info("an error did not reach the peer", peer=peer, because=str(lost))


def goodbye_for(error: LeptonError) -> WireError:
    """Return what the peer is told at the end: nothing where nothing is wrong."""
    return WireError("", "") if isinstance(error, Unavailable) else rpc.wire_error(error)


def meaning_of(goodbye: WireError, name: str) -> LeptonError:
    """Return the error that the peer's goodbye stands for."""
    return rpc.raised(goodbye) if goodbye.code else Unavailable(f"{name} closed the link")
