"""One port, two languages: plain streams for who begins with the preface, gRPC for all others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lepton_edge.core.errors import InvalidInput, PortInUse, Unavailable
from lepton_edge.core.messages import Description
from lepton_edge.wire import dialling, front, rpc, streams
from lepton_edge.wire.preface import PREFACE
from lepton_edge.wire.sockets import HEAD


async def echo(stream: streams.ChunkStream) -> None:
    while chunk := await stream.read():
        await stream.write(chunk)


async def describe() -> Description:
    return Description("agent", "pi", "test", 1, 1)


@asynccontextmanager
async def opened(serve: streams.Serve = echo, bounds: front.Bounds | None = None) -> AsyncIterator[str]:
    handlers = [*streams.link_handlers(serve), *rpc.describe_handlers(describe)]
    port, address = await front.open_port("127.0.0.1:0", handlers, serve, bounds=bounds or front.Bounds())
    try:
        yield address
    finally:
        await port.stop(None)


def connected(address: str) -> socket.socket:
    connection = socket.create_connection(rpc.split_address(address))
    connection.setblocking(False)
    return connection


async def test_grpc_is_served_on_the_same_port() -> None:
    async with opened() as address:
        channel = rpc.open_channel(address)
        assert (await rpc.ControlStub(channel, address).describe()).name == "pi"
        await channel.close()
        stream = streams.DialledStream(address)
        for size in (1, 3_000_000):
            await stream.write(bytes(size))
            assert await stream.read() == bytes(size)
        await stream.close()


async def test_a_peer_that_speaks_grpc_only_is_found_out() -> None:
    server, address = await rpc.open_server("127.0.0.1:0", streams.link_handlers(echo))
    assert await front.dial(address) is None
    await server.stop(None)


@pytest.mark.parametrize("word", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", PREFACE[:5]])
async def test_who_answers_something_else_is_not_taken_for_one_of_ours(word: bytes) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(word)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    assert await front.dial(f"{host}:{port}") is None
    server.close()


async def test_a_network_that_swallows_the_preface_is_given_up_for_grpc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialling, "ANSWERED", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await front.dial(f"127.0.0.1:{silent.getsockname()[1]}") is None


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"^127.0.0.1:1: Connection refused"):
        await front.dial("127.0.0.1:1")
    with pytest.raises(Unavailable):
        await front.dial("no-such-host.invalid:8011")


async def test_the_first_words_may_dribble_and_their_silence_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front, "FIRST_WORDS", 0.3)
    loop = asyncio.get_running_loop()
    async with opened() as address:
        with connected(address) as slow, connected(address) as silent:
            for byte in PREFACE:
                await loop.sock_sendall(slow, bytes([byte]))
                await asyncio.sleep(0.005)
            assert await asyncio.wait_for(loop.sock_recv(slow, 64), 2) == PREFACE
            await loop.sock_sendall(slow, HEAD.pack(2, 0) + b"hi")
            assert await asyncio.wait_for(loop.sock_recv(slow, 64), 2) == HEAD.pack(2, 2) + b"hi"
            assert await asyncio.wait_for(loop.sock_recv(silent, 64), 2) == b""


async def test_what_is_neither_goes_to_grpc_which_ends_it() -> None:
    async with opened() as address:
        with connected(address) as strange:
            await asyncio.get_running_loop().sock_sendall(strange, b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                while await asyncio.wait_for(asyncio.get_running_loop().sock_recv(strange, 4096), 5):
                    pass


async def test_a_goodbye_arrives_though_the_other_side_was_still_sending() -> None:
    async def refuse(stream: streams.ChunkStream) -> None:
        await stream.read()
        await stream.write(b"no more")
        await stream.close()

    async with opened(refuse) as address:
        stream = await front.dial(address)
        assert stream is not None
        pouring = asyncio.create_task(pour(stream))
        assert await asyncio.wait_for(stream.read(), 2) == b"no more"
        assert await asyncio.wait_for(stream.read(), 2) is None
        with pytest.raises(Unavailable):
            await asyncio.wait_for(pouring, 2)


async def pour(stream: streams.ChunkStream) -> None:
    for _ in range(100):
        await stream.write(bytes(1 << 20))


async def test_more_connections_than_it_serves_are_turned_away() -> None:
    async with opened(bounds=front.Bounds(connections=2)) as address:
        kept = [await front.dial(address) for _ in range(2)]
        assert await front.dial(address) is None
        assert kept[0] is not None
        await kept[0].close()
        await asyncio.sleep(0.05)
        assert await front.dial(address) is not None


async def test_connections_for_grpc_are_bounded_by_themselves() -> None:
    loop = asyncio.get_running_loop()
    async with opened(bounds=front.Bounds(passed_on=1)) as address:
        with connected(address) as first, connected(address) as second:
            await loop.sock_sendall(first, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert await asyncio.wait_for(loop.sock_recv(first, 1), 2.0)
            await loop.sock_sendall(second, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(loop.sock_recv(second, 1), 2.0) == b""
            plain = await front.dial(address)
            assert plain is not None, "plain ones come in as before"
            await plain.close()
        await asyncio.sleep(0.1)
        channel = rpc.open_channel(address)
        assert (await rpc.ControlStub(channel, address).describe()).name == "pi", "and there is room again"
        await channel.close()


async def test_a_taken_port_and_a_strange_host_are_said_as_such() -> None:
    async with opened() as address:
        with pytest.raises(PortInUse):
            await front.open_port(address, [], echo, next_free=False)
        port, other = await front.open_port(address, [], echo)
        assert other != address
        await port.stop(None)
    with pytest.raises(InvalidInput):
        await front.open_port("203.0.113.7:0", [], echo)
    with pytest.raises(InvalidInput):
        await front.open_port("no-such-host.invalid:0", [], echo)


async def test_a_port_that_stops_lets_go_of_everybody() -> None:
    async with opened() as address:
        plain, grpc = await front.dial(address), streams.DialledStream(address)
        assert plain is not None
        await grpc.write(b"a")
        await grpc.read()
    assert await asyncio.wait_for(plain.read(), 2) is None
    with pytest.raises(Unavailable):
        await asyncio.wait_for(grpc.read(), 2)
    with pytest.raises(Unavailable):
        await front.dial(address)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6_is_an_address_like_any_other() -> None:
    try:
        port, address = await front.open_port("[::1]:0", [], echo)
    except InvalidInput:
        pytest.skip("no IPv6 loopback here")
    stream = await front.dial(address)
    assert stream is not None
    await stream.write(b"a")
    assert await stream.read() == b"a"
    await stream.close()
    await port.stop(None)
