"""Bytes between two sockets, both ways."""

from __future__ import annotations

import asyncio
import socket

import pytest

from lepton_edge.wire.passing import pass_on


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setblocking(False)
    return ours, theirs


async def received(connection: socket.socket, size: int) -> bytes:
    came = b""
    while len(came) < size:
        came += await asyncio.get_running_loop().sock_recv(connection, 1 << 16)
    return came


async def test_much_passes_both_ways_at_once_and_an_end_ends_it() -> None:
    loop = asyncio.get_running_loop()
    (left, inner_left), (inner_right, right) = pair(), pair()
    passing = asyncio.create_task(pass_on(inner_left, inner_right))
    there, back = bytes(range(256)) * 10_000, bytes(range(255, -1, -1)) * 10_000
    sending = asyncio.gather(loop.sock_sendall(left, there), loop.sock_sendall(right, back))
    assert await asyncio.gather(received(right, len(there)), received(left, len(back))) == [there, back]
    await sending
    await loop.sock_sendall(left, b"the last word")
    left.close()
    await asyncio.wait_for(passing, 5.0)
    assert await received(right, 13) == b"the last word"
    for one in (inner_left, inner_right, right):
        one.close()


async def test_it_can_be_cancelled_and_watches_nothing_then() -> None:
    (left, inner_left), (inner_right, right) = pair(), pair()
    passing = asyncio.create_task(pass_on(inner_left, inner_right))
    await asyncio.sleep(0)
    passing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passing
    loop = asyncio.get_running_loop()
    assert not loop.remove_reader(inner_left.fileno())
    assert not loop.remove_reader(inner_right.fileno())
    for one in (left, inner_left, inner_right, right):
        one.close()
