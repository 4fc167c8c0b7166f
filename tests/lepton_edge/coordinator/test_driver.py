"""The loop that carries decisions out: order, full boxes, failing disks, failing jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import driver as driving
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.conversations import STREAM_LIMIT, Call, Outbox
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.records import CallId
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.coordinator.store import Store
from lepton_edge.core import messages as m
from lepton_edge.core.errors import StorageFull


class Bench:
    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        artifacts = Artifacts(directory)
        artifacts.prepare()
        self.release = asyncio.Event()
        self.driver = Driver(State(Settings("0.1", 1)), self.store, artifacts, self.work)

    async def work(self, job: Any, tell: Any) -> e.Event:
        await self.release.wait()
        raise RuntimeError("a bug")

    async def answer(self, call: Call) -> Any:
        async for told in call.events():
            if not isinstance(told, m.Progress):
                return told
        return None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    running = asyncio.create_task(made.driver.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    made.store.close()


async def attach(bench: Bench, make: Any, name: str) -> tuple[str, Outbox]:
    stream, outbox = bench.driver.open_stream()
    await bench.driver.post(e.Attached(stream, stream, make.hello(name)))
    assert isinstance(await asyncio.wait_for(outbox._queue.get(), 5), m.Welcome)
    return stream, outbox


async def test_heartbeats_are_heard_while_the_worker_works(bench: Bench, make: Any) -> None:
    stream, _ = await attach(bench, make, "board")
    call = bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("x", call.number, make.model()))
    await bench.answer(call)
    deploying = bench.driver.open_call()
    await bench.driver.post(e.DeployAsked("x", deploying.number, m.Deploy("net")))
    telemetry = m.Telemetry(0.5, 1, 2, 40.0, 0, 7, 0, 1.0)
    await bench.driver.post(e.Heard(stream, stream, telemetry))
    for _ in range(50):
        if bench.driver.state.devices["board"].telemetry == telemetry:
            break
        await asyncio.sleep(0.01)
    assert bench.driver.state.devices["board"].telemetry == telemetry
    bench.release.set()
    failed = await asyncio.wait_for(bench.answer(deploying), 5)
    assert failed.error.code == "service_error"
    assert "RuntimeError: a bug" in failed.error.message


async def test_a_decision_that_breaks_ends_its_own_story_and_no_other(
    bench: Bench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = driving.step

    def breaks(state: State, event: e.Event, now: Any) -> Any:
        if isinstance(event, e.DeployAsked):
            raise ZeroDivisionError("a bug")
        return step(state, event, now)

    monkeypatch.setattr(driving, "step", breaks)
    call = bench.driver.open_call()
    await bench.driver.post(e.DeployAsked(call.number, call.number, m.Deploy("net")))
    failed = await asyncio.wait_for(bench.answer(call), 5)
    assert (failed.error.code, "ZeroDivisionError" in failed.error.message) == ("service_error", True)
    await attach(bench, make, "board")


async def test_a_removal_that_breaks_leaves_the_model(
    bench: Bench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(name: str) -> None:
        raise ZeroDivisionError("a bug")

    pushed, removed = bench.driver.open_call(), bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("x", pushed.number, make.model()))
    await asyncio.wait_for(bench.answer(pushed), 5)
    monkeypatch.setattr(bench.store, "forget_model", breaks)
    await bench.driver.post(e.RemoveAsked("y", removed.number, "net"))
    failed = await asyncio.wait_for(bench.answer(removed), 5)
    assert failed.error.code == "service_error"
    assert list(bench.driver.state.models) == ["net"]


async def test_what_runs_ends_when_a_decision_breaks_but_not_when_telemetry_does(
    bench: Bench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = driving.step
    broken: list[e.Event] = []

    def breaks(state: State, event: e.Event, now: Any) -> Any:
        if isinstance(event, (e.Heard, e.WorkFailed)):
            broken.append(event)
            raise ZeroDivisionError("a bug")
        return step(state, event, now)

    stream, _ = await attach(bench, make, "board")
    pushed, deploying = bench.driver.open_call(), bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("x", pushed.number, make.model()))
    await asyncio.wait_for(bench.answer(pushed), 5)
    monkeypatch.setattr(driving, "step", breaks)
    await bench.driver.post(e.DeployAsked("y", deploying.number, m.Deploy("net")))
    await bench.driver.post(e.Heard(stream, stream, m.Telemetry(0.5, 1, 2, 40.0, 0, 7, 0, 1.0)))
    again = bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("z", again.number, make.model()))
    await asyncio.wait_for(bench.answer(again), 5)
    assert len(broken) == 1
    assert bench.driver.state.running is not None
    bench.release.set()
    failed = await asyncio.wait_for(bench.answer(deploying), 5)
    assert (failed.error.code, "ZeroDivisionError" in failed.error.message) == ("service_error", True)
    assert bench.driver.state.running is None


async def test_what_could_not_be_written_down_is_not_promised(
    bench: Bench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: Any) -> None:
        raise StorageFull("no space is left", "free some")

    monkeypatch.setattr(bench.store, "keep_model", full)
    call = bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("x", call.number, make.model()))
    failed = await asyncio.wait_for(bench.answer(call), 5)
    assert isinstance(failed, c.Fail)
    assert failed.error.code == "storage_full"
    assert bench.driver.state.models == {}, "told that it failed, so it did not happen"


async def test_a_model_whose_removal_cannot_be_written_down_stays(
    bench: Bench, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> None:
        raise StorageFull("no space is left", "free some")

    pushed, removed = bench.driver.open_call(), bench.driver.open_call()
    await bench.driver.post(e.ModelPushed("x", pushed.number, make.model()))
    await asyncio.wait_for(bench.answer(pushed), 5)
    monkeypatch.setattr(bench.store, "forget_model", full)
    await bench.driver.post(e.RemoveAsked("y", removed.number, "net"))
    failed = await asyncio.wait_for(bench.answer(removed), 5)
    assert failed.error.code == "storage_full"
    assert list(bench.driver.state.models) == ["net"]
    await bench.driver.journal.written()
    assert bench.store.changes(m.ShowEvents(), 0.0) == (), "nobody is told that it was removed"


async def test_an_agent_that_takes_no_messages_is_hung_up_on() -> None:
    outbox = Outbox()
    assert all(outbox.put(_message()) for _ in range(STREAM_LIMIT))
    assert not outbox.put(_message())
    outbox.close()
    taken = [message async for message in outbox.messages()]
    assert len(taken) == STREAM_LIMIT


def _message() -> m.CoordinatorSays:
    return m.Retire("c", "net", 1)  # type: ignore[arg-type]


async def test_progress_is_dropped_when_nobody_listens_but_the_answer_is_not() -> None:
    call = Call(CallId("x"))
    for number in range(1000):
        call.tell(m.Progress("x", "stage", number, 1000))
    call.answer(c.Finish("x", call.number, c.Removed("net")))  # type: ignore[arg-type]
    heard = [event async for event in call.events()]
    assert isinstance(heard[-1], c.Finish)
    assert len(heard) < 100
