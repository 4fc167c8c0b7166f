"""Several addresses of one peer: who answers first wins, and nothing is left behind."""

from __future__ import annotations

import asyncio
import time

import pytest

from device_agents.driver import dialling
from device_agents.driver.dialling import first_to_answer
from lepton_edge.core.errors import Unavailable


class FakeLink:
    def __init__(self, address):
        self.address, self.closed = address, False

    async def close(self):
        self.closed = True


class World:
    """Addresses by what they do: seconds until they answer, None for "refused", "never" for silence."""

    def __init__(self, **answers):
        self.answers, self.dialled, self.given_up, self.links = answers, [], [], []

    async def dial(self, address):
        self.dialled.append(address)
        after = self.answers[address]
        if after is None:
            raise Unavailable(f"{address} refuses")
        try:
            await asyncio.sleep(3600 if after == "never" else after)
        except asyncio.CancelledError:
            self.given_up.append(address)
            raise
        self.links.append(FakeLink(address))
        return self.links[-1]


async def test_the_first_address_is_the_only_one_tried_where_it_answers() -> None:
    world = World(a=0.01, b=0.0)
    assert (await first_to_answer(("a", "b"), world.dial)).address == "a"
    assert world.dialled == ["a"]


async def test_one_that_refuses_is_followed_at_once(monkeypatch) -> None:
    monkeypatch.setattr(dialling, "STAGGER", 60)
    world = World(a=None, b=0.0)
    assert (await first_to_answer(("a", "b"), world.dial)).address == "b"


async def test_one_that_is_silent_costs_a_moment_and_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(dialling, "STAGGER", 0.05)
    world = World(a="never", b=0.0)
    begun = time.monotonic()
    assert (await first_to_answer(("a", "b"), world.dial)).address == "b"
    assert time.monotonic() - begun < 1
    assert world.given_up == ["a"]


async def test_two_that_answer_at_once_leave_one_link(monkeypatch) -> None:
    monkeypatch.setattr(dialling, "STAGGER", 0.0)
    world = World(a=0.05, b=0.05)
    link = await first_to_answer(("a", "b"), world.dial)
    assert [one.closed for one in world.links if one is not link] in ([], [True])
    assert not link.closed


async def test_nobody_answers_and_the_last_word_is_told() -> None:
    with pytest.raises(Unavailable, match="b refuses"):
        await first_to_answer(("a", "b"), World(a=None, b=None).dial)
    with pytest.raises(Unavailable, match="no address"):
        await first_to_answer((), World().dial)


async def test_who_gives_up_leaves_nothing_behind() -> None:
    world = World(a="never")
    task = asyncio.create_task(first_to_answer(("a",), world.dial))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.given_up == ["a"]
