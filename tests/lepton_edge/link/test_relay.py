"""Tunnels through a relay over real connections: what goes through, what is refused, how they end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from lepton_edge.core.errors import InvalidInput, LeptonError, Overloaded, PermissionDenied, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link import relay
from lepton_edge.link.link import Link, dial
from lepton_edge.link.relay import Tunnels
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc, tensors

numbers = itertools.count()


def request(size: int, **fields: Any) -> Frame:
    packed = (tensors.pack("x", np.arange(size, dtype=np.uint8)),)
    return Frame(FrameKind.REQUEST, f"{next(numbers):032x}", tensors=packed, **fields)  # type: ignore[arg-type]


class Peer:
    """An agent's data port: answers requests with what came, and takes part in tunnels."""

    def __init__(
        self, name: str, *, forwards: bool = False, minor: int = 1, limits: Limits | None = None
    ) -> None:
        self.hello = LinkHello("agent", name, "test", protocol_minor=minor)
        self.limits = limits
        self.links: dict[str, Link] = {}
        self.through: asyncio.Queue[Link] = asyncio.Queue()
        self.tunnels = Tunnels(self._link_to, self._serve, forwards)
        self.paused = asyncio.Event()
        self.paused.set()
        self.address = ""

    def _link_to(self, device: str) -> Link:
        if device not in self.links or self.links[device].closed.is_set():
            raise Unavailable(f"no link with {device}", "it dials the relay")
        return self.links[device]

    async def _serve(self, stream: Any) -> None:
        link = Link(stream, self.hello, self.handle, self.limits)
        await link.open()
        self.through.put_nowait(link)
        await link.over()

    async def handle(self, link: Link, frame: Frame) -> None:
        if frame.kind is FrameKind.TUNNEL:
            await self.tunnels.handle(link, frame)
        elif frame.kind is FrameKind.REQUEST:
            await self.paused.wait()
            await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))

    async def listen(self) -> Any:
        async def describe() -> Description:
            return Description("agent", self.hello.name, "test", 1, 1)

        def opened(link: Link) -> None:
            self.links[link.peer.name] = link

        handlers = link_handlers(self.hello, self.handle, describe, on_open=opened, limits=self.limits)
        server, self.address = await rpc.open_server("127.0.0.1:0", handlers)
        return server

    async def dial(self, other: Peer) -> Link:
        link = await dial(other.address, self.hello, self.handle, self.limits)
        self.links[link.peer.name] = link
        return link

    async def dial_through(self, middle: str, device: str) -> Link:
        stream = await self.tunnels.open(self.links[middle], device)  # type: ignore[arg-type]
        link = Link(stream, self.hello, self.handle, self.limits)
        await link.open()
        return link


@contextlib.asynccontextmanager
async def meeting(
    *, forwards: bool = True, board: Peer | None = None, cloud: Peer | None = None
) -> AsyncIterator[tuple[Peer, Peer, Peer]]:
    """A board and a cloud that have dialled a relay, and no other way."""
    middle = Peer("middle", forwards=forwards)
    board, cloud = board or Peer("board"), cloud or Peer("cloud")
    server = await middle.listen()
    try:
        await board.dial(middle)
        await cloud.dial(middle)
        await until(lambda: len(middle.links) == 2)
        yield board, middle, cloud
    finally:
        for peer in (board, cloud, middle):
            await peer.tunnels.close()
            for link in list(peer.links.values()):
                await link.close()
        await server.stop(None)


async def until(condition: Any, seconds: float = 5.0) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not come to pass"
        await asyncio.sleep(0.005)


async def test_two_that_cannot_dial_each_other_talk_bit_for_bit() -> None:
    async with meeting() as (board, middle, cloud):
        link = await board.dial_through("middle", "cloud")
        assert link.peer.name == "cloud"
        for size in (0, 1000, 600_000, 3_000_000):
            frame = request(size)
            reply = await link.request(frame, 5)
            assert bytes(reply.tensors[0].payload) == bytes(frame.tensors[0].payload)
        back = await cloud.through.get()
        assert back.peer.name == "board"
        assert (await back.request(request(1000), 5)).kind is FrameKind.REPLY
        assert len(middle.tunnels) == 1
        assert [middle.tunnels.carried(one) for one in middle.links.values()] == [1, 1]
        assert board.tunnels.carried(board.links["middle"]) == 1
        await link.close()
        await until(lambda: len(middle.tunnels) == 0 and back.closed.is_set())
        assert len(board.tunnels) == len(cloud.tunnels) == 0


async def test_many_requests_at_once_keep_every_chunk_in_order() -> None:
    async with meeting() as (board, _, _):
        link = await board.dial_through("middle", "cloud")
        sizes = [1_000, 700_000, 30, 1_500_000, 90_000] * 4
        frames = [request(size) for size in sizes]
        replies = await asyncio.gather(*(link.request(frame, 20) for frame in frames))
        for frame, reply in zip(frames, replies, strict=True):
            assert bytes(reply.tensors[0].payload) == bytes(frame.tensors[0].payload)


