"""Rounds: everything alike, within the time there is."""

from __future__ import annotations

import time

import pytest

from device_agents.engine import Engine, EngineConfig
from device_agents.profiling.measure import Item, run_rounds, take_moods_out, thread_hop


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.fixture
def engine():
    made = Engine(EngineConfig(threads=1, slowdown=10.0))
    yield made
    made.close()


async def test_items_take_turns_and_the_first_round_is_not_counted(engine):
    order, told = [], []
    items = [Item(lambda: order.append("a"), 3), Item(lambda: order.append("b"), 2)]
    await run_rounds(engine, items, time.perf_counter() + 5, lambda *said: told.append(said))
    assert "".join(order) == "ab" + "ab" + "ab" + "a"
    assert [item.measurement().runs for item in items] == [3, 2]
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_a_simulated_slowdown_is_in_the_times_but_not_waited_for(engine):
    item = Item(lambda: burn(0.005), 4)
    begin = time.perf_counter()
    await run_rounds(engine, [item], begin + 5, lambda *_: None)
    assert item.measurement().median >= 0.05
    assert time.perf_counter() - begin < 5 * 0.05 + 0.25


async def test_past_the_deadline_everything_is_still_timed_once(engine):
    items = [Item(lambda: None, 9), Item(lambda: None, 9)]
    await run_rounds(engine, items, 0.0, lambda *_: None)
    assert [len(item.times) for item in items] == [1, 1]


def test_median_and_half_of_the_interquartile_range():
    found = Item(lambda: None, 9, [1.0, 2.0, 3.0, 4.0, 100.0]).measurement()
    assert (found.median, found.spread, found.runs) == (3.0, 1.0, 5)
    assert Item(lambda: None, 9).measurement().runs == 0
    assert Item(lambda: None, 9, [1.0, 3.0]).measurement().spread == 2.0


async def test_a_thread_hop_is_short(engine):
    assert 0 < await thread_hop(engine, 5) < 0.05


def items_of(rows):
    return [Item(lambda: None, 9, list(row)) for row in rows]


def test_what_slows_a_whole_round_is_taken_out():
    usual, moods = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 1.0, 1.6, 1.0, 1.5]
    items = items_of([[one * mood for mood in moods] for one in usual])
    take_moods_out(items)
    for item, one in zip(items, usual, strict=True):
        assert item.steady == pytest.approx([one] * 5)
        assert item.measurement().spread == pytest.approx(0.0)


def test_one_items_own_noise_stays():
    items = items_of([[1.0, 1.0, 1.0, 1.0]] * 5 + [[1.0, 3.0, 1.0, 1.0]])
    take_moods_out(items)
    assert items[-1].steady == pytest.approx([1.0, 3.0, 1.0, 1.0])


def test_rounds_that_an_item_missed_do_not_matter():
    items = items_of([[1.0, 2.0, 1.0, 2.0]] * 5 + [[4.0, 8.0]])
    take_moods_out(items)
    assert items[-1].measurement().spread == pytest.approx(0.0)


def test_a_few_items_tell_no_mood():
    items = items_of([[1.0, 2.0, 1.0]] * 4)
    take_moods_out(items)
    assert items[0].steady == []


async def test_rounds_end_with_the_moods_taken_out(engine):
    items = [Item(lambda: None, 3) for _ in range(5)]
    await run_rounds(engine, items, time.perf_counter() + 5, lambda *_: None)
    assert [len(item.steady) for item in items] == [3] * 5
