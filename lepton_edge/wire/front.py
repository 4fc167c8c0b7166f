"""The front of a port: one port, two languages. Our preface opens a plain stream; all else is gRPC's.

Law: looks at the first bytes of a connection and at nothing behind them. gRPC's own server listens behind it, where
nobody else comes, and gets what is not ours passed on, both ways, until one side ends: calls, peers of protocol 1.0,
health checks.
Where the event loop cannot watch sockets (Windows' default) there is no front, and the port is gRPC's alone.

With a `Trust` nothing is spoken but TLS 1.3, which ends here: ALPN says which language. Whoever shows no certificate
is a stranger: bounded in number, rate and time (`strangers.py`), and heard by gRPC's server only, whose methods see
that nobody is behind it. Who comes in the open, or whose certificate is revoked, is told so in its own language, and
gets nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from lepton_edge.core.errors import InvalidInput, PortInUse, Unauthenticated
from lepton_edge.core.identity import Identity
from lepton_edge.wire import rpc, sealing, strangers
from lepton_edge.wire.accepting import Accepting, make_room
from lepton_edge.wire.behind import Behind
from lepton_edge.wire.dialling import ANSWERED as ANSWERED
from lepton_edge.wire.dialling import FIRST_WORDS as FIRST_WORDS
from lepton_edge.wire.dialling import authority_at as authority_at
from lepton_edge.wire.dialling import dial as dial
from lepton_edge.wire.dialling import shown_at as shown_at
from lepton_edge.wire.once import Once
from lepton_edge.wire.passing import prepare
from lepton_edge.wire.preface import PREFACE, first_bytes
from lepton_edge.wire.sealed import SealedStream
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.strangers import Stranger, Strangers
from lepton_edge.wire.streams import Serve
from lepton_edge.wire.tls import AUTHORITY, HTTP2, PLAIN, Trust
from lepton_edge.wire.turned_away import tell_tls_only, tell_why
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("wire")

TURN = Seconds(15.0)
"""Until a handshake begins, where many others come from the same address."""
STRANGER_STAYS = Seconds(30.0)
"""Within which whoever shows no certificate has asked what it may ask, and been answered."""
_BACKLOG = 512


@dataclass(frozen=True)
class Bounds:
    """How much a port serves at a time: connections, those of them that speak gRPC, and their calls.

    Each that speaks gRPC takes three descriptors, and many systems grant a process 1,024.
    """

    connections: int = 512
    passed_on: int = 128
    calls: int = rpc.MAX_CALLS


class Port(Protocol):
    """A data port that is served."""

    async def stop(self, grace: float | None) -> None:
        """Accept nobody any more; end what runs, calls of gRPC within `grace` seconds."""
        ...


async def open_port(
    address: str,
    handlers: rpc.Handlers,
    serve: Serve | None = None,
    *,
    next_free: bool = True,
    trust: Trust | None = None,
    bounds: Bounds = Bounds(),
) -> tuple[Port, str]:
    """Serve "host:port", or the next free one, as `rpc.open_server` does; `serve` is awaited for each plain stream.

    Without `serve` gRPC alone is spoken, with `trust` nothing but TLS. Raises InvalidInput where `trust` is given and
    the event loop cannot watch sockets.
    """
    watches = isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)
    if trust is None and (serve is None or not watches):
        return await rpc.open_server(address, handlers, next_free=next_free, calls=bounds.calls)
    if not watches:
        raise InvalidInput(
            "this event loop cannot watch sockets, which TLS needs here",
            "run it on asyncio.SelectorEventLoop",
        )
    listening, bound = _listen(address, next_free, trust)
    make_room(3 * bounds.connections)
    try:
        behind = await Behind.begin(handlers, calls=bounds.calls)
    except LeptonError:
        listening.close()
        raise
    return Front(listening, behind, serve, trust=trust, bounds=bounds), bound


def _listen(address: str, next_free: bool, trust: Trust | None) -> tuple[socket.socket, str]:
    host, port = rpc.split_address(address)
    if trust is None and not rpc.is_loopback(host):
        log.warning("listening beyond this machine without TLS", address=address)
    ports = range(port, port + (rpc.NEXT_PORTS if next_free and port else 1))
    for one in ports:
        with contextlib.suppress(OSError):
            listening = _bound(host, one)
            return listening, rpc.join_address(host, listening.getsockname()[1])
    raise PortInUse(f"{host} has no free port in {ports[0]}..{ports[-1]}", "choose another with --port")


def _bound(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, target = min(found, key=lambda one: one[0] != socket.AF_INET)
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        listening = socket.create_server(target, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInput(f"{host!r} is no address of this machine", "listen on one that is") from error
        raise
    listening.setblocking(False)
    return listening


class Front:
    """The listening socket, the plain streams, and the connections that are passed on."""

    def __init__(
        self,
        listening: socket.socket,
        behind: Behind,
        serve: Serve | None,
        *,
        trust: Trust | None,
        bounds: Bounds,
    ) -> None:
        self._behind, self._serve, self._trust = behind, serve, trust
        self._loop = asyncio.get_running_loop()
        behind.most, behind.most_strangers = bounds.passed_on, max(strangers.MOST, bounds.connections // 4)
        self._strangers, self._once = Strangers(behind.most_strangers), Once()
        served = self._served if trust is None else self._secured
        self._accepting = Accepting(listening, "a port", bounds.connections, served)

    async def stop(self, grace: float | None) -> None:
        """Accept nobody any more; end what runs, calls of gRPC within `grace` seconds."""
        self._accepting.stop()
        await self._behind.stop(grace)
        await self._accepting.end()

    # --- in the open ------------------------------------------------------------------------------

    async def _served(self, connection: socket.socket, where: Any) -> None:
        peer = rpc.join_address(*where[:2])
        try:
            connection.setblocking(False)
            prepare(connection)
            first = await asyncio.wait_for(first_bytes(connection), FIRST_WORDS)
            if first == PREFACE and self._serve is not None:
                await self._loop.sock_sendall(connection, PREFACE)
                await self._plain(SocketStream(connection, peer), self._serve)
            elif first:
                await self._behind.pass_on(connection, rpc.PeerContext(peer), first)
        except (OSError, asyncio.TimeoutError) as error:
            log.debug("a connection ended", peer=peer, error=str(error))
        finally:
            connection.close()

    async def _plain(self, stream: SocketStream, serve: Serve) -> None:
        try:
            await serve(stream)
        except LeptonError as error:
            tell = log.info if self._is_news(error, stream.peer) else log.debug
            tell("a plain stream ended", peer=stream.peer, why=str(error))
        finally:
            stream.end()

    def _is_news(self, error: Exception, peer: str) -> bool:
        """Say whether that was not said of late of this host: its port is another one each time."""
        return self._once.is_new(str(error).replace(peer, rpc.split_address(peer)[0]))

    # --- with TLS ---------------------------------------------------------------------------------

    async def _secured(self, connection: socket.socket, where: Any) -> None:
        peer = rpc.join_address(*where[:2])
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            try:
                stranger = undo.enter_context(self._strangers.inside(where[0]))
                connection.setblocking(False)
                prepare(connection)
                sealed = await self._shaken(connection, stranger, peer)
                if sealed is not None:
                    undo.callback(sealed.close)
                    await self._identified(sealed, stranger, peer)
            except (OSError, asyncio.TimeoutError, LeptonError) as error:
                refused = isinstance(error, Unauthenticated)
                tell = log.info if refused and self._is_news(error, peer) else log.debug
                tell("a connection was refused or broke", peer=peer, why=str(error) or "it took too long")

    async def _shaken(self, connection: socket.socket, stranger: Stranger, peer: str) -> ssl.SSLSocket | None:
        """Return the connection after its handshake; None where it came in the open, and was told."""
        assert self._trust is not None
        first = await asyncio.wait_for(sealing.first_byte(connection), FIRST_WORDS)
        if first != sealing.HANDSHAKE:
            await asyncio.wait_for(tell_tls_only(connection, peer), FIRST_WORDS)
            return None
        await asyncio.wait_for(stranger.turn(), TURN)
        context = self._trust.server_context(*self._languages)
        return await asyncio.wait_for(sealing.accept(connection, context, peer), FIRST_WORDS)

    @property
    def _languages(self) -> tuple[str, ...]:
        return (HTTP2, AUTHORITY) if self._serve is None else (PLAIN, HTTP2, AUTHORITY)

    async def _identified(self, sealed: ssl.SSLSocket, stranger: Stranger, peer: str) -> None:
        assert self._trust is not None
        try:
            identity = self._trust.identify(sealed)
        except Unauthenticated as error:  # revoked: it hears so, within a stranger's bounds
            if sealed.selected_alpn_protocol() != AUTHORITY:
                await asyncio.wait_for(tell_why(sealed, peer, self._trust, error), FIRST_WORDS)
                raise
            identity = None
        if identity is None or sealed.selected_alpn_protocol() == AUTHORITY:
            await asyncio.wait_for(self._asked_by_stranger(sealed, peer), STRANGER_STAYS)
            return
        stranger.known()
        if sealed.selected_alpn_protocol() == PLAIN and self._serve is not None:
            await self._plain(SealedStream(sealed, peer, self._trust, identity), self._serve)
            return
        with self._trust.holding(identity):
            await self._http2(sealed, peer, identity)

    async def _asked_by_stranger(self, sealed: ssl.SSLSocket, peer: str) -> None:
        trust, language = self._trust, sealed.selected_alpn_protocol()
        assert trust is not None
        if language == AUTHORITY:
            await sealing.until_done(sealed, lambda: sealed.send(trust.credentials.authority))
        elif language == PLAIN:
            error = Unauthenticated("no certificate was shown", "join the coordinator, or give a key")
            await tell_why(sealed, peer, trust, error)
        else:
            await self._http2(sealed, peer, None)

    async def _http2(self, sealed: ssl.SSLSocket, peer: str, identity: Identity | None) -> None:
        if sealed.selected_alpn_protocol() == HTTP2:
            await self._behind.pass_on(sealed, rpc.PeerContext(peer, identity, sealed=True))
