"""A disk that is full at any point: a decision is on disk and in memory, or in neither, and nobody is told of more."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import driver as driving
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.conversations import Call, Outbox
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.records import ACTIVE
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.coordinator.store import Store
from lepton_edge.core import messages as m
from partitioner.nouns_json import to_json
from partitioner.plan import Block
from partitioner.units import Epoch, Seconds

AFTER = 10_000  # statements: never within one play


class FullDisk:
    """Rows whose statement number `fails_from` fails, and as many after it as `lasts`."""

    def __init__(self, rows: sqlite3.Connection) -> None:
        self._rows = rows
        self.writes, self.fails_from, self.lasts = 0, AFTER, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def execute(self, statement: str, *values: Any) -> Any:
        return self._unless_full(statement, lambda: self._rows.execute(statement, *values))

    def executemany(self, statement: str, *values: Any) -> Any:
        return self._unless_full(statement, lambda: self._rows.executemany(statement, *values))

    def _unless_full(self, statement: str, write: Callable[[], Any]) -> Any:
        if statement.split()[0] in ("INSERT", "DELETE", "COMMIT"):
            self.writes += 1
            if self.fails_from <= self.writes < self.fails_from + self.lasts:
                raise sqlite3.OperationalError("database or disk is full")
        return write()


class Play:
    """A driver on a disk that fills up, with agents and a worker that answer at once."""

    def __init__(self, directory: Path, make: Any) -> None:
        self.make, self.now, self.streams = make, 100.0, dict[str, tuple[str, Outbox]]()
        self.store = Store(directory)
        self.store._rows.execute("PRAGMA synchronous=OFF")
        self.disk = FullDisk(self.store._rows)
        self.store._rows = self.disk  # type: ignore[assignment]
        artifacts = Artifacts(directory)
        artifacts.prepare()
        self.driver = Driver(State(Settings("0.1", 1)), self.store, artifacts, self._work)
        self.driver.now = lambda: self.now  # type: ignore[method-assign, assignment]
        self.driver.on_disk = self._at_once  # type: ignore[method-assign, assignment]
        self.answered: list[c.Finish | c.Fail] = []
        self._texts: dict[int, tuple[Any, str]] = {}
        say, answer = self.driver._say, self.driver._answer
        self.driver._say = lambda one: (self._said(one), say(one))[1]  # type: ignore[method-assign]
        self.driver._answer = lambda one: (self._heard(one), answer(one))[1]  # type: ignore[method-assign]

    def _said(self, command: c.Say) -> None:
        if isinstance(command.message, m.Prepare | m.Activate | m.Drain | m.Retire):
            self.check()

    async def _at_once(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    async def _work(self, job: Any, tell: Any) -> e.Event:
        if isinstance(job, c.MakeTrial):
            block = Block(0, "onnx", (), ())
            trial = m.ProfileCommand("", job.model, job.version, block, (), (), (), "", "", 0, 5, 10.0)
            return e.TrialMade(job.cause, job.job, trial)
        order = job.order
        names = [have.device if have else None for have in (order.board, order.cloud)]
        return e.PlanMade(job.cause, job.job, self.make.book(*names), "{}")

    def _heard(self, reply: c.Finish | c.Fail) -> None:
        if isinstance(reply, c.Finish):
            self.check()
        self.answered.append(reply)

    def on_disk(self) -> dict[str, Any]:
        rows = self.disk._rows
        read = {
            table: {json.dumps(key): text for *key, text in rows.execute(query)}
            for table, query in {
                "devices": "SELECT device, hello FROM devices",
                "models": "SELECT name, record FROM models",
                "profiles": "SELECT model, version, device, record FROM profiles",
                "links": "SELECT device, peer, link FROM links",
                "epochs": "SELECT model, epoch, record FROM epochs",
            }.items()
        }
        drained = rows.execute("SELECT value FROM meta WHERE key = 'drained'").fetchone()
        read["devices"] = dict.fromkeys(read["devices"], '"known"')  # the rest may wait
        return {**read, "drained": json.loads(drained[0]) if drained else []}

    def in_memory(self) -> dict[str, Any]:
        state = self.driver.state
        held: dict[str, dict[Any, Any]] = {
            "devices": {(name,): "known" for name in state.devices},
            "models": {(name,): record for name, record in state.models.items()},
            "profiles": dict(state.profiles),
            "links": dict(state.links),
            "epochs": dict(state.epochs),
        }
        told = {
            table: {json.dumps(list(key)): self._text(noun) for key, noun in nouns.items()}
            for table, nouns in held.items()
        }
        return {**told, "drained": sorted(state.drains)}

    def _text(self, noun: Any) -> str:
        """Return a noun as the store writes it; a frozen one is always written the same."""
        if id(noun) not in self._texts:
            self._texts[id(noun)] = noun, json.dumps(to_json(noun), separators=(",", ":"))
        return self._texts[id(noun)][1]

    def check(self) -> None:
        assert self.in_memory() == self.on_disk()

    async def event(self, event: e.Event) -> None:
        """Decide an event and all that follows from it."""
        await self.driver._survived(event)
        self.check()
        for _ in range(200):
            await asyncio.sleep(0)
            following = await self._next()
            if following is None:
                return
            await self.driver._survived(following)
            self.check()
        raise AssertionError("it has no end")

    async def _next(self) -> e.Event | None:
        if not self.driver._queue.empty():
            return self.driver._queue.get_nowait()
        for name, (stream, outbox) in self.streams.items():
            while outbox._queue.qsize():
                said = outbox._queue.get_nowait()
                reply = self.make.answer(said, name) if said is not None else None
                if reply is not None:
                    return e.Heard(stream, stream, reply)
        if self.driver._jobs:
            return await self.driver._queue.get()
        return None

    async def attach(self, name: str, incarnation: str = "i1") -> None:
        stream, outbox = self.driver.open_stream()
        self.streams[name] = stream, outbox
        await self.event(e.Attached(stream, stream, self.make.hello(name, name.rstrip("2"), incarnation)))

    async def ask(self, make: Callable[[str], e.Event]) -> Call:
        call = self.driver.open_call()
        await self.event(make(call.number))
        return call

    async def deploy(self) -> Call:
        request = m.Deploy("net", board="board", cloud="cloud")
        return await self.ask(lambda call: e.DeployAsked(call, call, request))

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1.0
            for stream, _ in self.streams.values():
                await self.driver._survived(
                    e.Heard(stream, stream, m.Telemetry(0.1, 4 << 30, 1, 40.0, 0, 9, 0, 1.0))
                )
            await self.event(e.Tick())

    async def act(self) -> None:
        """What people do with a model and its devices, from the first to the last."""
        for name in ("board", "cloud"):
            await self.attach(name)
        await self.ask(lambda call: e.ModelPushed(call, call, self.make.model()))
        await self.deploy()
        await self.ask(lambda call: e.ModelPushed(call, call, self.make.model(version="v2")))
        await self.deploy()
        await self.ask(lambda call: e.RollBackAsked(call, call, m.RollBack("net")))
        await self.attach("cloud2")
        await self.ask(lambda call: e.DrainAsked(call, call, m.DrainDevice("cloud")))
        await self.pass_time(3)
        await self.ask(lambda call: e.DeviceRemoveAsked(call, call, m.RemoveDevice("cloud")))
        await self.pass_time(3)
        await self.ask(lambda call: e.RemoveAsked(call, call, "net"))


@pytest.fixture
def play(tmp_path: Path, make: Any) -> Play:
    return Play(tmp_path, make)


def writes_of_a_play(directory: Path, make: Any) -> int:
    one = Play(directory, make)
    asyncio.run(one.act())
    failed = [answer for answer in one.answered if isinstance(answer, c.Fail)]
    assert not failed, failed
    assert len(one.answered) == 8
    one.store.close()
    return one.disk.writes


async def recovered(play: Play) -> None:
    """Once there is room again, everything goes on: whoever waits is answered, and a deployment succeeds."""
    play.disk.fails_from = AFTER
    await play.pass_time(1)
    play.now += 400.0  # whatever an agent owes is overdue
    await play.pass_time(3)
    assert play.driver.state.running is None
    for name in ("board", "cloud"):
        if name in play.streams:
            await play.event(e.Detached("end", play.streams[name][0]))
        await play.attach(name, "i2")
        await play.ask(lambda call, name=name: e.DrainAsked(call, call, m.DrainDevice(name, undo=True)))  # type: ignore[misc]
    await play.ask(lambda call: e.ModelPushed(call, call, play.make.model()))
    call = await play.deploy()
    done = [one for one in play.answered if one.call == call.number]
    assert isinstance(done[0], c.Finish), done
    assert any(record.state == ACTIVE for record in play.driver.state.epochs.values())
    assert not play.driver._calls, "somebody was never answered"
    calls = [one.call for one in play.answered]
    assert len(play.driver.state.pending) == 0
    assert calls


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = structlog.wrap_logger(
        None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    monkeypatch.setattr(driving, "log", silent)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("lasts", "apart"), [(1, 2), (4, 3), (AFTER, 5)])
def test_whenever_the_disk_is_full_all_of_a_decision_is_kept_or_nothing(
    tmp_path: Path, make: Any, lasts: int, apart: int
) -> None:
    count = writes_of_a_play(tmp_path / "whole", make)
    assert count > 40
    for number in range(1, count + 1, apart):
        one = Play(tmp_path / f"{number}", make)
        one.disk.fails_from, one.disk.lasts = number, lasts

        async def through(one: Play = one) -> None:
            await one.act()
            await recovered(one)

        asyncio.run(through())
        one.store.close()


@pytest.mark.usefixtures("quiet")
async def test_whose_news_cannot_be_written_down_is_alive_all_the_same(play: Play) -> None:
    for name in ("board", "cloud"):
        await play.attach(name)
    await play.ask(lambda call: e.ModelPushed(call, call, play.make.model()))
    await play.deploy()
    await play.ask(lambda call: e.ModelPushed(call, call, play.make.model(version="v2")))
    tried = m.Deploy("net", board="board", cloud="cloud", canary=0.1)
    await play.ask(lambda call: e.DeployAsked(call, call, tried))
    play.disk.fails_from, play.disk.lasts = play.disk.writes + 1, AFTER
    told = m.EpochReport("net", Epoch(1), 500, 0, Seconds(0.01), Seconds(0.01))  # where the trial begins
    news = m.Telemetry(0.1, 4 << 30, 1, 40.0, 0, 9, 0, 1.0, epochs=(told,))
    writes = play.disk.writes
    for _ in range(20):
        play.now += 1.0
        for stream, _ in play.streams.values():
            await play.driver._survived(e.Heard(stream, stream, news))
        await play.event(e.Tick())
    assert play.disk.writes > writes, "what they tell is to be written down"
    assert all(device.stream is not None for device in play.driver.state.devices.values())
