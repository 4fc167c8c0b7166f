"""One thread, one bounded queue: order, errors, giving up, closing."""

from __future__ import annotations

import asyncio
import threading

import pytest

from device_agents.engine.driver import GIVEN_UP, Worker
from lepton_edge.core.errors import Overloaded, Unavailable


@pytest.fixture
def worker():
    made = Worker(limit=3)
    yield made
    made.close()


async def blocked(worker):
    """Return (task, event): a job that runs until the event is set."""
    begun, release = threading.Event(), threading.Event()

    def job(_):
        begun.set()
        release.wait(5)

    task = asyncio.create_task(worker.submit(job))
    await asyncio.to_thread(begun.wait, 5)
    return task, release


async def test_a_jobs_error_goes_to_its_caller_and_the_next_job_runs(worker):
    with pytest.raises(ZeroDivisionError):
        await worker.submit(lambda _: 1 / 0)
    assert await worker.submit(lambda _: 7) == 7


async def test_equals_go_in_order_and_the_more_urgent_first(worker):
    order = []
    gate, release = await blocked(worker)
    jobs = [
        worker.submit(lambda _, n=n: order.append(n), priority) for n, priority in ((1, 0), (2, 0), (3, 9))
    ]
    tasks = [asyncio.create_task(job) for job in jobs]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(gate, *tasks)
    assert order == [3, 1, 2]


async def test_given_up_jobs_make_room_at_once_and_never_run(worker):
    ran = []
    gate, release = await blocked(worker)
    for _ in range(GIVEN_UP - 1):
        tasks = [asyncio.create_task(worker.submit(lambda _: ran.append(1))) for _ in range(3)]
        await asyncio.sleep(0)
        assert worker.waiting == 3
        with pytest.raises(Overloaded):
            await worker.submit(lambda _: None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert worker.waiting == 0
    release.set()
    await gate
    assert await worker.submit(lambda _: "still alive") == "still alive"
    assert ran == []


async def test_a_flood_of_given_up_jobs_is_bounded_too(worker):
    gate, release = await blocked(worker)
    ends = []
    for _ in range(100):
        task = asyncio.create_task(worker.submit(lambda _: None))
        await asyncio.sleep(0)
        task.cancel()
        ends += await asyncio.gather(task, return_exceptions=True)
    assert sum(isinstance(end, Overloaded) for end in ends) == 100 - 3 * GIVEN_UP
    release.set()
    await gate


async def test_closing_finishes_what_waits_and_refuses_what_comes():
    worker = Worker(limit=3)
    gate, release = await blocked(worker)
    waiting = asyncio.create_task(worker.submit(lambda _: "finished"))
    await asyncio.sleep(0)
    release.set()
    await asyncio.to_thread(worker.close)
    assert await waiting == "finished"
    await gate
    with pytest.raises(Unavailable):
        await worker.submit(lambda _: None)
