"""The front of a data port: one port, two languages. Our preface opens a plain stream; all else is gRPC's.

Law: looks at the first bytes of a connection and at nothing behind them. gRPC's own server listens on loopback behind
it, and gets what is not ours passed on, both ways, until one side ends: peers of protocol 1.0, `Describe`, health
checks. Where the event loop cannot watch sockets (Windows' default) there is no front, and the port is gRPC's alone.
TLS will come in here, by ALPN.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from lepton_edge.core.errors import InvalidInput, PortInUse, Unavailable
from lepton_edge.wire import rpc
from lepton_edge.wire.accepting import Accepting
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.streams import Serve
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("wire")

PREFACE = b"LEPTON1\n"
"""What either side of a plain stream says first; HTTP/2 begins otherwise on both sides."""
FIRST_WORDS = Seconds(5.0)
ANSWERED = Seconds(2.0)
"""Whoever has not answered our preface by then is asked over gRPC: some networks swallow what they do not know."""
MAX_CONNECTIONS = 512
MAX_PASSED_ON = 128  # of them: each takes three descriptors, and many systems grant a process 1,024
_BACKLOG = 512
_UNSENT = (
    128 << 10
)  # bytes that the system may hold and not have sent: what waits here can still be overtaken
_TCP_NOTSENT_LOWAT = 25  # <netinet/tcp.h> of Linux; Python names it from 3.12 on


class Port(Protocol):
    """A data port that is served."""

    async def stop(self, grace: float | None) -> None:
        """Accept nobody any more; end what runs, calls of gRPC within `grace` seconds."""
        ...


# --- dialling -------------------------------------------------------------------------------------


async def dial(address: str, within: Seconds = FIRST_WORDS) -> SocketStream | None:
    """Return a plain stream to the data port at "host:port"; None where gRPC is to be tried.

    Raises:
        Unavailable: nobody listens there, or accepts a connection within `within` seconds.
    """
    try:
        return await asyncio.wait_for(_dialled(address), within)
    except asyncio.TimeoutError as error:
        raise Unavailable(f"{address} does not answer", "is it running, and is the network up?") from error
    except OSError as error:
        raise Unavailable(f"{address}: {_words(error)}", "is it running, and is it right?") from error


def _words(error: OSError) -> str:
    """Return what the system calls `error`; asyncio's own words name its calls."""
    known = not isinstance(error, socket.gaierror) and error.errno in errno.errorcode
    return os.strerror(error.errno) if known and error.errno else error.strerror or str(error)


async def _dialled(address: str) -> SocketStream | None:
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undo:
        connection = await _connected(address)
        undo.callback(connection.close)
        try:
            await loop.sock_sendall(connection, PREFACE)
            if await asyncio.wait_for(_first_bytes(connection), ANSWERED) == PREFACE:
                stream = SocketStream(connection, address)
                undo.pop_all()
                return stream
        except (ConnectionError, NotImplementedError, asyncio.TimeoutError) as error:
            log.debug("no plain stream", address=address, error=repr(error))
    return None


async def _connected(address: str) -> socket.socket:
    """Return a connection to the first of the host's addresses that answers; raises OSError."""
    last = OSError(errno.EADDRNOTAVAIL, "no such host")
    host, port = rpc.split_address(address)
    for found in await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return await _connected_to(*found)
        except OSError as error:  # noqa: PERF203 (a connection costs a thousand times more)
            last = error
    raise last


async def _connected_to(
    family: int, kind: int, protocol: int, _name: str, target: tuple[Any, ...]
) -> socket.socket:
    with contextlib.ExitStack() as undo:
        connection = undo.enter_context(socket.socket(family, kind, protocol))
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, target)
        _prepare(connection)
        undo.pop_all()
        return connection


def _prepare(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT)


async def _first_bytes(connection: socket.socket) -> bytes:
    """Return what came first: the preface, or as much as shows that it is none."""
    loop = asyncio.get_running_loop()
    came = b""
    while len(came) < len(PREFACE) and PREFACE.startswith(came):
        more = await loop.sock_recv(connection, len(PREFACE) - len(came))
        if not more:
            break
        came += more
    return came


# --- accepting ------------------------------------------------------------------------------------


async def open_port(
    address: str, handlers: rpc.Handlers, serve: Serve, *, next_free: bool = True
) -> tuple[Port, str]:
    """Serve "host:port", or the next free one, as `rpc.open_server` does; `serve` is awaited for each plain stream."""
    if not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        return await rpc.open_server(address, handlers, next_free=next_free)
    listening, bound = _listen(address, next_free)
    try:
        server, behind = await rpc.open_server("127.0.0.1:0", handlers)
    except LeptonError:
        listening.close()
        raise
    return Front(listening, server, behind, serve), bound


def _listen(address: str, next_free: bool) -> tuple[socket.socket, str]:
    host, port = rpc.split_address(address)
    if not rpc.is_loopback(host):
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

    def __init__(self, listening: socket.socket, server: Any, behind: str, serve: Serve) -> None:
        self._server, self._behind, self._serve = server, behind, serve
        self._loop = asyncio.get_running_loop()
        self._passing = 0
        self._accepting = Accepting(listening, "the data port", MAX_CONNECTIONS, self._served)

    async def stop(self, grace: float | None) -> None:
        """Accept nobody any more; end what runs, calls of gRPC within `grace` seconds."""
        self._accepting.stop()
        await self._server.stop(grace)
        await self._accepting.end()

    async def _served(self, connection: socket.socket, where: Any) -> None:
        peer = rpc.join_address(*where[:2])
        try:
            connection.setblocking(False)
            _prepare(connection)
            first = await asyncio.wait_for(_first_bytes(connection), FIRST_WORDS)
            if first == PREFACE:
                await self._plain(connection, peer)
            elif first and self._passing < MAX_PASSED_ON:
                await self._passed_on(connection, first)
        except (OSError, asyncio.TimeoutError) as error:
            log.debug("a connection ended", peer=peer, error=str(error))
        finally:
            connection.close()

    async def _plain(self, connection: socket.socket, peer: str) -> None:
        await self._loop.sock_sendall(connection, PREFACE)
        stream = SocketStream(connection, peer)
        try:
            await self._serve(stream)
        except LeptonError as error:
            log.info("a plain stream ended", peer=peer, why=str(error))
        finally:
            stream.end()

    async def _passed_on(self, connection: socket.socket, first: bytes) -> None:
        outer = await asyncio.open_connection(sock=connection)
        writers = [outer[1]]
        self._passing += 1
        try:
            inner = await asyncio.open_connection(*rpc.split_address(self._behind))
            writers.append(inner[1])
            inner[1].write(first)
            await _pumped(_pump(outer[0], inner[1]), _pump(inner[0], outer[1]))
        finally:
            self._passing -= 1
            for writer in writers:
                writer.close()
            for writer in writers:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


async def _pumped(*pumps: Coroutine[Any, Any, None]) -> None:
    """Run both directions until they end; when one breaks, the other ends too."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends; then end the other side's reading."""
    while received := await reader.read(1 << 16):
        writer.write(received)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