async def test_who_is_met_must_be_whom_the_relay_names() -> None:
    async with meeting() as (board, _, cloud):
        board.hello = dataclasses.replace(board.hello, name="laptop")
        link = await board.dial_through(
            "middle", "cloud"
        )  # the far end speaks first, and then hears who it is
        await asyncio.wait_for(link.closed.wait(), 5)
        assert isinstance(link.error, PermissionDenied)
        assert cloud.through.empty()


async def test_nobody_there_is_said_by_the_relay() -> None:
    async with meeting() as (board, middle, _):
        with pytest.raises(Unavailable, match="no link with laptop"):
            await board.dial_through("middle", "laptop")
        assert len(board.tunnels) == len(middle.tunnels) == 0


async def test_who_does_not_forward_says_so() -> None:
    async with meeting(forwards=False) as (board, _, _):
        with pytest.raises(Unavailable, match="forwards for nobody") as told:
            await board.dial_through("middle", "cloud")
        assert "--relay" in told.value.hint


async def test_a_far_end_of_protocol_1_0_is_never_sent_a_tunnel() -> None:
    async with meeting(cloud=Peer("cloud", minor=0)) as (board, _, cloud):
        with pytest.raises(Unavailable, match="too old"):
            await board.dial_through("middle", "cloud")
        assert not cloud.links["middle"].closed.is_set()


async def test_a_client_cannot_have_itself_forwarded() -> None:
    app = Peer("app")
    app.hello = LinkHello("client", "app")
    async with meeting(board=app) as (board, _, _):
        with pytest.raises(InvalidInput, match="client"):
            await board.dial_through("middle", "cloud")


async def test_tunnels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with meeting() as (board, middle, _):
        monkeypatch.setattr(relay, "MOST_OF_LINK", 3)
        for _ in range(3):
            await board.dial_through("middle", "cloud")
        with pytest.raises(Overloaded):
            await board.dial_through("middle", "cloud")
        assert len(middle.tunnels) == 3


@pytest.mark.parametrize("who", ["board", "cloud"])
async def test_the_links_of_a_lost_carrier_end_at_once_for_both(who: str) -> None:
    async with meeting() as (board, middle, cloud):
        link = await board.dial_through("middle", "cloud")
        back = await cloud.through.get()
        cloud.paused.clear()
        asked = asyncio.create_task(link.request(request(10)))
        await asyncio.sleep(0.05)
        await middle.links[who].close()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(asked, 2)
        await until(lambda: link.closed.is_set() and back.closed.is_set(), 1.0)
        assert len(middle.tunnels) == len(board.tunnels) == len(cloud.tunnels) == 0


async def test_a_tunnel_that_nobody_knows_is_ended_and_hurts_nobody() -> None:
    async with meeting() as (board, middle, _):
        link = await board.dial_through("middle", "cloud")
        stray = Frame(FrameKind.TUNNEL, "stray", tensors=request(10).tensors)  # type: ignore[arg-type]
        await board.links["middle"].send(stray)
        await board.links["middle"].send(Frame(FrameKind.TUNNEL, "bare"))  # type: ignore[arg-type]
        assert (await link.request(request(10), 5)).kind is FrameKind.REPLY
        assert len(middle.tunnels) == 1


async def test_who_gives_up_while_it_opens_leaves_nothing_behind() -> None:
    async with meeting() as (board, middle, cloud):
        held = asyncio.Event()

        async def silent(link: Link, frame: Frame) -> None:
            await held.wait()

        cloud.tunnels.handle = silent  # type: ignore[method-assign]
        opening = asyncio.create_task(board.dial_through("middle", "cloud"))
        await until(lambda: len(middle.tunnels) == 1)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        await until(lambda: len(middle.tunnels) == 0, 1.0)
        assert len(board.tunnels) == 0
        held.set()


@pytest.mark.parametrize("who", ["the far end's link", "the far end"])
async def test_nobody_holds_more_than_a_window_for_an_end_that_does_not_read(who: str) -> None:
    async with meeting() as (board, middle, cloud):
        taken = asyncio.Event()

        async def stuck(*_: Any) -> None:
            await taken.wait()

        if who == "the far end":
            cloud._serve = stuck  # type: ignore[method-assign]
            cloud.tunnels = Tunnels(cloud._link_to, stuck)
        stream = await board.tunnels.open(board.links["middle"], "cloud")  # type: ignore[arg-type]
        if who == "the far end's link":
            cloud.tunnels.handle = stuck  # type: ignore[method-assign]
        written = 0

        async def pour() -> None:
            nonlocal written
            with contextlib.suppress(LeptonError):
                while True:
                    await stream.write(bytes(1 << 20))
                    written += 1 << 20

        pouring = asyncio.create_task(pour())
        await asyncio.sleep(1.5)
        window = board.hello.window_bytes
        assert written <= 2 * window + (4 << 20)  # the relay's window, and the far end's
        held = written
        await asyncio.sleep(0.2)
        assert written == held, "it did not stop"
        pouring.cancel()
        taken.set()
