"""Waiting on a link without a task, and handlers that are plain functions."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import numpy as np
import pytest

from lepton_edge.core.errors import InvalidInput, Overloaded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import Link, dial
from lepton_edge.link.reactions import HELD, Reaction
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc, tensors


def request(name: str, size: int = 0) -> Frame:
    packed = (tensors.pack("x", np.zeros(size, np.uint8)),) if size else ()
    return Frame(FrameKind.REQUEST, name, tensors=packed)


class Heard:
    """What a reaction was told."""

    def __init__(self) -> None:
        self.answers: list[Frame] = []
        self.errors: list[Exception] = []
        self.came = asyncio.Event()

    def told(self, frame: Frame) -> None:
        self.answers.append(frame)
        self.came.set()

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.came.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.came.wait(), 5)
        self.came.clear()


@contextlib.asynccontextmanager
async def linked(handler, limits=None):
    """Yield a link to a server whose frames `handler` takes, and the accepted ends."""
    accepted: list[Link] = []

    async def describe() -> Description:
        raise AssertionError

    handlers = link_handlers(LinkHello("agent", "far"), handler, describe, on_open=accepted.append)
    server, address = await rpc.open_server("127.0.0.1:0", handlers)
    link = await dial(address, LinkHello("client", "near"), lambda *_: None, limits)
    try:
        yield link, accepted
    finally:
        await link.close()
        await server.stop(0)


def test_a_reaction_is_told_once_and_not_after_it_was_given_up() -> None:
    told, over = [], []
    one = Reaction(told.append, told.append, lambda: over.append(1))
    one.set_result("answer")
    one.set_result("again")
    one.set_exception(Unavailable("late"))
    assert (told, over, one.done()) == (["answer"], [1], True)
    given_up = Reaction(told.append, told.append, lambda: over.append(2))
    assert given_up.cancel()
    assert not given_up.cancel()
    given_up.set_result("late")
    assert (told, over) == (["answer"], [1, 2])


async def test_a_plain_function_answers_by_post_and_the_asker_is_told() -> None:
    def echo(link: Link, frame: Frame) -> None:
        link.post(dataclasses.replace(frame, kind=FrameKind.REPLY), pytest.fail)

    async with linked(echo) as (link, accepted):
        heard = Heard()
        for name in ("a", "b"):
            link.ask(request(name, 100), heard.told, heard.failed)
            await heard.wait()
            assert accepted[0]._state.held == {}  # its credit goes back at once
        assert [frame.request_id for frame in heard.answers] == ["a", "b"]
        assert heard.errors == []
        assert link.waiting == 0


async def test_a_plain_function_that_raises_costs_its_sender_an_error_and_the_link_nothing() -> None:
    def refuse(link: Link, frame: Frame) -> None:
        raise InvalidInput("not like this", "otherwise")

    async with linked(refuse) as (link, accepted):
        for name in ("a", "b"):
            answer = await link.request(request(name), 5)
            assert answer.error.code == "invalid_input"
            await asyncio.sleep(0.01)
            assert accepted[0]._state.held == {}
        assert not link.closed.is_set()


async def test_a_future_holds_the_credit_until_it_is_done() -> None:
    begun: list[asyncio.Future[None]] = []

    def later(link: Link, frame: Frame):
        begun.append(asyncio.get_running_loop().create_future())
        link.post(dataclasses.replace(frame, kind=FrameKind.REPLY), pytest.fail)
        return begun[-1]

    async with linked(later) as (link, accepted):
        await link.request(request("a", 100), 5)
        assert accepted[0]._state.held_bytes == 100
        begun[0].set_result(None)
        await asyncio.sleep(0.01)
        assert accepted[0]._state.held_bytes == 0


async def test_a_request_that_is_held_keeps_its_credit_until_it_is_released() -> None:
    held: list[Frame] = []

    def hold(link: Link, frame: Frame):
        held.append(frame)
        link.post(dataclasses.replace(frame, kind=FrameKind.REPLY), pytest.fail)
        return HELD

    async with linked(hold) as (link, accepted):
        await link.request(request("a", 100), 5)
        assert accepted[0]._state.held_bytes == 100
        accepted[0].release(held[0])
        accepted[0].release(held[0])  # twice does no harm
        assert (accepted[0]._state.held_bytes, accepted[0]._state.held) == (0, {})


async def test_an_answer_that_is_given_up_is_cancelled_at_the_far_side() -> None:
    kinds: list[FrameKind] = []
    cancelled = asyncio.Event()

    def note(link: Link, frame: Frame) -> None:
        kinds.append(frame.kind)
        if frame.kind is FrameKind.CANCEL:
            cancelled.set()

    async with linked(note) as (link, _):
        heard = Heard()
        waiting = link.ask(request("a"), heard.told, heard.failed)
        while not kinds:
            await asyncio.sleep(0.005)
        assert waiting.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)
        assert (kinds, heard.answers, heard.errors) == ([FrameKind.REQUEST, FrameKind.CANCEL], [], [])
        assert link.waiting == 0


async def test_who_asks_is_told_at_once_when_the_link_takes_no_more() -> None:
    async with linked(lambda *_: None, Limits(pending=1)) as (link, _):
        heard = Heard()
        link.ask(request("a"), heard.told, heard.failed)
        link.ask(request("b"), heard.told, heard.failed)
        assert [type(error) for error in heard.errors] == [Overloaded]
        assert link._asks.keys().isdisjoint({2})
        await link.close()
        assert [type(error) for error in heard.errors] == [Overloaded, Unavailable]
        assert (link._asks, link._answers, link.waiting) == ({}, {}, 0)


async def test_who_posts_is_told_when_the_frame_cannot_be_sent() -> None:
    async with linked(lambda *_: None) as (link, _):
        heard = Heard()
        link.post(Frame(FrameKind.REPLY, "a", model="\ud800"), heard.failed)
        await heard.wait()
        assert isinstance(heard.errors[0], InvalidInput)
        await link.close()
        link.post(request("b"), heard.failed)
        assert isinstance(heard.errors[1], Unavailable)
