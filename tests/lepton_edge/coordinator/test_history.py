"""What `lepton-edge events` is answered, over a real connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.events import Began
from lepton_edge.coordinator.history import adaptation, tell
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings
from lepton_edge.coordinator.store import Store
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import ShowEvents


async def _never(*_: Any) -> Any:
    raise AssertionError("nothing is to be worked on")


@pytest.fixture
async def began(tmp_path: Path) -> AsyncIterator[tuple[Driver, Store]]:
    """A coordinator that decides, without a port."""
    store = Store(tmp_path)
    driver = Driver(remembered(store.load(), Settings("0.1", 1)), store, Artifacts(tmp_path), _never)
    deciding = asyncio.create_task(driver.run())
    yield driver, store
    deciding.cancel()
    await asyncio.wait([deciding])
    store.close()


async def _decided(driver: Driver) -> None:
    """Wait until what was posted is decided."""
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_what_is_past_is_one_document(began: tuple[Driver, Store]) -> None:
    driver, store = began
    await driver.post(Began("start"))
    await _decided(driver)
    (document,) = [one async for one in tell(driver, store, ShowEvents())]
    (change,) = json.loads(document.json)["events"]
    assert document.schema == "lepton-edge/events/1"
    assert (change["serial"], change["kind"], change["message"]) == (
        1,
        "coordinator",
        "lepton-edge 0.1, term 1",
    )


async def test_a_clock_that_is_set_is_noticed_and_the_newest_changes_are_found_by_their_age(
    began: tuple[Driver, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, store = began
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + 86_400.0)
    while driver.state.settings.wall < true() + 86_000.0 - driver.now():
        await asyncio.sleep(0.01)
    await driver.post(Began("start"))
    await _decided(driver)
    (document,) = [one async for one in tell(driver, store, ShowEvents(age=60.0))]
    first, second = json.loads(document.json)["events"]
    assert (first["cause"], second["cause"]) == ("its clock was set", "it was started")
    assert second["at"] == pytest.approx(true() + 86_400.0, abs=60)


async def test_following_tells_the_past_then_each_change_as_it_comes(began: tuple[Driver, Store]) -> None:
    driver, store = began
    await driver.post(Began("start"))
    await _decided(driver)
    told = tell(driver, store, ShowEvents(follow=True))
    first = await anext(told)
    waiting = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await driver.post(Began("again"))
    second = await asyncio.wait_for(waiting, 2)
    assert [json.loads(one.json)["serial"] for one in (first, second)] == [1, 2]
    assert first.schema == second.schema == "lepton-edge/event/1"


async def test_a_kind_that_there_is_not_is_refused(began: tuple[Driver, Store]) -> None:
    with pytest.raises(InvalidInput, match="no kind"):
        await anext(tell(*began, ShowEvents(kind="odd")))


def test_status_says_what_changes_by_itself(pair: Any) -> None:
    pair.deploy()
    pair.run()
    told = adaptation(pair.state, pair.now + 9.0)
    assert told["targets"][0] | {"rests": 0.0} == {
        "model": "net", "board": "board", "on": True, "cause": "", "rests": 0.0, "on_trial": False,
        "prepared": [],
    }  # fmt: skip
    assert (told["last"]["kind"], told["last"]["age"]) == ("deploy", 9.0)
    pair.deploy(fixed=True)
    pair.run()
    assert adaptation(pair.state, pair.now)["targets"][0]["on"] is False
