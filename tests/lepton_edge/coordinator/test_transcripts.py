"""Stories of the coordinator's decider that a person can read, compared with what it says today."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.coordinator.store import Remembered, after_restart
from lepton_edge.core import messages as m
from lepton_edge.core.changes import Change
from lepton_edge.core.frames import WireError
from tests.lepton_edge.coordinator.arithmetic import planner
from tests.stories import stories, tell_again

STORIES = stories("coordinator")


class Teller:
    """Plays the lines of a story and renders what the decider does."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.world = make.World()
        self.turned = 0

    def play(self, line: str) -> list[str]:
        words = line.split()
        before = len(self.world.log)
        getattr(self, "_" + words[0])(*words[1:])
        return [_render(command, self.world) for command in self.world.log[before:]]

    def _hello(self, name: str, role: str, incarnation: str = "i1") -> None:
        self.world.attach(self.make.hello(name, role, incarnation))

    def _coordinator(self, term: str) -> None:
        """This coordinator is the start number `term` on its state."""
        settings = Settings("0.1", int(term), identity="state", incarnation="here")
        self.world.state = State(settings)

    def _follower(self, name: str, role: str, of: str, term: str) -> None:
        """An agent says hello that obeyed a coordinator of `term` before: on a copy of this state, or another."""
        held = () if of == "copy" else (m.EpochStatus("net", "v9", 1, "active", "other"),)  # type: ignore[arg-type]
        leader = m.Leader("state" if of == "copy" else "other", int(term), "there")
        self.world.attach(self.make.hello(name, role, "i9", leader=leader, epochs=held))

    def _restart(self, word: str = "") -> None:
        """The coordinator is killed and started again on what it had written down; agents go on meanwhile."""
        state = self.world.state
        epochs = list(state.epochs.values())
        found = Remembered(
            tuple(device.hello for device in state.devices.values()),
            tuple(state.models.values()),
            tuple((model, version, kept) for (model, version, _), kept in state.profiles.items()),
            tuple((device, peer, link) for (device, peer), link in state.links.items()),
            tuple(after_restart(record, epochs) for record in epochs),
            state.log.serial,
            drained=tuple(state.drains),
        )
        self.world.said.clear()
        self.world.work.clear()
        self.held = {name: dict(device.epochs) for name, device in state.devices.items()}
        self.world.state = remembered(found, Settings("0.1", state.settings.term + 1))
        self.world.do(e.Began("start"))

    def _back(self, name: str, role: str) -> None:
        """An agent that was there before a restart of the coordinator attaches again, holding what it held."""
        held = tuple(
            m.EpochStatus(model, "", number, state) for (model, number), state in self.held[name].items()
        )
        self.world.attach(self.make.hello(name, role, epochs=held))

    def _drain(self, name: str, *how: str) -> None:
        asked = m.DrainDevice(name, undo="undo" in how, force="force" in how)  # type: ignore[arg-type]
        self.world.call(lambda cause, call: e.DrainAsked(cause, call, asked))

    def _look(self, word: str = "") -> None:
        """A quarter of a second passes; every agent is heard."""
        self.world.now += 0.25
        for device in self.world.state.connected():
            self.world.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))  # type: ignore[arg-type]
        self.world.do(e.Tick())

    def _waits(self, seconds: str) -> None:
        """Time passes; every agent is heard, and answers nothing that it was told."""
        for _ in range(round(float(seconds) / 5)):
            self.world.now += 4.75
            self._look()

    def _new(self, version: str) -> None:
        """Another version of the model is pushed."""
        self.world.push(self.make.model("net", version))

    def _fares(self, name: str, *told: str) -> None:
        """Entry `name` tells EPOCH:ANSWERED:FAILED:MILLISECONDS of each epoch, all since it began."""
        reports = []
        for one in told:
            epoch, answered, failed, taken = (float(word) for word in one.split(":"))
            log = math.log(taken / 1e3)
            fare = m.EpochReport(
                "net", int(epoch), int(answered), int(failed), taken / 1e3, taken / 1e3,  # type: ignore[arg-type]
                answered * log, answered * (log * log + 0.04),
            )  # fmt: skip
            reports.append(fare)
        self.world.now += 0.25
        for device in self.world.state.connected():
            mine = tuple(reports) if device.name == name else ()
            told_ = m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1, epochs=mine)  # type: ignore[arg-type]
            self.world.hear(device.stream, told_)
        self.world.do(e.Tick())

    def _rollback(self, name: str) -> None:
        asked = m.RollBack(name)  # type: ignore[arg-type]
        self.world.call(lambda cause, call: e.RollBackAsked(cause, call, asked))

    def _gone(self, name: str) -> None:
        self.world.do(e.Detached(f"{name} gone", self.world.state.devices[name].stream))

    def _push(self, name: str) -> None:
        self.world.push(self.make.model(name))

    def _deploy(self, name: str, *wishes: str) -> None:
        """Deploy; wishes are `board=`, `cloud=` and, with commas between, `replicas=`."""
        given: dict[str, Any] = dict(wish.split("=") for wish in wishes)
        if "canary" in given:
            given["canary"] = float(given["canary"])
        replicas = tuple(name for name in given.pop("replicas", "").split(",") if name)
        self.world.deploy(name, **given, **({"replicas": replicas} if replicas else {}))

    def _move(self, name: str, source: str, to: str, target: str) -> None:
        asked = m.MoveModel(name, source, target)  # type: ignore[arg-type]
        self.world.call(lambda cause, call: e.MoveAsked(cause, call, asked))

    def _everybody(self, answers: str) -> None:
        """Let the worker and all agents answer until all is said."""
        self.world.run()

    def _busy(self, name: str, epoch: str, part: str) -> None:
        """Let a device tell for half a minute that an epoch takes this part of its time, 10 ms a run."""
        for beat in range(21):
            self.world.now += 1.5
            spent = 1.5 * beat * float(part)
            load = m.LoadReport("net", int(epoch), spent, round(spent * 100))  # type: ignore[arg-type]
            told = m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1, loads=(load,), workers=1)  # type: ignore[arg-type]
            for device in self.world.state.connected():
                quiet = dataclasses.replace(told, loads=())
                self.world.hear(device.stream, told if device.name == name else quiet)

    def _planning(self, by: str, pages: str) -> None:
        """Let the worker plan by arithmetic, books of so many pages and the local one."""
        if not hasattr(self.world, "most"):
            self.world.__class__ = planner(type(self.world))
        self.world.most = int(pages)

    def _slow(self, name: str, times: str) -> None:
        self.world.slow_down(name, float(times))

    def _requests(self, count: str, seconds: str) -> None:
        self.world.answer_requests(float(seconds), int(count))

    def _time(self, seconds: str) -> None:
        """Let time pass; everybody is heard and answers meanwhile."""
        self.world.pass_time(float(seconds))

    def _link(self, rate: str, seconds: str) -> None:
        """Let the board tell for so long that the link moves so many MB/s, and that it turned its page for it."""
        rate_now, page = float(rate) * 1e6, "local" if float(rate) < 0.5 else "cut-1"
        shown = m.LinkReport("cloud", up=rate_now, down=rate_now, round_trip=0.004, samples=20)  # type: ignore[arg-type]
        self.turned += 1
        before = "cut-1" if page == "local" else "local"
        turn = m.TurnReport(
            self.turned, "net", 1, before, page, f"the link moves {rate} MB/s", 0.3, 0.1, 0.1, 9, over=True,
        )  # type: ignore[arg-type]  # fmt: skip
        for second in range(int(seconds)):
            self.world.tell("board", links=(shown,), turns=() if second else (turn,))
            self.world.pass_time(1.0)

    def _remove(self, name: str) -> None:
        self.world.call(lambda cause, call: e.RemoveAsked(cause, call, name))

    def _worker(self, word: str) -> None:
        if word == "done":
            self.world.work_done()
        else:
            job = self.world.work.pop(0)
            self.world.do(e.WorkFailed(job.cause, job.job, WireError("service_error", f"the worker {word}")))

    def _answers(self, name: str, error: str = "") -> None:
        entry = next(
            s for s in self.world.said if self.world.device(s[0]) == name and hasattr(s[1], "command")
        )
        self.world.said.remove(entry)
        reply = self.make.answer(entry[1], name)
        self.world.hear(entry[0], m.Outcome(entry[1].command, WireError(error, error)) if error else reply)

    def _silence(self, seconds: str) -> None:
        self.world.now += float(seconds)
        self.world.do(e.Tick())


