"""Dialling a port: a plain stream where the other side has one, over TLS to somebody who is believed.

Law: opens connections and says what the other side proved to be; what is spoken on them is others'. Who is dialled
and shows a certificate that was revoked hears so: its log is where somebody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import structlog

from lepton_edge.core.errors import Unauthenticated, Unavailable
from lepton_edge.core.identity import NODE_HOST, Identity
from lepton_edge.wire import rpc, sealing
from lepton_edge.wire.passing import prepare
from lepton_edge.wire.preface import PREFACE, first_bytes
from lepton_edge.wire.sealed import SealedStream
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.tls import PLAIN, Trust, unverified_context
from lepton_edge.wire.turned_away import tell_why
from partitioner.units import Seconds

log = structlog.get_logger("wire")

FIRST_WORDS = Seconds(5.0)
"""Within which either side says its first ones."""
ANSWERED = Seconds(2.0)
"""Whoever has not answered our preface by then is asked over gRPC: some networks swallow what they do not know."""
LAST_WORDS = Seconds(1.0)
_LONGEST_AUTHORITY = 64 << 10  # bytes


async def dial(
    address: str, within: Seconds = FIRST_WORDS, trust: Trust | None = None
) -> SocketStream | None:
    """Return a plain stream to the data port at "host:port"; None where gRPC is to be tried.

    With `trust` over TLS, to a node that is believed; the stream's `identity` says whose.

    Raises:
        Unavailable: nobody listens there, or accepts a connection within `within` seconds.
        Unauthenticated: who listens proves nothing that is believed, or speaks in the open.
    """
    with _typed(address):
        return await asyncio.wait_for(_dialled(address, trust), within)


async def shown_at(
    address: str, trust: Trust, within: Seconds = FIRST_WORDS
) -> tuple[bytes, Identity] | None:
    """Return the certificate (PEM) of the node at `address`, and whose it is; None where this event loop cannot ask.

    Raises as `dial`.
    """
    with _typed(address):
        return await asyncio.wait_for(_shown(address, trust), within)


async def authority_at(address: str, within: Seconds = FIRST_WORDS) -> bytes:
    """Return the certificates (PEM) that the port at `address` says are its authority's, of which nothing is verified.

    Raises:
        Unavailable, Unauthenticated: as `dial`.
    """
    with _typed(address):
        return await asyncio.wait_for(_authority(address), within)


@contextlib.contextmanager
def _typed(address: str) -> Iterator[None]:
    try:
        yield
    except asyncio.TimeoutError as error:
        raise Unavailable(f"{address} does not answer", "is it running, and is the network up?") from error
    except OSError as error:
        raise Unavailable(f"{address}: {_words(error)}", "is it running, and is it right?") from error


async def _authority(address: str) -> bytes:
    connection = await _connected(address)
    sealed = await sealing.dial(connection, unverified_context(), NODE_HOST, address)
    told = b""
    with contextlib.closing(sealed):
        while len(told) <= _LONGEST_AUTHORITY:
            more = await sealing.until_done(sealed, sealed.recv)
            if not more:
                break
            told += more
    return told


def _words(error: OSError) -> str:
    """Return what the system calls `error`; asyncio's own words name its calls."""
    known = not isinstance(error, socket.gaierror) and error.errno in errno.errorcode
    return os.strerror(error.errno) if known and error.errno else error.strerror or str(error)


async def _dialled(address: str, trust: Trust | None) -> SocketStream | None:
    connection = await _connected(address)
    try:
        if trust is not None:
            return await _sealed(connection, address, trust)
        return await _in_the_open(connection, address)
    except NotImplementedError as error:  # an event loop that cannot watch sockets
        log.debug("no plain stream", address=address, error=repr(error))
        connection.close()
        return None


async def _shown(address: str, trust: Trust) -> tuple[bytes, Identity] | None:
    connection = await _connected(address)
    with (
        contextlib.closing(connection),
        contextlib.suppress(NotImplementedError),
        contextlib.closing(await sealing.dial(connection, trust.client_context(), NODE_HOST, address)) as one,
    ):
        identity, found = trust.identify(one), one.getpeercert(binary_form=True)
        return (ssl.DER_cert_to_PEM_cert(found).encode(), identity) if identity and found else None
    return None


async def _sealed(connection: socket.socket, address: str, trust: Trust) -> SocketStream | None:
    sealed = await sealing.dial(connection, trust.client_context(), NODE_HOST, address)
    with contextlib.ExitStack() as undo:
        undo.callback(sealed.close)
        if sealed.selected_alpn_protocol() != PLAIN:
            return None
        try:
            identity = trust.identify(sealed)
        except Unauthenticated as error:
            with contextlib.suppress(OSError, Unavailable, asyncio.TimeoutError):
                await asyncio.wait_for(tell_why(sealed, address, trust, error), LAST_WORDS)
            raise
        stream = SealedStream(sealed, address, trust, identity)
        undo.pop_all()
        return stream


async def _in_the_open(connection: socket.socket, address: str) -> SocketStream | None:
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        try:
            await asyncio.get_running_loop().sock_sendall(connection, PREFACE)
            if await asyncio.wait_for(first_bytes(connection), ANSWERED) == PREFACE:
                stream = SocketStream(connection, address)
                undo.pop_all()
                return stream
        except (ConnectionError, asyncio.TimeoutError) as error:
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
        prepare(connection)
        undo.pop_all()
        return connection
