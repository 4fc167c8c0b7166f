"""A stream of chunks ends in two ways only: None after the last chunk, or Unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lepton_edge.core.errors import NotFound, Unavailable
from lepton_edge.wire import rpc, streams

Serve = Callable[[streams.ChunkStream], Awaitable[None]]


async def dialled(serve: Serve) -> tuple[streams.DialledStream, Callable[[], Awaitable[None]]]:
    server, address = await rpc.open_server("127.0.0.1:0", streams.link_handlers(serve))
    stream = streams.DialledStream(address)

    async def stop() -> None:
        await stream.close()
        await server.stop(None)

    return stream, stop


async def echo(stream: streams.ChunkStream) -> None:
    while chunk := await stream.read():
        await stream.write(chunk)


async def test_chunks_pass_untouched_both_ways() -> None:
    stream, stop = await dialled(echo)
    for chunk in (b"a", bytes(range(256)) * 4000):
        await stream.write(chunk)
        assert await stream.read() == chunk
    await stop()


async def test_the_end_is_none() -> None:
    async def once(stream: streams.ChunkStream) -> None:
        await stream.read()

    stream, stop = await dialled(once)
    await stream.write(b"a")
    assert await stream.read() is None
    await stop()


async def test_a_typed_error_of_the_server_is_raised_by_read() -> None:
    async def refuse(stream: streams.ChunkStream) -> None:
        await stream.read()
        raise NotFound("no such thing")

    stream, stop = await dialled(refuse)
    await stream.write(b"a")
    with pytest.raises(NotFound):
        await stream.read()
    await stop()


async def test_after_closing_here_reading_and_writing_are_unavailable() -> None:
    stream, stop = await dialled(echo)
    await stream.write(b"a")
    reading = asyncio.create_task(read_twice(stream))
    await asyncio.sleep(0.05)
    await stream.close()
    with pytest.raises(Unavailable):
        await reading
    with pytest.raises(Unavailable):
        await stream.write(b"b")
    await stop()


async def read_twice(stream: streams.DialledStream) -> None:
    await stream.read()
    await stream.read()


async def test_the_server_notices_a_dialler_that_is_gone() -> None:
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def wait(stream: streams.ChunkStream) -> None:
        try:
            while await stream.read() is not None:
                pass
            ended.set_result(None)
        except (Unavailable, asyncio.CancelledError) as error:
            ended.set_result(error)
            raise

    stream, stop = await dialled(wait)
    await stream.write(b"a")
    await asyncio.sleep(0.05)
    await stream.close()
    await asyncio.wait_for(ended, 2)
    await stop()
