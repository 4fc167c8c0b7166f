"""A limit that passes is an error of the tree; a cancellation from outside stays one."""

from __future__ import annotations

import asyncio

import pytest

from lepton_edge.core.errors import DeadlineExceeded
from lepton_edge.link.timeout import Timeout


async def test_what_takes_too_long_gets_the_error() -> None:
    with pytest.raises(DeadlineExceeded):
        async with Timeout(0.01, DeadlineExceeded("late")):
            await asyncio.sleep(5)
    await asyncio.sleep(0)  # the task itself is not cancelled


async def test_what_is_in_time_is_left_alone() -> None:
    async with Timeout(0.01, DeadlineExceeded("late")):
        pass
    async with Timeout(None, DeadlineExceeded("late")):
        await asyncio.sleep(0.02)


async def test_a_cancellation_from_outside_passes() -> None:
    async def body() -> None:
        async with Timeout(5, DeadlineExceeded("late")):
            await asyncio.sleep(5)

    task = asyncio.create_task(body())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
