"""Back on the link after a gap in the network: real sockets, and something between that swallows."""

from __future__ import annotations

import asyncio
import time

import pytest

from device_agents.driver import peers as room
from device_agents.driver.peers import Peers
from device_agents.driver.watching import Watch
from device_agents.driver.ways import Ways
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Peer
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import open_data_port


class Gap:
    """A TCP proxy that can swallow: connections stay open and nothing passes, nor are new ones answered."""

    def __init__(self, target: int) -> None:
        self.target, self.heals_old = target, True
        self.open = asyncio.Event()
        self.open.set()
        self.connections: list[asyncio.Task[None]] = []
        self.forgotten: set[int] = set()

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.accepted, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def accepted(self, reader, writer) -> None:
        number = len(self.connections)
        self.connections.append(asyncio.current_task())
        await self.open.wait()
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self.pass_on(number, reader, back), self.pass_on(number, there, writer))

    async def pass_on(self, number, reader, writer) -> None:
        while more := await reader.read(65536):
            await self.open.wait()
            if number not in self.forgotten:
                writer.write(more)
        writer.close()

    def forget(self) -> None:
        """Be a network that has lost the state of its connections: what they carry is swallowed for ever."""
        self.forgotten.update(range(len(self.connections)))

    async def stop(self) -> None:
        self.server.close()
        for task in self.connections:
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)


def answering(link: Link, frame: Frame) -> None:
    if frame.kind is FrameKind.REQUEST:
        link.release(frame)
        link.post(Frame(FrameKind.REPLY, frame.request_id, attempt=frame.attempt), lambda error: None)


@pytest.fixture
async def far():
    async def describe():
        raise NotImplementedError

    server, bound = await open_data_port(
        "127.0.0.1:0", LinkHello("agent", "cloud"), answering, describe, on_open=lambda link: None
    )
    yield int(bound.rpartition(":")[2])
    await server.stop(0.1)


@pytest.fixture
async def gap(far):
    between = Gap(far)
    between.port = await between.start()
    yield between
    await between.stop()


@pytest.fixture
async def board(gap):
    hello = LinkHello("agent", "board")

    async def dialled(address: str) -> Link:
        return await dial(address, hello, lambda link, frame: None)

    peers = Peers(
        "board", Ways(dialled, None, lambda link: link.waiting > 0), lambda device: None, lambda device: None
    )
    watch = Watch(peers, lambda seen: None, lambda device, now: True)
    watching = asyncio.create_task(watch.run())
    peers.keep((Peer("cloud", (f"127.0.0.1:{gap.port}",)),))
    await until(lambda: peers.kept()["cloud"] is not None)
    yield peers
    watching.cancel()
    await asyncio.wait([watching])
    await peers.close()


async def until(true, within=8.0) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < within
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def answered(peers: Peers, within: float) -> None:
    """Ask until somebody answers, as requests would that come one after the other."""
    end = time.monotonic() + within
    for number in range(10_000):
        assert time.monotonic() < end, "not back in time"
        asked = asyncio.Event()
        link = peers.link("cloud")
        waiting = link.ask(
            Frame(FrameKind.REQUEST, f"{id(asked)}-{number}"),
            lambda frame, asked=asked: asked.set(),
            lambda error: None,
        )
        try:
            await asyncio.wait_for(asked.wait(), 0.1)
        except asyncio.TimeoutError:
            waiting.cancel()
        else:
            return


async def test_connections_that_a_network_forgot_are_replaced_within_three_seconds(board, gap) -> None:
    await answered(board, 2.0)
    first = board.link("cloud")
    gap.forget()
    begun = time.monotonic()
    await answered(board, 3.0)
    assert time.monotonic() - begun > room.SILENT / 2, "the old one was forgotten"
    assert board.link("cloud") is not first


async def test_after_a_gap_requests_pass_again_at_once(board, gap) -> None:
    await answered(board, 2.0)
    first = board.link("cloud")
    gap.open.clear()
    gap.forget()
    await asyncio.sleep(2.5)
    gap.open.set()
    await answered(board, 2.0)
    assert board.link("cloud") is not first, "what the first carries is swallowed for ever"
