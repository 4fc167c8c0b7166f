"""A loop in a thread: everybody who waits there is let go."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from lepton_edge.client.background import LoopThread
from lepton_edge.core.errors import RequestError, Unavailable


async def value(seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return 7


def test_work_runs_elsewhere_and_its_result_comes_back() -> None:
    loop = LoopThread()
    assert loop.run(value()) == 7
    loop.stop()
    loop.stop()


def test_a_stopped_loop_takes_nothing_and_says_so() -> None:
    loop = LoopThread()
    loop.stop()
    with pytest.raises(RequestError, match="closed"):
        loop.run(value())
    loop.finish(value())


def test_stopping_lets_go_whoever_waits() -> None:
    loop = LoopThread()
    threading.Timer(0.05, loop.stop).start()
    with pytest.raises(Unavailable, match="closed meanwhile"):
        loop.run(value(60))


def test_work_that_does_not_end_does_not_keep_the_loop() -> None:
    async def stubborn() -> None:
        for _ in range(100):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    loop = LoopThread()
    threading.Timer(0.05, loop.stop).start()
    begun = time.monotonic()
    loop.run(stubborn())
    assert time.monotonic() - begun < 5


def test_the_loops_own_thread_is_refused_rather_than_left_to_wait_for_itself() -> None:
    loop = LoopThread()

    async def inside() -> str:
        loop.finish(value())  # tidies up without waiting
        with pytest.raises(RequestError, match="own event loop"):
            loop.run(value())
        return "refused"

    assert loop.run(inside()) == "refused"
    loop.stop()
