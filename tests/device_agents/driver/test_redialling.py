"""Tries that overlap, and pauses that grow and shrink."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from device_agents.driver import redialling as room
from device_agents.driver.redialling import AT_ONCE, NEED, PATIENCE, Pauses, Tries, until_answered
from lepton_edge.core.errors import Unauthenticated, Unavailable
from partitioner.errors import LeptonError


class World:
    """Who is dialled; `answers` is when somebody does, and what becomes of who came too late."""

    def __init__(self) -> None:
        self.answer: str | None = None
        self.error: LeptonError | None = None
        self.sound = False
        self.dialled, self.failures, self.closed, self.waiting, self.most = 0, [], [], 0, 0

    async def dial(self) -> str:
        self.dialled += 1
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(3600)
        finally:
            self.waiting -= 1
        return "never"

    async def close(self, one: str) -> None:
        self.closed.append(one)

    def tries(self) -> Tries[str]:
        return Tries(self.dial, lambda: self.sound, self.failures.append, self.close)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(room, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(room, "LONGEST_PAUSE", 0.05)


def pauses() -> Pauses:
    return Pauses(pause=0.01)


async def test_a_try_that_was_swallowed_is_overtaken_by_the_next_one() -> None:
    world = World()
    trying = asyncio.create_task(until_answered(world.tries(), pauses()))
    await asyncio.sleep(0.1)
    assert world.waiting > 1
    world.answer = "here"
    begun = time.monotonic()
    assert await trying == "here"
    assert time.monotonic() - begun < 0.2, "within a pause, not when the network repeats the first packet"
    assert world.waiting == 0, "the others are given up"


async def test_no_more_than_a_few_are_tried_at_once() -> None:
    world = World()
    trying = asyncio.create_task(until_answered(world.tries(), pauses()))
    await asyncio.sleep(0.4)
    trying.cancel()
    await asyncio.wait([trying])
    assert world.dialled > AT_ONCE
    assert world.most == AT_ONCE
    assert world.waiting == 0


async def test_failures_are_told_and_pauses_kept() -> None:
    world = World()
    world.error = Unavailable("nobody")
    trying = asyncio.create_task(until_answered(world.tries(), pauses()))
    await asyncio.sleep(0.3)
    assert 5 < world.dialled < 25
    assert len(world.failures) == world.dialled
    world.error, world.answer = None, "here"
    assert await trying == "here"


async def test_what_is_enough_ends_it_and_what_breaks_is_raised() -> None:
    world = World()
    trying = asyncio.create_task(until_answered(world.tries(), pauses()))
    await asyncio.sleep(0.05)
    world.sound = True
    assert await trying is None
    world = World()
    world.error = RuntimeError("a bug")  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        await until_answered(world.tries(), pauses())


def test_pauses_are_long_only_where_nobody_is_in_need(monkeypatch) -> None:
    monkeypatch.setattr(room, "LONGEST_PAUSE", 1.0)
    monkeypatch.setattr(room, "random", SimpleNamespace(uniform=lambda least, most: most))
    one = Pauses(pause=0.1, began=0.0)
    seen = []
    for _ in range(5):
        one.next()
        seen.append(round(one.left(since=0.0, now=0.0), 3))
    assert seen == [0.1, 0.2, 0.4, 0.8, 1.0]
    for _ in range(3):
        one.next()
    later = PATIENCE + 1
    assert one.left(since=later, now=later) == room.SELDOM_PAUSE
    one.need(later)
    assert one.left(since=later, now=later) == room.LONGEST_PAUSE
    past = later + NEED + 1
    assert one.left(since=past, now=past) == room.SELDOM_PAUSE
    one.reset()
    assert (one.pause, one.tries) == (room.FIRST_PAUSE, 0)


async def test_who_is_not_believed_asks_seldom_and_often_again_once_nobody_answers(monkeypatch) -> None:
    monkeypatch.setattr(room, "SELDOM_PAUSE", 3600.0)
    world, waits = World(), pauses()
    waits.pause = 3600.0
    world.error = Unauthenticated("the certificate is revoked", "join again")
    trying = asyncio.create_task(until_answered(world.tries(), waits))
    await asyncio.sleep(0.3)
    assert world.dialled == 1
    assert waits.left(0.0, 0.0) > room.LONGEST_PAUSE
    waits.need(0.0)
    assert waits.left(0.0, 0.0) > room.LONGEST_PAUSE, "need changes nothing"
    trying.cancel()
    world.error = Unavailable("nobody there")
    trying = asyncio.create_task(until_answered(world.tries(), waits))
    await asyncio.sleep(0.3)
    assert world.dialled > 2
    assert waits.left(0.0, 0.0) <= room.LONGEST_PAUSE
    trying.cancel()
