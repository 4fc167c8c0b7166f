"""Tasks that die are told of and begun again; what dies again and again ends the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import supervision
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.coordinator.store import Store
from lepton_edge.core.errors import ServiceError
from lepton_edge.core.messages import ShowEvents


async def test_what_dies_is_begun_again_with_growing_pauses_and_gives_up_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    told: list[str] = []

    async def sleep(pause: float) -> None:
        pauses.append(pause)

    async def dies() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(supervision.asyncio, "sleep", sleep)
    with pytest.raises(ServiceError, match="journal died 8 times: ZeroDivisionError: a bug"):
        await supervision.keep("journal", dies, lambda name, error: told.append(f"{name}: {error}"))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    assert told == ["journal: a bug"] * 7


async def test_what_lived_well_for_a_while_begins_with_the_shortest_pause_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "WELL", 0.0)
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    lives: list[str] = []

    async def dies() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(supervision.keep("journal", dies, lambda name, error: lives.append(name)))
    while len(lives) < 3 * supervision.DEATHS:
        assert not task.done()
        await asyncio.sleep(0)
    task.cancel()


async def test_who_is_cancelled_cancels_what_it_keeps() -> None:
    ended = asyncio.Event()

    async def lives() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(supervision.keep("journal", lives, lambda name, error: None))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait_for(ended.wait(), 5)


async def test_what_ends_without_an_error_died_too() -> None:
    told: list[str] = []

    async def ends() -> None:
        if told:
            await asyncio.Event().wait()

    task = asyncio.create_task(supervision.keep("clock", ends, lambda name, error: told.append(str(error))))
    while not told:
        await asyncio.sleep(0)
    task.cancel()
    assert told == ["it ended, which it should not"]


# --- in the driver ----------------------------------------------------------------------------------------


class Bench:
    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.driver = Driver(State(Settings("0.1", 1)), self.store, Artifacts(directory), self._never)
        self.running: asyncio.Task[None] | None = None

    async def _never(self, job: object, tell: object) -> e.Event:
        raise AssertionError("nothing is worked")

    async def told(self, task: str) -> str:
        """Return the cause of the change that tells that `task` died, once it is written."""
        while True:
            found = [one for one in self.store.changes(ShowEvents(), 0.0) if f"its {task} died" in one.cause]
            if found:
                return found[0].cause
            await asyncio.sleep(0.01)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    if made.running is not None:
        made.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ServiceError):
            await made.running
    made.store.close()


async def test_a_clock_that_dies_ticks_on_and_everybody_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick, deaths = bench.driver._tick, 0

    async def dies_once() -> None:
        nonlocal deaths
        deaths += 1
        if deaths == 1:
            raise ZeroDivisionError("a bug")
        await tick()

    monkeypatch.setattr(bench.driver, "_tick", dies_once)
    bench.running = asyncio.create_task(bench.driver.run())
    assert await asyncio.wait_for(bench.told("clock"), 10) == "its clock died: ZeroDivisionError: a bug"
    while bench.driver.state.ticked_at is None:
        await asyncio.sleep(0.01)


async def test_a_journal_that_dies_writes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    keep, broken = bench.store.keep_changes, [True]

    def breaks(changes: object) -> None:
        if broken:
            broken.clear()
            raise ZeroDivisionError("a bug")
        keep(changes)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "keep_changes", breaks)
    bench.driver.journal._write = lambda changes: bench.driver.on_disk(bench.store.keep_changes, changes)
    bench.running = asyncio.create_task(bench.driver.run())
    await bench.driver.post(e.Began("start"))
    await asyncio.wait_for(bench.told("journal"), 10)
    await asyncio.wait_for(bench.driver.journal.written(), 10)


async def test_a_clock_that_dies_again_and_again_ends_the_process_with_a_clear_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(bench.driver, "_tick", dies)
    with pytest.raises(ServiceError, match="clock died 8 times"):
        await asyncio.wait_for(bench.driver.run(), 10)


async def test_a_decider_that_dies_ends_the_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(event: e.Event) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(bench.driver, "_survived", dies)
    await bench.driver.post(e.Began("start"))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(bench.driver.run(), 10)
