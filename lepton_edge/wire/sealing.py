"""TLS handshakes of both sides on sockets that do not block, and the first look at a connection.

Law: knows sockets and `ssl`; what is spoken behind a handshake, and who may, is for `front.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from lepton_edge.core.errors import Unavailable
from lepton_edge.wire.tls import refusal

HANDSHAKE = b"\x16"
"""What a TLS connection begins with."""


async def accept(connection: socket.socket, context: ssl.SSLContext, peer: str) -> ssl.SSLSocket:
    """Return `connection`, which is given up for it, after the handshake with `peer`, who dialled.

    Raises:
        Unauthenticated, Unavailable: there is no agreement; the connection is closed.
    """
    sealed = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    return await _shaken(sealed, peer)


async def dial(connection: socket.socket, context: ssl.SSLContext, host: str, peer: str) -> ssl.SSLSocket:
    """Return `connection`, which is given up for it, after the handshake with `peer`, whose certificate names `host`.

    Raises:
        Unauthenticated, Unavailable: as `accept`.
    """
    sealed = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
    return await _shaken(sealed, peer)


async def _shaken(sealed: ssl.SSLSocket, peer: str) -> ssl.SSLSocket:
    with contextlib.ExitStack() as undo:
        undo.callback(sealed.close)
        try:
            await until_done(sealed, sealed.do_handshake)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            hint = "does it speak TLS, or run --insecure?"
            raise Unavailable(f"{peer} broke off the handshake", hint) from error
        except ssl.SSLError as error:
            raise refusal(error, peer) from error
        undo.pop_all()
    return sealed


async def until_done(sealed: ssl.SSLSocket, step: Callable[[], Any]) -> Any:
    """Do `step` of `sealed` again whenever the socket is ready for it, and return what it returns at last."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:  # noqa: PERF203 (it waits for a network)
            await _ready(sealed, loop.add_reader, loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(sealed, loop.add_writer, loop.remove_writer)


async def first_byte(connection: socket.socket) -> bytes:
    """Return what comes first, and leave it there; empty where nothing comes any more."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):  # noqa: PERF203 (it waits for a network)
            await _ready(connection, loop.add_reader, loop.remove_reader)


async def _ready(connection: socket.socket, watch: Callable[..., None], leave: Callable[[int], Any]) -> None:
    number = connection.fileno()
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    watch(number, _tell, ready)
    try:
        await ready
    finally:
        leave(number)


def _tell(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
