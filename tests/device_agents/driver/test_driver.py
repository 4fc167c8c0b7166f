"""The loop: events in order, and nothing that breaks leaves it as anything but an event."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from device_agents.driver.driver import Driver, Parts
from device_agents.driver.saved import SavedEpochs
from device_agents.machine import State
from device_agents.machine.commands import Fail, Measure, OpenEpoch, Persist, Refuse, SendStage
from device_agents.machine.events import CoordinatorSaid, EpochKey, WorkKey
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.messages import Outcome, Prepare
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import book_of


@pytest.fixture
def said():
    return []


@pytest.fixture
def driver(said):
    made = Driver(State("board"))
    nothing = SimpleNamespace(keep=lambda peers: None, close=lambda *key: None)
    made.connect(Parts(nothing, nothing, nothing, nothing, nothing, said.append, nothing))
    return made


async def _until(said, count):
    for _ in range(100):
        if len(said) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(said)


async def test_a_task_that_breaks_becomes_an_outcome_that_says_so(driver, said, tmp_path) -> None:
    async def broken(command):
        raise ZeroDivisionError("a bug")

    async def tidy():
        return None

    driver.parts.holdings.open, driver.parts.holdings.tidy = broken, tidy
    book, _ = book_of(small_model(tmp_path))
    driver.submit(CoordinatorSaid(Prepare("p", 1, book, (0,))))
    await _until(said, 2)
    [outcome] = [word for word in said if isinstance(word, Outcome)]
    assert (outcome.command, outcome.error.code) == ("p", "prepare_failed")
    assert "ZeroDivisionError: a bug" in outcome.error.message
    assert driver.state.epochs == {}


async def test_an_event_from_inside_a_step_waits_for_its_end(driver, monkeypatch) -> None:
    order = []

    def step(state, event, now):
        order.append(f"begin {event}")
        return [Measure(event)] if event == "a" else []

    monkeypatch.setattr("device_agents.driver.driver.step", step)
    monkeypatch.setitem(
        Driver._execute.__globals__["_DO"],
        Measure,
        lambda self, command: (self.submit("b"), order.append("end a")),
    )
    driver.submit("a")
    assert order == ["begin a", "end a", "begin b"]


async def test_a_full_disk_does_not_stop_inference(driver, tmp_path) -> None:
    tried = []

    def write(epochs):
        tried.append(epochs)
        raise OSError(28, "No space left on device")

    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write = write
    driver.connect(dataclasses.replace(driver.parts, saved=saved))
    with capture_logs() as logs:
        driver._execute(Persist(()))  # told, not raised
    assert tried == [()]
    assert [one["log_level"] for one in logs] == ["warning"]
    assert "No space left" in logs[0]["error"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
async def test_who_has_no_memory_says_so(driver, said, tmp_path, error) -> None:
    async def broken(command):
        raise error

    async def tidy():
        return None

    driver.parts.holdings.open, driver.parts.holdings.tidy = broken, tidy
    book, _ = book_of(small_model(tmp_path))
    driver.submit(CoordinatorSaid(Prepare("p", 1, book, (0,))))
    await _until(said, 2)
    [outcome] = [word for word in said if isinstance(word, Outcome)]
    assert (outcome.error.code, outcome.error.fault) == ("out_of_memory", "device")
    assert "smaller model" in outcome.error.hint


async def test_a_closed_epoch_stops_being_opened(driver, said, tmp_path) -> None:
    started = asyncio.Event()

    async def forever(command):
        started.set()
        await asyncio.Event().wait()

    async def tidy():
        return None

    driver.parts.holdings.open, driver.parts.holdings.tidy = forever, tidy
    book, _ = book_of(small_model(tmp_path))
    key = EpochKey("net", 1)
    driver._execute(OpenEpoch(key, book, (0,)))
    await started.wait()
    task = driver._opening[key]
    driver._close_epoch(SimpleNamespace(key=key))
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    await driver.close()


async def test_a_line_about_a_request_names_it_its_model_and_its_epoch(driver) -> None:
    asked = Frame(FrameKind.ERROR, "r1", model="net", epoch=3, error=WireError("unavailable", "away"))
    named, work = {"request": "r1", "model": "net", "epoch": 3}, WorkKey("r1", 0, 0, 3, "local", 0)

    def no_link(device):
        raise Unavailable("no link", "wait")

    driver.parts.peers.link = no_link
    with capture_logs() as logs:
        driver._execute(Refuse(1, asked))
        driver._execute(Fail(work, 1, asked))
        driver._unanswered(SimpleNamespace(closed=asyncio.Event()), asked, RuntimeError("too large"))
        driver._execute(SendStage(work, "cloud", asked))
    assert [one["event"] for one in logs] == [
        "request refused", "request failed", "an answer did not reach its caller", "stage lost",
    ]  # fmt: skip
    assert all(named.items() <= one.items() for one in logs)