def _render(command: c.Command, world: Any) -> str:
    if isinstance(command, c.Say):
        message = command.message
        detail = f" epoch {message.epoch}" if hasattr(message, "epoch") else ""
        detail += f" for {message.share:.0%}" if getattr(message, "share", 0) else ""
        return f"  say {type(message).__name__}{detail} to {world.device(command.stream) or command.stream}"
    if isinstance(command, c.Finish):
        ending: Any = command.ending
        if len(getattr(ending, "document", "")) > 2:
            ending = dataclasses.replace(ending, document="...")
        return f"  finish {command.call}: {ending}"
    if isinstance(command, c.Fail):
        return f"  fail {command.call}: {command.error.code}: {command.error.message}"
    if isinstance(command, c.KeepEpoch):
        record = command.record
        return f"  keep epoch {record.epoch} of {record.model}: {record.state}, ready {list(record.ready)}"
    if isinstance(command, c.MakePlan) and command.order.load is not None:
        load = command.order.load
        return f"  MakePlan: {load.device} is {load.part:.0%} busy with others, a wait of {load.wait * 1e3:.1f} ms"
    if isinstance(command, c.MakePlan) and (command.order.explain_only or command.order.speeds):
        slow = ", ".join(f"{one.device} {1 / one.times:.2f} times as slow" for one in command.order.speeds)
        told = [slow] if slow else []
        told += ["only to see what it would gain"] if command.order.explain_only else []
        return f"  MakePlan: {', '.join(told)}"
    if isinstance(command, c.Tell):
        return f"  tell {command.call or 'nobody'}: {command.progress.stage} {command.progress.message}"
    if isinstance(command, c.KeepChange):
        return f"  {_change(command.change)}"
    return f"  {type(command).__name__}"


def _change(change: Change) -> str:
    """Return a change as one line: its serial, what it is about, why, what came of it."""
    about = " ".join(word for word in (change.device, change.model) if word)
    epoch = f" epoch {change.epoch}" if change.epoch else ""
    moved = f" {change.before or 'nothing'} -> {change.after}" if change.after else ""
    message = f" ({change.message})" if change.message else ""
    verdict = f" [{change.verdict}]" if change.verdict else ""
    return f"change {change.serial}: {change.kind} {about}{epoch}{moved}: {change.cause}{message}{verdict}"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_the_story_is_told_as_it_is_written(story: Path, make: Any) -> None:
    tell_again(story, Teller(make).play)


def test_there_are_stories() -> None:
    assert len(STORIES) >= 3
