"""A stream of chunks ends in two ways only: None after the last chunk, or Unavailable; whatever it goes by."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from lepton_edge.core.errors import NotFound, Unavailable
from lepton_edge.wire import front, near_door, rpc, streams

Dialled = Callable[[streams.Serve], AbstractAsyncContextManager[streams.ChunkStream]]


@asynccontextmanager
async def by_grpc(serve: streams.Serve) -> AsyncIterator[streams.ChunkStream]:
    server, address = await rpc.open_server("127.0.0.1:0", streams.link_handlers(serve))
    stream = streams.DialledStream(address)
    try:
        yield stream
    finally:
        await stream.close()
        await server.stop(None)


@asynccontextmanager
async def by_tcp(serve: streams.Serve) -> AsyncIterator[streams.ChunkStream]:
    port, address = await front.open_port("127.0.0.1:0", [], serve)
    stream = await front.dial(address)
    assert stream is not None
    try:
        yield stream
    finally:
        await stream.close()
        await port.stop(None)


@pytest.fixture(params=["grpc", "near", "tcp"])
def dialled(request: pytest.FixtureRequest, tmp_path: Path) -> Dialled:
    """Open a stream to what `serve` makes of it, by each implementation in turn."""

    @asynccontextmanager
    async def by_socket(serve: streams.Serve) -> AsyncIterator[streams.ChunkStream]:
        door = near_door.open_door(tmp_path, serve)
        assert door is not None
        stream = await near_door.dial(door.path)
        try:
            yield stream
        finally:
            await stream.close()
            await door.close()

    if request.param == "near" and not hasattr(socket, "AF_UNIX"):
        pytest.skip("no Unix sockets here")
    return {"grpc": by_grpc, "near": by_socket, "tcp": by_tcp}[request.param]


async def echo(stream: streams.ChunkStream) -> None:
    while chunk := await stream.read():
        await stream.write(chunk)


async def test_chunks_pass_untouched_both_ways(dialled: Dialled) -> None:
    async with dialled(echo) as stream:
        for chunk in (b"a", bytes(range(256)) * 4000):
            await stream.write(chunk)
            assert await stream.read() == chunk


async def test_a_chunk_in_pieces_arrives_as_one(dialled: Dialled) -> None:
    pieces = [bytes([index % 251]) * (index * 37) for index in range(200)]
    async with dialled(echo) as stream:
        await stream.write(b"head", memoryview(b"payload"), bytearray(b"more"), *pieces)
        assert await stream.read() == b"headpayloadmore" + b"".join(pieces)


async def test_the_end_is_none(dialled: Dialled) -> None:
    async def once(stream: streams.ChunkStream) -> None:
        await stream.read()

    async with dialled(once) as stream:
        await stream.write(b"a")
        assert await stream.read() is None


async def test_a_typed_error_of_the_server_is_raised_by_read() -> None:
    """Over gRPC; by a local socket a link says its errors itself, in a goodbye."""

    async def refuse(stream: streams.ChunkStream) -> None:
        await stream.read()
        raise NotFound("no such thing")

    async with by_grpc(refuse) as stream:
        await stream.write(b"a")
        with pytest.raises(NotFound):
            await stream.read()


async def test_after_closing_here_reading_and_writing_are_unavailable(dialled: Dialled) -> None:
    async with dialled(echo) as stream:
        await stream.write(b"a")
        reading = asyncio.create_task(read_twice(stream))
        await asyncio.sleep(0.05)
        await stream.close()
        with pytest.raises(Unavailable):
            await reading
        with pytest.raises(Unavailable):
            await stream.write(b"b")


async def read_twice(stream: streams.ChunkStream) -> None:
    await stream.read()
    await stream.read()


async def test_the_server_notices_a_dialler_that_is_gone(dialled: Dialled) -> None:
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def wait(stream: streams.ChunkStream) -> None:
        try:
            while await stream.read() is not None:
                pass
            ended.set_result(None)
        except (Unavailable, asyncio.CancelledError) as error:
            ended.set_result(error)
            raise

    async with dialled(wait) as stream:
        await stream.write(b"a")
        await asyncio.sleep(0.05)
        await stream.close()
        await asyncio.wait_for(ended, 2)


async def test_a_writer_waits_for_a_reader_that_does_not_read(dialled: Dialled) -> None:
    """What is under way is bounded: neither side holds what the other does not take."""
    go = asyncio.Event()
    read: list[int] = []

    async def slow(stream: streams.ChunkStream) -> None:
        await go.wait()
        while (chunk := await stream.read()) is not None:
            read.append(len(chunk))

    async def pour(stream: streams.ChunkStream) -> None:
        for _ in range(64):
            await stream.write(bytes(1 << 20))

    async with dialled(slow) as stream:
        pouring = asyncio.create_task(pour(stream))
        await asyncio.sleep(0.3)
        assert not pouring.done()
        go.set()
        await asyncio.wait_for(pouring, 10)
        await stream.write(b"last")
        for _ in range(200):
            if read[-1:] == [4]:
                break
            await asyncio.sleep(0.02)
        assert read == [1 << 20] * 64 + [4]


async def test_a_cancelled_writer_leaves_whole_chunks_or_a_broken_stream(dialled: Dialled) -> None:
    """A chunk is never cut short in the middle of a stream that goes on."""
    go = asyncio.Event()
    read: list[bytes] = []

    async def slow(stream: streams.ChunkStream) -> None:
        await go.wait()
        with contextlib.suppress(Unavailable):
            while (chunk := await stream.read()) is not None:
                read.append(bytes(chunk))

    async def pour(stream: streams.ChunkStream) -> None:
        for index in range(64):
            await asyncio.wait_for(stream.write(bytes([index]) * (1 << 20)), 0.2)

    async with dialled(slow) as stream:
        with pytest.raises(asyncio.TimeoutError):
            await pour(stream)
        go.set()
        with contextlib.suppress(Unavailable):
            await stream.write(b"last")
        await asyncio.sleep(0.5)
        assert all(len(chunk) == 1 << 20 and len(set(chunk)) == 1 for chunk in read if chunk != b"last")
