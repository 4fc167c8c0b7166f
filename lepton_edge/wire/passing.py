"""Passing bytes on between two sockets, both ways, until one side ends.

Law: reads nothing of what passes, and holds no more of it than the system once gave (64 kB a direction).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

_MOST = 64 << 10  # bytes that are taken at a time
_TURNS = 16  # pieces in a row, before others have their turn
_UNSENT = 128 << 10
"""Bytes that the system may hold and not have sent: what waits here can still be overtaken."""
_TCP_NOTSENT_LOWAT = 25  # <netinet/tcp.h> of Linux; Python names it from 3.12 on
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def prepare(connection: socket.socket) -> None:
    """Have a connection send at once what it is given, and take no more than it can send soon."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT)


async def pass_on(one: socket.socket, other: socket.socket) -> None:
    """Pass on what comes, both ways; return when either has ended and the other has all that came, or broke."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    directions = [_Direction(one, other, over), _Direction(other, one, over)]
    try:
        await over
    finally:
        for direction in directions:
            direction.leave()


class _Direction:
    """From one socket to the other. Their descriptors are kept: a socket that is closed has none any more."""

    def __init__(self, source: socket.socket, sink: socket.socket, over: asyncio.Future[None]) -> None:
        self._source, self._sink, self._over = source, sink, over
        self._from, self._to = source.fileno(), sink.fileno()
        self._loop = asyncio.get_running_loop()
        self._left = memoryview(b"")  # what the sink has not taken
        self._ended = False
        self._loop.add_reader(self._from, self._readable)

    def leave(self) -> None:
        """Watch neither socket any more."""
        self._ended = True
        self._loop.remove_reader(self._from)
        self._loop.remove_writer(self._to)

    def _readable(self) -> None:
        if self._ended or self._left:
            return
        try:
            self._move()
        except _LATER:
            if self._left:
                self._loop.remove_reader(self._from)
                self._loop.add_writer(self._to, self._writable)
        except OSError:
            self._end()

    def _move(self) -> None:
        for _ in range(_TURNS):
            came = self._source.recv(_MOST)
            if not came:
                self._end()
                return
            self._left = memoryview(came)
            self._give()
            if not _holds(self._source) and len(came) < _MOST:
                return
        self._loop.call_soon(self._readable)  # what is decrypted already wakes nobody

    def _give(self) -> None:
        """Give the sink what it takes; raises BlockingIOError, or TLS's own kind, where something is left."""
        while self._left:
            self._left = self._left[self._sink.send(self._left) :]

    def _writable(self) -> None:
        try:
            self._give()
        except _LATER:
            return
        except OSError:
            self._end()
            return
        self._loop.remove_writer(self._to)
        self._loop.add_reader(self._from, self._readable)
        self._loop.call_soon(self._readable)

    def _end(self) -> None:
        self._ended = True
        if not self._over.done():
            self._over.set_result(None)


def _holds(source: socket.socket) -> bool:
    return isinstance(source, ssl.SSLSocket) and source.pending() > 0
