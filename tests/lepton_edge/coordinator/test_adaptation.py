"""Plans that change by themselves, under any order of events: what was begun ends, and every change has a cause."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator.events import Detached, RemoveAsked, StoreFailed, Tick, WorkFailed
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from tests.lepton_edge.coordinator.arithmetic import MIB, planner, replans

WORDS = (
    "tick", "tick", "wait", "wait long", "answer", "answer", "answer all", "refuse", "work", "work fails",
    "slow", "normal", "throttled", "short", "well", "fast answers", "slow answers", "failing answers",
    "lose cloud", "lose cloud2", "lose board", "attach cloud", "attach cloud2", "attach board",
    "deploy", "deploy fixed", "what if", "push", "remove", "store fails",
)  # fmt: skip
NAMES = {"cloud": "cloud", "cloud2": "cloud", "board": "board"}


class Whatever:
    """Turns words into events on a world that plans by itself."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.world = planner(make.World)()
        self.world.most = 1
        self.calls: list[str] = []

    def act(self, words: str) -> None:
        verb, _, rest = words.partition(" ")
        getattr(self, f"_{verb}")(rest)

    def _tick(self, rest: str) -> None:
        self._pass(0.5)

    def _wait(self, rest: str) -> None:
        for _ in range(40 if rest else 8):
            self._pass(2.0)

    def _pass(self, seconds: float) -> None:
        self.world.now += seconds
        for device in self.world.state.devices.values():
            if device.stream is not None:
                device.heard = self.world.now
        self.world.do(Tick())

    def _answer(self, rest: str) -> None:
        if rest == "all":
            self.world.run()
        for stream, message in self.world.said[:1]:
            self.world.said.remove((stream, message))
            reply = self.make.answer(message, self.world.device(stream) or "nobody")
            if reply is not None:
                self.world.hear(stream, reply)

    def _refuse(self, rest: str) -> None:
        for stream, message in self.world.said[:1]:
            self.world.said.remove((stream, message))
            if hasattr(message, "command"):
                self.world.hear(stream, m.Outcome(message.command, WireError("storage_full", "full")))

    def _work(self, rest: str) -> None:
        if self.world.work and not rest:
            self.world.work_done()
        elif self.world.work:
            job = self.world.work.pop(0)
            self.world.do(WorkFailed(job.cause, job.job, WireError("service_error", "killed")))

    def _slow(self, rest: str) -> None:
        if rest:
            self._requests(0.9, 0)
        elif self._serves():
            self.world.slow_down("board", 9.0)

    def _normal(self, rest: str) -> None:
        if self._serves():
            self.world.slow_down("board", 1.0)

    def _throttled(self, rest: str) -> None:
        if self._serves():
            self.world.tell("board", throttled=True)

    def _short(self, rest: str) -> None:
        for name in self._there():
            self.world.tell(name, memory_available=MIB)

    def _well(self, rest: str) -> None:
        for name in self._there():
            self.world.tell(name)

    def _fast(self, rest: str) -> None:
        self._requests(0.01, 0)

    def _failing(self, rest: str) -> None:
        self._requests(0.1, 9)

    def _requests(self, mean: float, failed: int) -> None:
        if self._serves():
            self.world.answer_requests(mean, 30, failed)

    def _serves(self) -> bool:
        """Whether the board is there, and the page that it takes has a stage on it."""
        active = self.world.active
        stages = active.book.page(active.book.active).stages if active else ()
        return "board" in self._there() and any(one.device == "board" for one in stages)

    def _there(self) -> list[str]:
        return [device.name for device in self.world.state.connected()]

    def _lose(self, name: str) -> None:
        if name in self._there():
            self.world.do(Detached("lost", self.world.state.devices[name].stream))

    def _attach(self, name: str) -> None:
        if name not in self._there():
            self.world.attach(self.make.hello(name, NAMES[name], f"i{self.world.streams}"))

    def _deploy(self, rest: str) -> None:
        cloud = "cloud" if "cloud" in self._there() else ""
        self.calls.append(self.world.deploy(cloud=cloud, fixed=bool(rest)))

    def _what(self, rest: str) -> None:
        self.calls.append(self.world.what_if())

    def _push(self, rest: str) -> None:
        self.calls.append(self.world.push(self.make.model(version=f"v{len(self.calls)}")))

    def _remove(self, rest: str) -> None:
        self.calls.append(self.world.call(lambda cause, call: RemoveAsked(cause, call, "net")))

    def _store(self, rest: str) -> None:
        self.world.do(StoreFailed("full", WireError("storage_full", "full")))

    def finish(self) -> None:
        """Let everybody answer, and time pass, until what was begun is over."""
        for name in ("board", "cloud"):
            self._attach(name)
        for _ in range(300):
            self.world.run()
            self._pass(2.0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(WORDS), max_size=60))
def test_whatever_happens_all_that_was_begun_ends_and_every_change_has_a_cause(
    make: Any, words: list[str]
) -> None:
    told = Whatever(make)
    for word in [
        "attach board",
        "attach cloud",
        "push",
        "answer all",
        "deploy",
        "answer all",
        "wait",
        *words,
    ]:
        told.act(word)
    told.finish()
    world = told.world
    assert set(told.calls) <= set(world.answers)
    assert "" not in world.answers, "nobody is answered who asked nothing"
    assert world.state.running is None
    assert world.state.trials == {}
    assert not [
        one.key
        for one in world.state.epochs.values()
        if one.state not in ("ACTIVE", "RETIRED", "FAILED") and one.key not in world.state.kept.values()
    ], "but for the version that is kept to go back to"
    assert all(one.cause for one in world.changes.values())
    assert not [one for one in replans(world) if one.verdict == "pending"]
    held = {record.key for record in world.state.active_epochs()} | set(world.state.kept.values())
    for name in ("board", "cloud"):
        assert set(world.state.devices[name].epochs) <= held, "what is over is held by nobody"
