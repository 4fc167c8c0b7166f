"""A world for the coordinator's decider: agents, a worker and callers, all played by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.machine import step
from lepton_edge.coordinator.records import CallId, ModelRecord, PlanOrder, StreamId
from lepton_edge.coordinator.state import Settings, State, validate_state
from lepton_edge.core import messages as m
from lepton_edge.core.changes import Change
from lepton_edge.core.frames import WireError
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.plan import (
    LOCAL_PAGE,
    Block,
    Frontier,
    Page,
    PlanBook,
    Prediction,
    Stage,
    TensorSpec,
    WeightRef,
)

MIB = 1 << 20


def hello(name: str, role: str = "board", incarnation: str = "i1", **changes: Any) -> m.Hello:
    hardware = m.Hardware(
        "x86_64", "Linux", 4, 8192 * MIB, 4096 * MIB, "a processor", ("CPU",), "onnxruntime 1"
    )
    made = m.Hello(
        name, role, incarnation, "0.1", m.PROTOCOL_MAJOR, m.PROTOCOL_MINOR, hardware, (f"{name}:8011",), 1.0
    )
    return dataclasses.replace(made, **changes)


def model(name: str = "net", version: str = "v1", weights: int = 10 * MIB) -> ModelRecord:
    return ModelRecord(name, version, weights, layers=3)


def book(board: str | None = "board", cloud: str | None = "cloud", active: str = "cut-1") -> PlanBook:
    spec = TensorSpec("x", "float32", (1, 4), 16)
    refs = tuple(WeightRef(f"w{i}", 4096 * i, 4096, f"{i}" * 64) for i in range(2))
    blocks = tuple(Block(i, "onnx", (spec,), (spec,), f"{i}" * 64, (refs[i],)) for i in range(2))
    none = Prediction(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)
    ends = [Page(LOCAL_PAGE, (Stage(board or cloud, 0, 2),), none)]
    if board and cloud:
        ends.append(Page("cut-1", (Stage(board, 0, 1), Stage(cloud, 1, 2)), none))
    chosen = active if board and cloud else LOCAL_PAGE
    frontiers = (Frontier((spec,)), Frontier((spec,)), Frontier(()))
    return PlanBook("net", "v1", blocks, frontiers, (), (), tuple(ends), chosen)


def profile(device: str) -> DeviceProfile:
    return DeviceProfile(device, Measurement(0.01, 0.001, 5), ())


LINK = LinkProfile(1e6, 1e6, 0.002, 0.002)


def answer(message: m.CoordinatorSays, device: str) -> e.AgentReport | None:
    """Return what a well-behaved agent called `device` says to a command."""
    if isinstance(message, m.ProfileCommand):
        return m.Profiled(message.command, message.model, message.version, profile(device))
    if isinstance(message, m.GaugeCommand):
        return m.Gauged(message.command, 0.03)
    if isinstance(message, m.ProbeCommand):
        return m.Probed(message.command, message.peer.device, LINK)
    if isinstance(message, m.Prepare | m.Activate | m.Drain | m.Retire):
        return m.Outcome(message.command)
    return None


class World:
    """The decider with everybody around it; `validate_state` runs after every step."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State(Settings("0.1", 1))
        self.now = 100.0
        self.streams = 0
        self.calls = 0
        self.said: list[tuple[str, m.CoordinatorSays]] = []  # (stream, message), unanswered
        self.work: list[c.MakeTrial | c.MakePlan] = []
        self.kept: list[c.Command] = []
        self.changes: dict[int, Change] = {}  # as they were last told, by serial
        self.answers: dict[str, c.Finish | c.Fail] = {}
        self.told: list[c.Tell] = []
        self.hung: list[str] = []
        self.log: list[c.Command] = []
        self.ordered: list[PlanOrder] = []

    def do(self, event: e.Event) -> list[c.Command]:
        made = step(self.state, event, self.now)
        validate_state(self.state)
        self.log += made
        for command in made:
            self._carry_out(command)
        return made

    def _carry_out(self, command: c.Command) -> None:
        if isinstance(command, c.Say):
            self.said.append((command.stream, command.message))
        elif isinstance(command, c.Finish | c.Fail):
            assert command.call not in self.answers, f"{command.call} was answered twice"
            self.answers[command.call] = command
        elif isinstance(command, c.MakeTrial | c.MakePlan):
            self.work.append(command)
        elif isinstance(command, c.Tell):
            self.told.append(command)
        elif isinstance(command, c.KeepChange):
            self.changes[command.change.serial] = command.change
        elif isinstance(command, c.Hang):
            self.hung.append(command.stream)
        else:
            self.kept.append(command)

    def attach(self, greeting: m.Hello) -> StreamId:
        self.streams += 1
        stream = StreamId(f"s{self.streams}")
        self.do(e.Attached(f"stream {stream}", stream, greeting))
        return stream

    def hear(self, stream: str, message: e.AgentReport) -> list[c.Command]:
        return self.do(e.Heard(f"stream {stream}", StreamId(stream), message))

    def call(self, make: Callable[[str, CallId], e.Event]) -> CallId:
        self.calls += 1
        call = CallId(f"call{self.calls}")
        self.do(make(f"call {self.calls}", call))
        return call

    def deploy(self, name: str = "net", **wishes: Any) -> CallId:
        return self.call(lambda cause, call: e.DeployAsked(cause, call, m.Deploy(name, **wishes)))

    def pin(self, name: str = "net", **wishes: Any) -> CallId:
        return self.call(lambda cause, call: e.PinAsked(cause, call, m.PinPlan(name, **wishes)))

    def what_if(self, name: str = "net", **wishes: Any) -> CallId:
        return self.call(lambda cause, call: e.WhatIfAsked(cause, call, m.WhatIf(name, **wishes)))

    def push(self, record: ModelRecord | None = None) -> CallId:
        return self.call(lambda cause, call: e.ModelPushed(cause, call, record or model()))

    def device(self, stream: str) -> str:
        found = self.state.device_of(StreamId(stream))
        return found.name if found else ""

    def next_said(self, kind: type) -> tuple[str, Any]:
        found = next(entry for entry in self.said if isinstance(entry[1], kind))
        self.said.remove(found)
        return found

    def work_done(self) -> None:
        job = self.work.pop(0)
        if isinstance(job, c.MakeTrial):
            block = Block(0, "onnx", (), ())
            trial = m.ProfileCommand("", job.model, job.version, block, (), (), (), "", "", 0, 5, 10.0)
            self.do(e.TrialMade(job.cause, job.job, trial))
            return
        order = job.order
        self.ordered.append(order)
        names = [
            have and have.device
            for have in (order.board or order.board_estimate, order.cloud or order.cloud_estimate)
        ]
        made = None if order.explain_only else book(*names)
        self.do(e.PlanMade(job.cause, job.job, made, "{}"))

    def run(self, refuse: dict[type, WireError] | None = None) -> None:
        """Let everybody answer until all is said; `refuse` makes agents fail a kind of command."""
        while self.said or self.work:
            if self.work:
                self.work_done()
                continue
            stream, message = self.said.pop(0)
            name = self.device(stream)
            error = (refuse or {}).get(type(message))
            reply = m.Outcome(message.command, error) if error else answer(message, name)
            if name and reply is not None:
                self.hear(stream, reply)

    def epoch_states(self) -> dict[int, str]:
        return {number: record.state for (_, number), record in self.state.epochs.items()}

    def answer_of(self, call: str) -> c.Finish | c.Fail:
        return self.answers[call]


class Maker:
    """What tests need to make: the functions above, handed down without an import."""

    World = World
    hello = staticmethod(hello)
    model = staticmethod(model)
    book = staticmethod(book)
    profile = staticmethod(profile)
    link = LINK
    answer = staticmethod(answer)


@pytest.fixture(scope="session")
def make() -> type[Maker]:
    return Maker


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pair(world: World) -> World:
    """A world with a board, a cloud and a model."""
    world.attach(hello("board"))
    world.attach(hello("cloud", "cloud"))
    world.push()
    world.run()
    return world
