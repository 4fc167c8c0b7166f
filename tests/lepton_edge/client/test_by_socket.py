"""The client takes the local socket of an entry on its own machine, and gRPC where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import AsyncClient, reply
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description
from lepton_edge.link import near
from lepton_edge.link.link import Link
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc
from lepton_edge.wire.near_door import NearDoor

X = {"x": np.arange(4, dtype=np.float32)}


class Agent:
    """An entry with both doors; counts the requests that came in by each."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.came = {"grpc": 0, "near": 0}
        self.told = ""
        self.door: NearDoor | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async def describe() -> Description:
            return Description("agent", "pi", "0.1.0", PROTOCOL_MAJOR, PROTOCOL_MINOR, near=self.told)

        async def by_grpc(link: Link, frame: Frame) -> None:
            await self.answer("grpc", link, frame)

        async def by_socket(link: Link, frame: Frame) -> None:
            await self.answer("near", link, frame)

        hello = LinkHello("agent", "pi")
        self.door = near.open_door(self.state, hello, by_socket, lambda link: None)
        assert self.door is not None
        self.told = self.door.path
        server, address = await rpc.open_server("127.0.0.1:0", link_handlers(hello, by_grpc, describe))
        yield address
        await self.door.close()
        await server.stop(None)

    async def answer(self, how: str, link: Link, frame: Frame) -> None:
        if frame.kind is FrameKind.REQUEST:
            self.came[how] += 1
            await link.send(reply(frame, {"y": np.frombuffer(frame.tensors[0].payload, np.float32) * 2}))


@pytest.mark.parametrize(("wish", "expected"), [(None, "near"), (True, "near"), (False, "grpc")])
async def test_an_entry_here_is_asked_by_its_socket_unless_told_otherwise(
    tmp_path: Path, wish: bool | None, expected: str
) -> None:
    agent = Agent(tmp_path)
    async with agent.running() as address:
        async with AsyncClient(transport=RemoteTransport(address, near=wish)) as client:
            result = await client.infer("double", X)
        assert np.array_equal(result.outputs["y"], X["x"] * 2)
    assert agent.came == {"grpc": 0, "near": 0} | {expected: 1}


@pytest.mark.parametrize("told", ["", "/nowhere/at/all", "/etc/passwd"])
async def test_where_there_is_no_socket_grpc_serves_silently(tmp_path: Path, told: str) -> None:
    agent = Agent(tmp_path)
    async with agent.running() as address:
        agent.told = told
        async with AsyncClient(address) as client:
            await client.infer("double", X)
        assert agent.came == {"grpc": 1, "near": 0}
        async with AsyncClient(transport=RemoteTransport(address, near=True)) as client:
            with pytest.raises(Unavailable):
                await client.infer("double", X)


async def test_a_socket_that_is_gone_costs_no_answer(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    async with agent.running() as address, AsyncClient(address) as client:
        await client.infer("double", X)
        assert agent.door is not None
        await agent.door.close()
        await client.infer("double", X)
        assert agent.came == {"grpc": 1, "near": 1}
