"""The first words on a stream, and who closes it when they are not finished."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.links import LinkHello
from lepton_edge.link import handshake
from lepton_edge.wire import codec


class Stream:
    """A stream whose other end says `words`, and then nothing."""

    peer, secure, identity = "there:1", False, None

    def __init__(self, *words: bytes) -> None:
        self.words, self.written, self.closed = list(words), 0, False

    async def read(self) -> bytes:
        while not self.words:
            await asyncio.sleep(3600)
        return self.words.pop(0)

    async def write(self, head: codec.Chunk, *payload: codec.Chunk) -> None:
        self.written += 1

    async def close(self) -> None:
        self.closed = True


HELLO = LinkHello("agent", "board")


async def test_a_hello_is_answered() -> None:
    stream = Stream(codec.hello_chunk(LinkHello("agent", "cloud")))
    assert (await handshake.greet(stream, HELLO, 1.0)).name == "cloud"  # type: ignore[arg-type]
    assert not stream.closed


async def test_who_says_no_hello_in_time_is_left() -> None:
    stream = Stream()
    with pytest.raises(Unavailable, match="did not say hello"):
        await handshake.greet(stream, HELLO, 0.02)  # type: ignore[arg-type]
    assert stream.closed


async def test_who_gives_up_dialling_leaves_no_half_of_a_link_behind() -> None:
    stream = Stream()
    greeting = asyncio.create_task(handshake.greet(stream, HELLO, 5.0))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    greeting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await greeting
    assert greeting.cancelled()
    assert stream.closed
