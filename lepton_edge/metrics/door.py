"""The door on port 8002: GET /metrics, /livez and /readyz, and nothing else.

Law: a few lines of HTTP/1.1, bounded in connections, bytes and time; a connection is closed after its answer. Plain
text without authentication: it listens on loopback unless told otherwise. Where its usual port is taken it takes the
next free one of 8003 to 8009, then any: 8010 and 8011 are others'. It never stops a process: a door that cannot be
opened is said, and that is all.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from lepton_edge.core.config import METRICS_PORT
from lepton_edge.metrics.families import CONTENT_TYPE, Family, exposition

log = structlog.get_logger("metrics")

MOST = 16  # connections at a time
LONGEST = 8 << 10  # bytes of a request
PATIENCE = 5.0  # seconds for it to arrive, and for its answer to be taken
LAST_PORT = 8009  # of those to look at for a free one; the next are coordinators' and agents' own
OFF = -1
"""The port of no door."""
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Watched:
    """What is shown: the figures of now; why the process does not live or is not ready, "" where it is."""

    figures: Callable[[], list[Family]]
    not_alive: Callable[[], str] = lambda: ""
    not_ready: Callable[[], str] = lambda: ""


@dataclass
class Door:
    """An open door; `address` is where it truly is ("host:port"), "" for none."""

    address: str = ""
    _server: asyncio.Server | None = None

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), PATIENCE)


async def open_door(host: str, port: int, watched: Watched) -> Door:
    """Open the door on `port` of `host`; 0 for any, `OFF` for none; of the usual port also the next free one."""
    if port == OFF:
        return Door()
    answering = _Answering(watched)
    usual = port == METRICS_PORT
    for tried in [*range(port, LAST_PORT + 1), 0] if usual else [port]:
        try:
            server = await asyncio.start_server(answering.serve, host, tried, limit=LONGEST)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and usual:
                continue
            log.warning("no door for metrics", host=host, port=tried, error=error.strerror or str(error))
            return Door()
        bound = server.sockets[0].getsockname()
        return Door(f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}", server)
    return Door()


class _Answering:
    """Takes connections, a bounded number at a time."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer it; the connection is closed whatever happens."""
        self._open += 1
        try:
            if self._open <= MOST:
                await asyncio.wait_for(self._exchange(reader, writer), PATIENCE)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()  # who asks badly, slowly or too much, or does not read: nothing waits for it
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, _, rest = head.partition(" ")
        status, kind, body = self._answer(method, rest.split(" ", 1)[0].partition("?")[0])
        writer.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n".encode()
            + (b"" if method == "HEAD" else body)
        )
        await writer.drain()

    def _answer(self, method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, b"only GET\n"
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, exposition(self._watched.figures())
        if path in ("/livez", "/healthz"):
            return _told(self._watched.not_alive())
        if path == "/readyz":
            return _told(self._watched.not_alive() or self._watched.not_ready())
        return HTTPStatus.NOT_FOUND, PLAIN, b"there is /metrics, /livez and /readyz\n"


def _told(why: str) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
    return status, PLAIN, f"{why or 'ok'}\n".encode()
