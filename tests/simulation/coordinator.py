"""The coordinator of the simulation: the real decider, a store that outlives it, a worker that plans by arithmetic.

Law: carries out commands as `lepton_edge.coordinator.driver` does; `validate_state` runs after every step, and every
call is answered once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lepton_edge.coordinator import beside, store
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.machine import step
from lepton_edge.coordinator.records import ACTIVE, CallId, StreamId
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings, State, validate_state
from lepton_edge.coordinator.store import Remembered
from lepton_edge.core import messages as m
from partitioner.plan import Block
from tests.simulation import model
from tests.simulation.network import Network, Node, Wire

TICK = 0.25


@dataclass
class Store:
    """What is written down."""

    identity: str = "state-1"
    term: int = 0
    kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    changes: dict[int, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[tuple[tuple[Any, ...], Any]]:
        return [(key[1:], value) for key, value in self.kept.items() if key[0] == kind]

    def state(self, incarnation: str) -> State:
        """Return the state that a coordinator begins with."""
        self.term += 1
        settings = Settings("0.1", self.term, identity=self.identity, incarnation=incarnation)
        records = [record for _, record in self.of("epoch")]
        besides = tuple(one for _, one in self.of("beside"))
        prepared = beside.keys(besides)
        found = Remembered(
            tuple(hello for _, hello in self.of("device")),
            tuple(record for _, record in self.of("model")),
            tuple((key[0], key[1], record) for key, record in self.of("profile")),
            tuple((key[0], key[1], link) for key, link in self.of("link")),
            tuple(store.after_restart(record, records, prepared) for record in records),
            max(self.changes, default=0),
            tuple(one for one in self.changes.values() if one.verdict == "pending"),
            self.kept.get(("drained",), ()),
            besides,
        )
        return remembered(found, settings)


class Coordinator(Node):
    """One coordinator process after another on one store."""

    def __init__(self, name: str, network: Network, on: Store | None = None) -> None:
        super().__init__(name, network.clock)
        self.network, self.store = network, on or Store()
        self.alive = False
        self.numbers = 0
        self.answers: dict[str, Any] = {}
        self.trouble: list[str] = []
        self.activated: list[tuple[float, str, int]] = []  # when an epoch was active for a board

    def boot(self) -> None:
        """Start on the store, unless it runs."""
        if self.alive:
            return
        self.alive = True
        self.state = self.store.state(f"{self.name}-{self.life}")
        self.streams: dict[str, Wire] = {}
        self.said: dict[str, list[m.CoordinatorSays]] = {}
        self.jobs: set[str] = set()
        self.submit(e.Began("start"))
        self._tick()

    def _tick(self) -> None:
        self.submit(e.Tick())
        self.after(TICK, self._tick)

    def submit(self, event: e.Event) -> None:
        made = step(self.state, event, self.clock.now)
        validate_state(self.state)
        for command in made:
            self._do(command)

    def _do(self, command: c.Command) -> None:
        if isinstance(command, c.Say):
            wire = self.streams.get(command.stream)
            if wire is not None:
                wire.send(self, command.message)
        elif isinstance(command, c.Hang):
            wire = self.streams.pop(command.stream, None)
            if wire is not None:
                self.after(0.01, wire.end)
        elif isinstance(command, c.Finish | c.Fail):
            if command.call and command.call in self.answers:
                self.trouble.append(f"{command.call} was answered twice")
            self.answers[command.call] = command
        elif isinstance(command, c.MakeTrial | c.MakePlan):
            self.jobs.add(command.job)
            self.after(0.3, lambda: self._worked(command))
        elif isinstance(command, c.Abandon):
            self.jobs.discard(command.job)
        else:
            self._keep(command)

    def _keep(self, command: c.Command) -> None:
        kept = self.store.kept
        match command:
            case c.KeepDevice():
                kept["device", command.hello.device] = command.hello
            case c.KeepModel():
                kept["model", command.model.name] = command.model
            case c.KeepProfile():
                kept["profile", command.model, command.version, command.record.profile.device] = (
                    command.record
                )
            case c.KeepLink():
                kept["link", command.device, command.peer] = command.link
            case c.KeepEpoch():
                before = kept.get(("epoch", *command.record.key))
                kept[("epoch", *command.record.key)] = command.record
                if command.record.state == ACTIVE and (before is None or before.state != ACTIVE):
                    self.activated.append((self.clock.now, command.record.board, command.record.epoch))
            case _:
                self._keep_standing(command)

    def _keep_standing(self, command: c.Command) -> None:
        kept = self.store.kept
        match command:
            case c.KeepBeside():
                kept["beside", command.beside.model, command.beside.board] = command.beside
            case c.KeepDrained():
                kept["drained",] = command.devices
            case c.KeepTerm():
                self.store.term = max(self.store.term, command.term)
            case c.KeepChange():
                self.store.changes[command.change.serial] = command.change

    def _worked(self, job: c.MakeTrial | c.MakePlan) -> None:
        if job.job not in self.jobs:
            return
        self.jobs.discard(job.job)
        if isinstance(job, c.MakeTrial):
            trial = m.ProfileCommand(
                "", job.model, job.version, Block(0, "onnx", (), ()), (), (), (), "", "", 0, 5, 10.0
            )
            self.submit(e.TrialMade(job.cause, job.job, trial))
            return
        order = job.order
        board, cloud = order.board or order.board_estimate, order.cloud or order.cloud_estimate
        made = model.book(order.version, board.device if board else "", cloud.device if cloud else "", order)
        self.submit(e.PlanMade(job.cause, job.job, None if order.explain_only else made, "{}"))

    # --- streams and calls ------------------------------------------------------------------------

    def attached(
        self, agent: Node, hello: m.Hello, end: tuple[Callable[[Any], None], Callable[[], None]]
    ) -> Wire | None:
        """Take an agent's stream; None where it cannot be reached."""
        self.numbers += 1
        stream = StreamId(f"stream {self.numbers}")
        hear = lambda word: self.submit(e.Heard(stream, stream, word))  # noqa: E731
        wire = self.network.wire({agent: end, self: (hear, lambda: self._lost(stream))}, fifo=True)
        if wire is None:
            return None
        self.streams[stream] = wire
        self.after(0.005, lambda: wire.open and self.submit(e.Attached(stream, stream, hello)))
        return wire

    def _lost(self, stream: str) -> None:
        self.streams.pop(stream, None)
        self.submit(e.Detached(stream, StreamId(stream)))

    def call(self, make: Callable[[str, CallId], e.Event]) -> str:
        """Give an order as a person would; return what its answer is filed under."""
        self.numbers += 1
        call = CallId(f"call {self.name}-{self.life}-{self.numbers}")
        if self.alive and not self.frozen:
            self.submit(make(call, call))
        return call

    def stale(self, board: str, epoch: int, sent: float) -> bool:
        """Whether a request that a board was sent at `sent` may not be answered on `epoch`: another one was active."""
        before = [one for at, name, one in self.activated if name == board and at < sent]
        later = {one for at, name, one in self.activated if name == board and at >= sent}
        return epoch in before and epoch != before[-1] and epoch not in later

    def copied(self, name: str) -> Coordinator:
        """Return another coordinator on a copy of the store."""
        return Coordinator(name, self.network, copy.deepcopy(self.store))
