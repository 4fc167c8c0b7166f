"""A timer that can be asked to look sooner."""

from __future__ import annotations

import asyncio

import pytest

from lepton_edge.link import ticking as room
from lepton_edge.link.ticking import Ticking


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(room, "EVERY", 0.05)


async def test_it_ticks_from_start_to_stop() -> None:
    ticks: list[float] = []
    one = Ticking(lambda: ticks.append(asyncio.get_running_loop().time()))
    await asyncio.sleep(0.1)
    one.sooner(0.0)
    await asyncio.sleep(0.02)
    assert not ticks, "not before it was started"
    one.start()
    await asyncio.sleep(0.18)
    assert 2 <= len(ticks) <= 3
    one.stop()
    one.sooner(0.0)
    await asyncio.sleep(0.08)
    assert len(ticks) <= 3


async def test_it_ticks_sooner_when_asked_and_as_usual_after_that() -> None:
    ticks: list[float] = []
    loop = asyncio.get_running_loop()
    one = Ticking(lambda: ticks.append(loop.time()))
    one.start()
    begun = loop.time()
    one.sooner(begun + 0.01)
    one.sooner(begun + 0.04)
    one.sooner(None)
    await asyncio.sleep(0.03)
    assert len(ticks) == 1
    await asyncio.sleep(0.06)
    assert len(ticks) == 2, "once for each time"
    one.stop()


async def test_who_asks_in_every_tick_for_a_moment_that_has_passed_does_not_spin() -> None:
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(0.0)
        one.sooner(0.0)

    one = Ticking(tick)
    one.start()
    await asyncio.sleep(0.1)
    one.stop()
    assert len(ticks) < 100
