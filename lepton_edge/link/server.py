"""Accepting links: the handlers of a data port.

Law: turns each stream that somebody dials into a Link and keeps it until it ends; nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link import handshake
from lepton_edge.link.link import Handler, Link
from lepton_edge.wire import front, rpc, streams
from lepton_edge.wire.health import health_handlers
from lepton_edge.wire.tls import Trust

log = structlog.get_logger("link")


def accepting(
    hello: LinkHello,
    handler: Handler,
    on_open: Callable[[Link], None] | None = None,
    limits: Limits | None = None,
    *,
    known: bool = False,
) -> streams.Serve:
    """Return what makes a link of each stream that comes in, and keeps it until it ends.

    `on_open` is told about each link after its handshake; await `link.closed.wait()` to learn of its end. If `known`,
    nobody is let in who did not prove who it is.
    """

    async def serve(stream: streams.ChunkStream) -> None:
        if known and stream.identity is None:
            error = Unauthenticated("no certificate was shown", "join the coordinator, or give a key")
            await handshake.refuse(stream, error)
            raise error
        link = Link(stream, hello, handler, limits)
        await link.open()
        by = "grpc" if isinstance(stream, streams.AcceptedStream) else "plain"
        log.info("link opened", peer=link.peer.name, kind=link.peer.kind, address=stream.peer, by=by)
        if on_open is not None:
            on_open(link)
        await link.over()
        log.info("link closed", peer=link.peer.name, why=str(link.error))

    return serve


async def open_data_port(
    address: str,
    hello: LinkHello,
    handler: Handler,
    describe: rpc.Describe,
    *,
    on_open: Callable[[Link], None] | None = None,
    limits: Limits | None = None,
    plain: bool = True,
    trust: Trust | None = None,
) -> tuple[front.Port, str]:
    """Serve links and Describe on "host:port", over gRPC and if `plain` as plain streams; return it and where it is.

    With `trust` over TLS, links for those alone who show a certificate. Raises PortInUse and InvalidInput as
    `front.open_port`.
    """
    serve = accepting(hello, handler, on_open, limits, known=trust is not None)
    handlers = [
        *streams.link_handlers(serve),
        *rpc.describe_handlers(describe, known=trust is not None),
        *health_handlers((rpc.DATA,)),
    ]
    return await front.open_port(address, handlers, serve if plain else None, trust=trust)


def link_handlers(
    hello: LinkHello,
    handler: Handler,
    describe: rpc.Describe,
    *,
    on_open: Callable[[Link], None] | None = None,
    limits: Limits | None = None,
) -> rpc.Handlers:
    """Return the handlers of a data port: Link (see `accepting`) and Describe, for `rpc.open_server`."""
    serve = accepting(hello, handler, on_open, limits)
    return [*streams.link_handlers(serve), *rpc.describe_handlers(describe), *health_handlers((rpc.DATA,))]
