"""Peers that break the protocol: each is told why and left, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link import alive
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import codec, rpc, streams
from tests.lepton_edge.link.test_link import AGENT, CLIENT, describe, echo, ignore, request

SMALL = dataclasses.replace(AGENT, window_frames=4, window_bytes=100_000, max_frame_bytes=50_000)
EVIL = LinkHello("client", "evil", checksums=codec.CHECKSUMS)
Evil = Callable[[streams.DialledStream], Awaitable[None]]


class Victim:
    """A server with one good peer; its links with others."""

    def __init__(self, address: str, good: Link, links: list[Link]) -> None:
        self.address, self.good, self.links = address, good, links

    async def dialled_by(self, evil: Evil, hello: LinkHello = EVIL) -> list[object]:
        """Let `evil` talk after the hello; return what it hears until the stream ends."""
        stream = streams.DialledStream(self.address)
        await stream.write(codec.hello_chunk(hello))
        await stream.read()
        talk = asyncio.create_task(evil(stream))
        heard = await asyncio.wait_for(everything(stream), 5)
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
        await stream.close()
        return heard


async def everything(stream: streams.DialledStream) -> list[object]:
    reader = codec.Decoder(codec.FrameLimits(), bool(codec.CHECKSUMS))
    heard: list[object] = []
    with contextlib.suppress(Unavailable):
        while (chunk := await stream.read()) is not None:
            heard.append(reader.feed(chunk))
    return heard


async def hold(link: Link, frame: Frame) -> None:
    if frame.model == "held":
        await asyncio.sleep(30)
    await echo(link, frame)


@contextlib.asynccontextmanager
async def victim(hello: LinkHello = SMALL) -> AsyncIterator[Victim]:
    links: list[Link] = []
    handlers = link_handlers(hello, hold, describe, on_open=links.append)
    server, address = await rpc.open_server("127.0.0.1:0", handlers)
    good = await dial(address, CLIENT, ignore)
    try:
        yield Victim(address, good, links)
        assert (await good.request(request(100), 2)).kind is FrameKind.REPLY, "nobody else notices"
        await good.close()
    finally:
        await server.stop(None)


def chunks(frame: Frame, number: int = 1, chunk: int = codec.CHUNK) -> list[bytes]:
    return [one for one, _ in codec.chunks(frame, number, codec.Writing(chunk, bool(codec.CHECKSUMS)))]


async def floods(stream: streams.DialledStream) -> None:
    for number in range(10):
        for chunk in chunks(request(10, model="held"), number):
            await stream.write(chunk)


async def damages(stream: streams.DialledStream) -> None:
    (chunk,) = chunks(request(1000))
    await stream.write(chunk[:-1] + bytes([chunk[-1] ^ 1]))


async def babbles(stream: streams.DialledStream) -> None:
    await stream.write(b"\x00" * 100)


async def greets_again(stream: streams.DialledStream) -> None:
    await stream.write(codec.hello_chunk(EVIL))


async def repeats(stream: streams.DialledStream) -> None:
    first, *_ = chunks(request(1000), chunk=100)
    await stream.write(first)
    await stream.write(first)


async def reorders(stream: streams.DialledStream) -> None:
    first, second, third, *_ = chunks(request(1000), chunk=100)
    for chunk in (first, third, second):
        await stream.write(chunk)


async def half_sends(stream: streams.DialledStream) -> None:
    for number in range(2000):
        await stream.write(chunks(request(40_000), number, chunk=100)[0])


async def invents(stream: streams.DialledStream) -> None:
    await stream.write(codec.ack_chunk(codec.Ack(1 << 40, 0), bool(codec.CHECKSUMS)))


async def grants(stream: streams.DialledStream) -> None:
    credit = Frame(FrameKind.CREDIT, "", credit_frames=5, credit_bytes=5)  # type: ignore[arg-type]
    for chunk in chunks(credit):
        await stream.write(chunk)


@pytest.mark.parametrize(
    "evil",
    [floods, babbles, greets_again, repeats, reorders, half_sends, invents, grants]
    + [damages] * bool(codec.CHECKSUMS),
)
async def test_who_breaks_the_protocol_is_told_why_and_left(evil: Evil) -> None:
    async with victim() as one:
        *_, last = await one.dialled_by(evil)
        assert isinstance(last, WireError)
        assert last.code == CorruptFrame.code
        await asyncio.wait_for(one.links[-1].closed.wait(), 2)
        assert one.links[-1]._decoder.open_bytes <= SMALL.window_bytes + (4 << 20)


async def test_who_dribbles_is_told_why_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "PATIENCE", 0.5)

    async def dribbles(stream: streams.DialledStream) -> None:
        for chunk in chunks(request(1000), chunk=1):
            await stream.write(chunk)
            await asyncio.sleep(0.05)

    async with victim() as one:
        *_, last = await one.dialled_by(dribbles)
        assert isinstance(last, WireError)
        assert "bytes a second" in last.message


async def test_who_never_acknowledges_is_told_why_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "UNANSWERED", 0.3)

    async def asks(stream: streams.DialledStream) -> None:
        for number in range(100):
            await stream.write(chunks(request(100), number)[0])
            await asyncio.sleep(0.02)

    async with victim() as one:
        *_, last = await one.dialled_by(asks)
        assert isinstance(last, WireError)
        assert "acknowledge" in last.message


async def test_who_asks_and_reads_nothing_is_left_with_little_in_memory() -> None:
    """Its answers wait here: credits stop, so that it cannot ask for more, and silence ends it."""
    limits = Limits(suspect_after=0.3, lost_after=0.6, slowest=1e9, queue_bytes=200_000)  # type: ignore[arg-type]
    links: list[Link] = []
    server, address = await rpc.open_server(
        "127.0.0.1:0", link_handlers(SMALL, echo, describe, on_open=links.append, limits=limits)
    )
    stream = streams.DialledStream(address)
    await stream.write(codec.hello_chunk(EVIL))
    await stream.read()
    for number in range(4):  # its window
        for chunk in chunks(request(25_000), number):
            await stream.write(chunk)
    await asyncio.wait_for(links[0].closed.wait(), 5)
    assert links[0]._state.outbox.size <= 4 * limits.queue_bytes
    await stream.close()
    await server.stop(None)


# --- neighbouring versions ----------------------------------------------------------------------------


@pytest.mark.parametrize("minors", [(0, 1), (1, 0), (0, 0), (1, 1)])
async def test_a_peer_of_protocol_1_0_is_never_sent_what_it_does_not_know(
    minors: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(Link, "_take", listening_in(heard))
    near, far = (dataclasses.replace(AGENT, protocol_minor=minor) for minor in minors)
    handlers = link_handlers(far, echo, describe)
    server, address = await rpc.open_server("127.0.0.1:0", handlers)
    link = await dial(address, near, ignore)
    replies = await asyncio.gather(*(link.request(request(size), 5) for size in (0, 1000, 3_000_000, 90_000)))
    assert [sum(len(t.payload) for t in one.tensors) for one in replies] == [0, 1000, 3_000_000, 90_000]
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(link.request(request(8_000_000, model="x")), 0.002)
    assert (await link.request(request(5), 5)).kind is FrameKind.REPLY
    news = {
        kind_and_flags for kind_and_flags in heard if kind_and_flags >> 8 == codec.ACK or kind_and_flags & 24
    }
    assert bool(news) == (minors == (1, 1))
    assert (link.estimate().samples > 0) == (minors == (1, 1))
    await link.close()
    await server.stop(None)


def listening_in(heard: list[int]) -> Callable[[Link, codec.Chunk], None]:
    take = Link._take

    def taken(end: Link, chunk: codec.Chunk) -> None:
        heard.append(chunk[6] << 8 | chunk[7])  # kind and flags
        take(end, chunk)

    return taken
