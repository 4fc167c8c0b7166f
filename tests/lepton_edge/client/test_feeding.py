"""Plain iterables read in a thread, and results stepped from another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from lepton_edge.client.feeding import Steps, ThreadedSource


async def test_items_come_one_at_a_time_from_one_thread_of_their_own() -> None:
    taken: list[int] = []
    threads: set[threading.Thread] = set()

    def source() -> Iterator[int]:
        for number in range(3):
            taken.append(number)
            threads.add(threading.current_thread())
            yield number

    items = ThreadedSource(source())
    assert taken == []
    assert await anext(items) == 0
    await asyncio.sleep(0.02)
    assert taken == [0], "nobody asked for more"
    assert [number async for number in items] == [1, 2]
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    items.stop()


async def test_none_is_an_item_like_any_other() -> None:
    items = ThreadedSource([None, None])
    assert [item async for item in items] == [None, None]
    items.stop()


async def test_what_the_source_raises_is_raised_where_it_is_awaited() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("no more")

    items = ThreadedSource(broken())
    assert await anext(items) == 1
    with pytest.raises(ZeroDivisionError):
        await anext(items)
    items.stop()


async def test_a_source_is_let_go_when_it_is_stopped() -> None:
    over = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield 1
        finally:
            over.set()

    items = ThreadedSource(source())
    await anext(items)
    items.stop()
    del items
    assert await asyncio.to_thread(over.wait, 2)


async def test_closing_waits_for_a_step_that_is_given_up() -> None:
    closed = asyncio.Event()

    async def results() -> AsyncGenerator[int, None]:
        try:
            await asyncio.sleep(60)
            yield 1
        finally:
            await asyncio.sleep(0.01)
            closed.set()

    steps = Steps(results())
    step = asyncio.create_task(steps.next())
    await asyncio.sleep(0.01)
    step.cancel()
    await steps.close()
    assert closed.is_set()
    with pytest.raises(asyncio.CancelledError):
        await step
