"""Two ends of a link over real connections: answers, errors, cancellation, the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from lepton_edge.core.errors import (
    CorruptFrame,
    DeadlineExceeded,
    IncompatibleVersion,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, Description
from lepton_edge.link.link import Handler, Link, dial
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import codec, rpc, streams, tensors

CLIENT, AGENT = LinkHello("client", "app"), LinkHello("agent", "cloud", "0.1")
numbers = itertools.count()


def request(size: int = 0, **fields: Any) -> Frame:
    array = np.arange(size, dtype=np.uint8)
    packed = (tensors.pack("x", array),) if size else ()  # type: ignore[arg-type]
    return Frame(FrameKind.REQUEST, f"{next(numbers):032x}", tensors=packed, **fields)  # type: ignore[arg-type]


async def echo(link: Link, frame: Frame) -> None:
    if frame.kind is FrameKind.REQUEST:
        await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))


async def ignore(link: Link, frame: Frame) -> None:
    pass


async def describe() -> Description:
    return Description("agent", "cloud", "0.1", 1, 0)


@contextlib.asynccontextmanager
async def linked(
    handler: Handler, *, hello: LinkHello = AGENT, limits: Limits | None = None,
    mine: Handler = ignore,
) -> AsyncIterator[tuple[Link, Link]]:  # fmt: skip
    """Give both ends of a link: who dialled, and who was dialled."""
    accepted: asyncio.Queue[Link] = asyncio.Queue()
    handlers = link_handlers(hello, handler, describe, on_open=accepted.put_nowait, limits=limits)
    server, address = await rpc.open_server("127.0.0.1:0", handlers)
    try:
        link = await dial(address, CLIENT, mine, limits)
        yield link, await asyncio.wait_for(accepted.get(), 2)
        await link.close()
    finally:
        await server.stop(None)


async def test_a_request_comes_back_bit_for_bit() -> None:
    async with linked(echo) as (link, _):
        for size in (0, 1, 1000, 600_000, 3_000_000):
            frame = request(size, metadata={"k": "v"})
            reply = await link.request(frame, 5)
            assert [bytes(t.payload) for t in reply.tensors] == [bytes(t.payload) for t in frame.tensors]
            assert reply.metadata == {"k": "v"}


async def test_both_ends_know_each_other_and_a_checksum_is_agreed() -> None:
    for checksum in (True, False):
        async with linked(echo, limits=Limits(checksum=checksum)) as (link, other):
            assert (link.peer.name, other.peer.name) == ("cloud", "app")
            assert link.peer.checksums == (codec.CHECKSUMS if checksum else ())
            assert (await link.request(request(1000), 5)).kind is FrameKind.REPLY


async def test_the_side_that_was_dialled_may_ask_too() -> None:
    async with linked(ignore, mine=echo) as (_, other):
        assert (await other.request(request(1000), 5)).kind is FrameKind.REPLY


async def test_many_requests_at_once_beyond_the_window() -> None:
    small_window = dataclasses.replace(AGENT, window_frames=2)
    async with linked(echo, hello=small_window) as (link, _):
        replies = await asyncio.gather(*(link.request(request(n * 1000), 10) for n in range(60)))
        assert len({reply.request_id for reply in replies}) == 60


async def test_a_small_frame_overtakes_a_large_one() -> None:
    async with linked(echo) as (link, _):
        done: list[str] = []

        async def ask(name: str, size: int) -> None:
            await link.request(request(size), 10)
            done.append(name)

        large = asyncio.create_task(ask("large", 40_000_000))
        await asyncio.sleep(0)
        await ask("small", 100)
        await large
        assert done == ["small", "large"]


async def test_a_typed_error_of_the_handler_comes_back_as_an_error_frame() -> None:
    async def refuse(link: Link, frame: Frame) -> None:
        raise InvalidInput("no such input", "see the model")

    async with linked(refuse) as (link, _):
        answer = await link.request(request(), 2)
        assert answer.kind is FrameKind.ERROR
        assert answer.error is not None
        assert (answer.error.code, answer.error.hint) == ("invalid_input", "see the model")


async def test_a_bug_in_the_handler_costs_one_request_only() -> None:
    async def buggy(link: Link, frame: Frame) -> None:
        if frame.model == "bad":
            raise ZeroDivisionError
        await echo(link, frame)

    async with linked(buggy) as (link, _):
        answer = await link.request(request(model="bad"), 2)
        assert answer.error is not None
        assert answer.error.code == "error"
        assert (await link.request(request(), 2)).kind is FrameKind.REPLY


async def test_whoever_stops_waiting_has_the_peer_told() -> None:
    heard: asyncio.Queue[Frame] = asyncio.Queue()

    async def listen(link: Link, frame: Frame) -> None:
        heard.put_nowait(frame)

    async with linked(listen) as (link, _):
        first, second = request(), request()
        with pytest.raises(DeadlineExceeded):
            await link.request(first, 0.05)
        waiting = asyncio.create_task(link.request(second))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        kinds = [await asyncio.wait_for(heard.get(), 2) for _ in range(4)]
        assert [(f.kind, f.request_id) for f in kinds] == [
            (FrameKind.REQUEST, first.request_id),
            (FrameKind.CANCEL, first.request_id),
            (FrameKind.REQUEST, second.request_id),
            (FrameKind.CANCEL, second.request_id),
        ]


async def test_credit_is_held_until_work_begins() -> None:
    begun, go = [], asyncio.Event()

    async def slow(link: Link, frame: Frame) -> None:
        begun.append(frame)
        await go.wait()
        link.release(frame)
        await echo(link, frame)

    async with linked(slow, hello=dataclasses.replace(AGENT, window_frames=3)) as (link, _):
        asks = [asyncio.create_task(link.request(request(), 5)) for _ in range(8)]
        await asyncio.sleep(0.1)
        assert len(begun) == 3
        go.set()
        await asyncio.gather(*asks)
        assert len(begun) == 8


async def test_more_than_may_wait_is_refused_at_once() -> None:
    limits = Limits(queue_frames=4)
    async with linked(ignore, hello=dataclasses.replace(AGENT, window_frames=1), limits=limits) as (link, _):
        asks = [asyncio.create_task(link.request(request())) for _ in range(20)]
        await asyncio.sleep(0.05)
        refused = [ask for ask in asks if ask.done() and isinstance(ask.exception(), Overloaded)]
        assert len(refused) >= 14
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)


async def test_a_probe_measures_and_does_not_reach_the_handler() -> None:
    async def never(link: Link, frame: Frame) -> None:
        raise AssertionError

    async with linked(never) as (link, _):
        sample = await link.probe(100_000, 50_000)
        assert (sample.size_up, sample.size_down) == (100_000, 50_000)
        assert 0 <= sample.far_seconds < sample.round_trip < 1


# --- the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["here", "there"])
async def test_closing_either_end_ends_both_and_fails_what_waits(who: str) -> None:
    async with linked(ignore) as (link, other):
        waiting = asyncio.create_task(link.request(request()))
        await asyncio.sleep(0.05)
        await (link if who == "here" else other).close()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 2)
        for end in (link, other):
            await asyncio.wait_for(end.closed.wait(), 2)
            assert isinstance(end.error, Unavailable)
        with pytest.raises(Unavailable):
            await link.send(request())
        await link.close()


async def test_a_server_that_stops_ends_its_links() -> None:
    async with linked(ignore) as (link, _):
        pass
    assert link.closed.is_set()


async def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="127.0.0.1:9"):
        await dial("127.0.0.1:9", CLIENT, ignore)


async def test_a_peer_of_another_version_is_told_so_on_both_sides() -> None:
    future = dataclasses.replace(CLIENT, protocol_major=PROTOCOL_MAJOR + 1, software="9.0")
    server, address = await rpc.open_server("127.0.0.1:0", link_handlers(AGENT, echo, describe))
    with pytest.raises(IncompatibleVersion, match="this side 2."):
        await dial(address, future, ignore)
    await server.stop(None)


async def test_a_port_that_accepts_and_says_nothing_is_unavailable() -> None:
    async def silence(_stream: streams.ChunkStream) -> None:
        await asyncio.sleep(5)

    server, address = await rpc.open_server("127.0.0.1:0", streams.link_handlers(silence))
    with pytest.raises(Unavailable, match="hello"):
        await dial(address, CLIENT, ignore, Limits(handshake=0.1))  # type: ignore[arg-type]
    await server.stop(None)


Talk = Callable[[streams.DialledStream], Awaitable[None]]


async def garbage_after_hello(stream: streams.DialledStream) -> None:
    await stream.write(codec.hello_chunk(CLIENT))
    await stream.read()
    await stream.write(os.urandom(100))


async def garbage_at_once(stream: streams.DialledStream) -> None:
    await stream.write(b"GET / HTTP/1.1")


async def read_to_the_end(stream: streams.DialledStream) -> None:
    while chunk := await stream.read():
        found = codec.Decoder(codec.FrameLimits()).feed(chunk) if chunk[6] != codec.HELLO else None
        if found is not None:
            raise rpc.raised(found)  # type: ignore[arg-type]
    raise Unavailable("ended")


@pytest.mark.parametrize("talk", [garbage_after_hello, garbage_at_once])
async def test_garbage_ends_its_own_link_and_no_other(talk: Talk) -> None:
    server, address = await rpc.open_server("127.0.0.1:0", link_handlers(AGENT, echo, describe))
    good = await dial(address, CLIENT, ignore)
    stream = streams.DialledStream(address)
    await talk(stream)
    with pytest.raises((CorruptFrame, Unavailable)):  # what the server says of it, or the end
        await asyncio.wait_for(read_to_the_end(stream), 2)
    assert (await good.request(request(10), 2)).kind is FrameKind.REPLY
    await stream.close()
    await good.close()
    await server.stop(None)


async def test_a_link_without_a_word_is_given_up() -> None:
    """A half-open connection: the far end accepted and is gone without a trace."""

    async def mute(stream: streams.ChunkStream) -> None:
        await stream.read()
        await stream.write(codec.hello_chunk(AGENT))
        await asyncio.sleep(30)

    server, address = await rpc.open_server("127.0.0.1:0", streams.link_handlers(mute))
    limits = Limits(idle_probe=0.1, dead_after=0.4, slowest=1e9)  # type: ignore[arg-type]
    link = await dial(address, CLIENT, ignore, limits)
    with pytest.raises(Unavailable, match="not heard"):
        await asyncio.wait_for(link.request(request()), 3)
    await link.close()
    await server.stop(None)


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"k": 5}},
        {"metadata": {"k": "\udc80"}},
        {"metadata": {"k": "x" * (2 << 20)}},
        {"outputs": ("y" * 10,) * 200_000},
        {"epoch": 1 << 70},
    ],
)
async def test_a_frame_that_cannot_be_encoded_costs_nobody_else_anything(fields: dict[str, Any]) -> None:
    small_window = dataclasses.replace(AGENT, window_frames=2)
    async with linked(echo, hello=small_window) as (link, _):
        for _ in range(4):  # more often than there is credit: what was not sent took none
            with pytest.raises(InvalidInput):
                await link.request(request(10, **fields), 5)
        with pytest.raises(InvalidInput):
            await link.send(request(600_000, **fields))
        assert (await link.request(request(1000), 5)).kind is FrameKind.REPLY
        assert not link.closed.is_set()


async def test_an_answer_that_cannot_be_encoded_becomes_an_error() -> None:
    async def odd(link: Link, frame: Frame) -> None:
        await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY, metadata={"k": "\udc80"}))

    async with linked(odd) as (link, _):
        reply = await link.request(request(10), 5)
    assert reply.kind is FrameKind.ERROR
    assert reply.error is not None
    assert reply.error.code == "invalid_input"


async def test_what_the_far_decoder_would_end_the_stream_over_is_not_sent() -> None:
    async with linked(echo) as (link, _):
        one = tensors.pack("x", np.zeros(3, np.uint8))  # type: ignore[arg-type]
        twice = dataclasses.replace(request(0), tensors=(one, one))
        with pytest.raises(InvalidInput, match="twice"):
            await link.request(twice, 5)
        assert (await link.request(request(10), 5)).kind is FrameKind.REPLY
