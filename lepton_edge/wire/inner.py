"""Where gRPC's own server of a front listens, so that nobody but the front gets there.

Law: knows sockets and folders, not who is passed on. A socket of the file system that has no name any more: its folder
is this user's alone while gRPC makes it, and then both are removed. What is left is a descriptor of this process, which
no other user of the machine may look at. Elsewhere than on Linux the folder stays until the end; where the system has
no such sockets (Windows), or none can be made, it is a port of the loopback, which others of this machine may dial:
they are nobody there, and take places.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import structlog

from lepton_edge.wire import rpc
from lepton_edge.wire.passing import prepare

log = structlog.get_logger("wire")

FOLDERS = (Path("/tmp"), Path("/dev/shm"))
"""Where a folder of one's own can be made, and its name is short: a path of a socket has some 100 letters."""
_HERE = "127.0.0.1"
_TRIES, _PAUSE = 500, 0.01
_LINUX = sys.platform == "linux"


class Inner:
    """Where a server listens. Close it when the server has stopped."""

    def __init__(self, target: Any, folder: Path | None = None, held: int = -1) -> None:
        self.target, self._folder, self._held = target, folder, held

    @property
    def is_private(self) -> bool:
        """Whether no other user of this machine can come here."""
        return isinstance(self.target, str)

    @contextlib.contextmanager
    def connection(self) -> Iterator[tuple[socket.socket, str]]:
        """Yield a socket that is to be connected to `target`, and its name, as gRPC tells who called."""
        family = socket.AF_UNIX if self.is_private else socket.AF_INET
        with contextlib.ExitStack() as undo:
            made = undo.enter_context(contextlib.closing(socket.socket(family, socket.SOCK_STREAM)))
            made.setblocking(False)
            if not self.is_private:
                prepare(made)
                made.bind((_HERE, 0))  # here, so that nobody else's connection has this port meanwhile
                yield made, rpc.join_address(*made.getsockname()[:2])
            elif _LINUX:
                made.bind("")  # the system gives a name that nobody else has
                yield made, made.getsockname()[1:].decode("ascii")
            else:
                assert self._folder is not None
                path = self._folder / secrets.token_hex(4)
                made.bind(str(path))
                undo.callback(path.unlink, missing_ok=True)
                yield made, str(path)

    async def reach(self, connection: socket.socket) -> None:
        """Connect a socket that `connection` gave; raises OSError."""
        if not self.is_private:
            await asyncio.get_running_loop().sock_connect(connection, self.target)
            return
        for _ in range(_TRIES):
            with contextlib.suppress(
                BlockingIOError
            ):  # more wait there than may; nothing says when there is room
                connection.connect(self.target)
                return
            await asyncio.sleep(_PAUSE)
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def close(self) -> None:
        """Leave nothing behind."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        if self._folder is not None:
            _remove(self._folder)


async def open_inner(
    handlers: rpc.Handlers, *, calls: int = rpc.MAX_CALLS, streams: int = 0
) -> tuple[grpc.aio.Server, Inner]:
    """Start a server as `rpc.open_server` does, at a place of its own; return it and where that is."""
    for folder in FOLDERS if hasattr(socket, "AF_UNIX") else ():
        with contextlib.suppress(OSError, RuntimeError):  # gRPC's own where it cannot listen
            return await _listening(folder, handlers, calls, streams)
    log.info("gRPC listens on the loopback behind a port: others of this machine may take its places")
    server, where = await rpc.open_server(f"{_HERE}:0", handlers, calls=calls, streams=streams)
    return server, Inner(rpc.split_address(where))


async def _listening(
    parent: Path, handlers: rpc.Handlers, calls: int, streams: int
) -> tuple[grpc.aio.Server, Inner]:
    folder = parent / f"lepton-edge-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, folder)
        server = await rpc.open_unix_server(folder / "grpc", handlers, calls=calls, streams=streams)
        if not _LINUX:
            undo.pop_all()
            return server, Inner(str(folder / "grpc"), folder)
        held = os.open(folder / "grpc", os.O_PATH | os.O_CLOEXEC)
        return server, Inner(f"/proc/self/fd/{held}", held=held)


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for left in folder.iterdir():
            left.unlink(missing_ok=True)
        folder.rmdir()
