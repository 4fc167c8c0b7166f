"""Alarms ring once, in order, for works that live; what was dropped takes no room."""

from __future__ import annotations

import asyncio
import time

import pytest

from device_agents.driver.alarms import SWEEP, Alarms
from device_agents.machine.events import WorkKey


def work(number) -> WorkKey:
    return WorkKey(f"r{number}", 0, 0, 0, "", 0)


@pytest.fixture
def rung():
    return []


@pytest.fixture
async def alarms(rung):
    made = Alarms(lambda work, timer: rung.append((work.request_id, timer)))
    yield made
    made.close()


async def test_alarms_ring_once_in_the_order_of_their_times(alarms, rung) -> None:
    alarms.set(work(1), "late", 0.03)
    alarms.set(work(1), "early", 0.01)
    alarms.set(work(2), "middle", 0.02)
    await asyncio.sleep(0.06)
    assert rung == [("r1", "early"), ("r2", "middle"), ("r1", "late")]
    await asyncio.sleep(0.02)
    assert len(rung) == 3


async def test_a_dropped_work_rings_no_more_even_when_it_comes_again(alarms, rung) -> None:
    alarms.set(work(1), "old", 0.01)
    alarms.set(work(2), "kept", 0.02)
    alarms.drop(work(1))
    alarms.set(work(1), "new", 0.03)
    await asyncio.sleep(0.06)
    assert rung == [("r2", "kept"), ("r1", "new")]
    alarms.drop(work(3))  # nothing was set: no harm


async def test_an_alarm_may_be_set_or_dropped_while_another_rings(rung) -> None:
    def ring(work_, timer):
        rung.append(timer)
        if timer == "first":
            alarms.drop(work(2))
            alarms.set(work(3), "third", 0.03)

    alarms = Alarms(ring)
    alarms.set(work(1), "first", 0.01)
    alarms.set(work(2), "second", 0.01)
    alarms.set(work(4), "before third", 0.02)
    await asyncio.sleep(0.025)
    assert rung == ["first", "before third"]
    await asyncio.sleep(0.03)
    assert rung == ["first", "before third", "third"]
    alarms.close()


async def test_ten_thousand_answered_requests_leave_no_heap_behind(alarms, rung) -> None:
    alarms.set(work(-1), "deadline", 600)
    for number in range(10_000):
        alarms.set(work(number), "deadline", 600)
        alarms.set(work(number), "patience", 1)
        alarms.drop(work(number))
        assert len(alarms) <= SWEEP + 4 * 2 + 1
    assert rung == []


async def test_nothing_rings_after_closing(alarms, rung) -> None:
    alarms.set(work(1), "deadline", 0.01)
    alarms.close()
    await asyncio.sleep(0.03)
    assert rung == []


async def test_a_process_that_stood_still_reads_first_what_came_meanwhile(alarms, rung) -> None:
    loop = asyncio.get_running_loop()
    alarms.set(work(1), "patience", 0.01)
    loop.call_soon(time.sleep, 0.15)
    await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    assert rung == [], "an answer may lie in a buffer"
    await asyncio.sleep(0.08)
    assert rung == [("r1", "patience")]


async def test_it_waits_for_that_once(alarms, rung) -> None:
    for number in range(3):
        alarms.set(work(number), "patience", 0.01)
    time.sleep(0.1)  # noqa: ASYNC251 (that is what it is about)
    await asyncio.sleep(0.01)
    time.sleep(0.1)  # noqa: ASYNC251
    await asyncio.sleep(0.01)
    assert len(rung) == 3
