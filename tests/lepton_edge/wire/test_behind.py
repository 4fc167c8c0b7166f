"""Behind a front: strangers who hold calls take no place from those who are known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lepton_edge.core.errors import LeptonError
from lepton_edge.core.identity import Role
from lepton_edge.core.messages import Description
from lepton_edge.wire import behind, front, rpc
from lepton_edge.wire.tls import Trust
from tests.certificates import authority

CALLS = 6


async def describe() -> Description:
    return Description("agent", "pi", "test", 1, 1)  # type: ignore[arg-type]


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@contextlib.asynccontextmanager
async def holding(address: str, who: Trust) -> AsyncIterator[None]:
    """Begin many calls, and say nothing."""
    channel: Any = rpc.open_channel(address, trust=who)
    begin = channel.stream_unary(f"/{rpc.CONTROL}/{rpc.DESCRIBE}")
    calls = [begin(silence()) for _ in range(4 * CALLS)]
    await channel.channel_ready()
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        for call in calls:
            call.cancel()
        await channel.close()


async def asked(address: str, who: Trust) -> str:
    channel = rpc.open_channel(address, trust=who)
    try:
        return (await rpc.ControlStub(channel, address).describe(3.0)).name
    finally:
        await channel.close()


@pytest.mark.parametrize("known", [False, True])
async def test_who_is_known_is_served_whatever_strangers_hold(known: bool) -> None:
    trust, app = authority().trust(Role.AGENT, "pi"), authority().trust(Role.CLIENT, "app")
    port, address = await front.open_port(
        "127.0.0.1:0", rpc.describe_handlers(describe), trust=trust, bounds=front.Bounds(calls=CALLS)
    )
    holder = app if known else authority().stranger()
    async with holding(address, holder):
        if known:  # or this test would show nothing
            with pytest.raises(LeptonError, match="limit"):
                await asked(address, app)
        else:
            assert await asked(address, app) == "pi"
            assert await asked(address, authority().stranger()) == "pi", (
                "one connection takes no other's place"
            )
    await port.stop(None)


def test_a_stranger_has_few_calls() -> None:
    assert behind.CALLS_OF_STRANGER <= 8
