"""Long lives of links: whatever ends a request, its credit comes back and whoever waits for it is told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable

import numpy as np
import pytest

from lepton_edge.core.errors import InvalidInput, Overloaded, Superseded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.link import Handler, Link
from lepton_edge.link.reactions import HELD, Held
from lepton_edge.wire import rpc, tensors
from lepton_edge.wire.codec import Chunk
from lepton_edge.wire.sockets import SocketStream
from partitioner.errors import LeptonError
from partitioner.units import Bytes, RequestId

HELLO = LinkHello(
    "agent", "a", window_frames=8, window_bytes=Bytes(1 << 20), max_frame_bytes=Bytes(256 << 10)
)
LIMITS = Limits(queue_bytes=Bytes(4 << 20), chunk=Bytes(16 << 10))


def request(name: str, size: int = 0, **fields: int) -> Frame:
    packed = (tensors.pack("x", np.zeros(size, np.uint8)),) if size else ()
    return Frame(FrameKind.REQUEST, RequestId(name), tensors=packed, **fields)


class Breaking(SocketStream):
    """A stream whose connection is found broken in the very call that writes."""

    broken = False

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        if self.broken:
            self._finish(Unavailable("the connection was reset"))
        return super().write_now(head, *payload)


@contextlib.asynccontextmanager
async def linked(
    handler: Handler, near: LinkHello = HELLO, far: LinkHello = HELLO
) -> AsyncIterator[tuple[Link, Link, Breaking]]:
    left, right = socket.socketpair()
    stream = Breaking(left, "far")
    asking = Link(stream, near, lambda *_: None, LIMITS)
    serving = Link(SocketStream(right, "near"), far, handler, LIMITS)
    await asyncio.gather(asking.open(), serving.open())
    try:
        yield asking, serving, stream
    finally:
        await asyncio.gather(asking.close(), serving.close())


async def test_a_request_whose_link_breaks_in_the_very_step_that_sends_it_is_told() -> None:
    async with linked(lambda *_: HELD) as (asking, _, stream):
        stream.broken = True
        with pytest.raises(Unavailable):
            await asyncio.wait_for(asking.request(request("1")), 2)


async def test_a_reaction_whose_link_breaks_in_the_very_step_that_sends_it_is_told() -> None:
    failures: list[LeptonError] = []
    async with linked(lambda *_: HELD) as (asking, _, stream):
        stream.broken = True
        asking.ask(request("1"), lambda _: None, failures.append)
        assert [type(error) for error in failures] == [Unavailable]


async def test_a_request_asked_again_in_the_step_in_which_it_was_refused_gets_its_answer() -> None:
    async def answer(link: Link, frame: Frame) -> None:
        await link.send(Frame(FrameKind.REPLY, frame.request_id, attempt=frame.attempt))

    async with linked(answer) as (asking, _, _stream):
        too_large = asyncio.ensure_future(asking.request(request("1", 300 << 10)))
        again = asyncio.ensure_future(asking.request(request("1")))
        with pytest.raises(InvalidInput):
            await too_large
        assert (await asyncio.wait_for(again, 2)).kind is FrameKind.REPLY


class Whims:
    """A handler that does with requests whatever a handler may, and how each of them began."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen: Counter[tuple[RequestId, int]] = Counter()

    def __call__(self, link: Link, frame: Frame) -> Awaitable[None] | Held | None:
        if frame.kind is not FrameKind.REQUEST:
            return None
        self.seen[frame.request_id, frame.attempt] += 1
        whims = (self._answers, self._is_superseded, self._holds, self._breaks, self._forgets, self._sleeps)
        return self.random.choice(whims)(link, frame)

    def _answers(self, link: Link, frame: Frame) -> None:
        reply = dataclasses.replace(frame, kind=FrameKind.REPLY, credit_frames=3, credit_bytes=100)
        link.post(reply, lambda _: None)

    def _is_superseded(self, link: Link, frame: Frame) -> None:
        error = rpc.wire_error(Superseded("a newer one came"))
        link.post(dataclasses.replace(frame, kind=FrameKind.ERROR, tensors=(), error=error), lambda _: None)

    def _holds(self, link: Link, frame: Frame) -> Held:
        def goes() -> None:
            link.release(frame)
            link.release(frame)
            self._answers(link, frame)

        asyncio.get_running_loop().call_later(self.random.random() * 0.004, goes)
        return HELD

    def _breaks(self, link: Link, frame: Frame) -> Awaitable[None]:
        broken = asyncio.get_running_loop().create_future()
        broken.set_exception(Overloaded("not now"))
        return broken

    def _forgets(self, link: Link, frame: Frame) -> None:
        """Nobody answers: the caller has to give up."""

    async def _sleeps(self, link: Link, frame: Frame) -> None:
        await asyncio.sleep(self.random.random() * 0.004)
        await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))


async def ask_at_random(link: Link, whims: random.Random, name: str) -> str:
    """Return how a request ended: "answered", an error's code, or "cancelled"."""
    size = whims.choice((0, 100, 100, 20_000, 100_000))
    late = whims.choice((0, 0, 3, 50))
    asked = request(name, size, remaining_ms=late, priority=whims.choice((0, 0, 0, 2)))
    work = asyncio.ensure_future(link.request(asked, whims.choice((0.001, 0.02, 0.05))))
    if whims.random() < 0.2:
        await asyncio.sleep(whims.random() * 0.004)
        work.cancel()
    try:
        answer = await work
    except asyncio.CancelledError:
        return "cancelled"
    except LeptonError as error:
        return error.code
    return answer.error.code if answer.error is not None else "answered"


OLD = dataclasses.replace(HELLO, protocol_minor=0)


@pytest.mark.parametrize("peer", [HELLO, OLD], ids=["1.1", "1.0"])
async def test_after_thousands_of_ends_of_every_sort_the_window_is_whole_again(peer: LinkHello) -> None:
    """A credit that is lost is lost for good: a link that loses one in a thousand stands still after an hour."""
    whims, handler = random.Random(7), Whims(8)
    async with linked(handler, far=peer) as (asking, serving, _):

        async def caller(name: int) -> Counter[str]:
            return Counter([await ask_at_random(asking, whims, f"{name}-{turn}") for turn in range(125)])

        ends = sum(await asyncio.gather(*(caller(name) for name in range(40))), Counter())
        assert sum(ends.values()) == 5_000
        sorts = {"answered", "superseded", "overloaded", "cancelled", "deadline_exceeded"}
        assert all(ends[sort] > 50 for sort in sorts), ends
        for _ in range(100):  # credits that are owed go with the next tick
            if (asking._state.outbox.credit_frames, serving._state.owed_frames) == (HELLO.window_frames, 0):
                break
            await asyncio.sleep(0.05)
        outbox, state = asking._state.outbox, serving._state
        assert (outbox.credit_frames, outbox.credit_bytes) == (HELLO.window_frames, HELLO.window_bytes)
        assert [state.held, state.held_bytes, state.owed_frames, state.owed_bytes] == [{}, 0, 0, 0]
        assert [asking.waiting, outbox.size, serving._serials, serving._decoder.open_bytes] == [0, 0, {}, 0]
        assert [asking._asks, asking._answers, asking._sends, asking._writer._half_sent] == [{}, {}, {}, {}]
        assert max(handler.seen.values()) == 1
