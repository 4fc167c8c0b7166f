"""The standard's health check, asked as its own stubs would ask: by bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from lepton_edge.core.identity import Role
from lepton_edge.wire import front, health, introduction, rpc
from tests.certificates import authority

SERVICE = "lepton_edge.wire.v1.Data"


class Process:
    """What is asked about."""

    works = True


@pytest.fixture
async def process() -> AsyncIterator[tuple[Process, Any]]:
    made = Process()
    server, address = await rpc.open_server(
        "127.0.0.1:0", health.health_handlers((SERVICE,), lambda: made.works)
    )
    async with rpc.open_channel(address) as channel:
        yield made, channel
    await server.stop(None)


def request(service: str) -> bytes:
    return b"\x0a" + bytes([len(service)]) + service.encode() if service else b""


async def check(channel: Any, service: str) -> bytes:
    answer: bytes = await channel.unary_unary("/grpc.health.v1.Health/Check")(request(service), timeout=10)
    return answer


async def test_it_says_whether_it_serves(process: tuple[Process, Any]) -> None:
    made, channel = process
    assert await check(channel, "") == await check(channel, SERVICE) == b"\x08\x01"
    made.works = False
    assert await check(channel, "") == b"\x08\x02"


@pytest.mark.parametrize("odd", [request("other"), b"\x0a\xff", b"\x12\x00", b"\x0a" * 500])
async def test_a_service_that_is_not_here_is_not_found(process: tuple[Process, Any], odd: bytes) -> None:
    _, channel = process
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/grpc.health.v1.Health/Check")(odd, timeout=10)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_who_watches_is_told_of_changes(
    process: tuple[Process, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, channel = process
    monkeypatch.setattr(health, "LOOK", 0.01)
    watched = channel.unary_stream("/grpc.health.v1.Health/Watch")(request(SERVICE), timeout=10)
    assert await watched.read() == b"\x08\x01"
    made.works = False
    assert await watched.read() == b"\x08\x02"
    watched.cancel()
    unknown = channel.unary_stream("/grpc.health.v1.Health/Watch")(request("other"), timeout=10)
    assert await unknown.read() == b"\x08\x03"
    unknown.cancel()


async def test_watchers_are_bounded(process: tuple[Process, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, channel = process
    monkeypatch.setattr(health, "MOST_WATCHERS", 1)
    first = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
    assert await first.read() == b"\x08\x01"
    second = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.read()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    first.cancel()
    await asyncio.gather(first.code(), return_exceptions=True)


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_over_tls_a_stranger_hears_nothing(method: str) -> None:
    """And takes none of the places of those who watch."""
    ours = authority()
    port, address = await front.open_port(
        "127.0.0.1:0", health.health_handlers((SERVICE,)), trust=ours.trust(Role.AGENT, "pi")
    )
    try:
        stranger = introduction.believing(ours.trust(Role.CLIENT, "app", ("net",)).credentials.authority)
        async with rpc.open_channel(address, trust=stranger) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await _first(channel, method)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        async with rpc.open_channel(address, trust=ours.trust(Role.CLIENT, "app", ("net",))) as channel:
            assert await _first(channel, method) == b"\x08\x01"
    finally:
        await port.stop(None)


async def _first(channel: Any, method: str) -> bytes:
    path = f"/grpc.health.v1.Health/{method}"
    if method == "Check":
        return await channel.unary_unary(path)(b"", timeout=10)  # type: ignore[no-any-return]
    async for told in channel.unary_stream(path)(b"", timeout=10):
        return told  # type: ignore[no-any-return]
    return b""
