"""A listening socket serves so many at a time, survives a lack of descriptors, and ends what it began."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from lepton_edge.wire import accepting
from lepton_edge.wire.accepting import Accepting


class Poor:
    """A listening socket whose process has no descriptors left, once."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening, self.refused = listening, 0

    def accept(self) -> Any:
        if not self.refused:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listening.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


def listening() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


async def come(one: Any) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, one.getsockname())
    return connection


async def word(connection: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 9), 2)


async def greet(connection: socket.socket, _where: Any) -> None:
    """Say a word and stay until ended."""
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(connection, b"hello")
        await asyncio.Event().wait()
    finally:
        connection.close()


async def test_so_many_at_a_time_and_all_are_ended() -> None:
    one = listening()
    serving = Accepting(one, "a test", 2, greet)
    guests = [await come(one) for _ in range(2)]
    assert [await word(guest) for guest in guests] == [b"hello", b"hello"]
    late = await come(one)
    assert await word(late) == b"", "there is no room"
    serving.stop()
    await serving.end()
    assert [await word(guest) for guest in guests] == [b"", b""]
    for guest in (*guests, late):
        guest.close()


async def test_without_descriptors_it_tries_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "NEW_TRY", 0.05)
    one: Any = Poor(listening())
    serving = Accepting(one, "a test", 2, greet)
    guest = await come(one)
    assert await word(guest) == b"hello"
    assert one.refused == 1
    serving.stop()
    await serving.end()
    guest.close()
