"""What a coordinator's decider knows at a moment, and what must always hold of it.

Law: plain data that `machine.step` changes; no clock, no I/O. `validate_state` is run after every step in
tests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lepton_edge.coordinator.adaptation import (
    Adaptation,
    ChangeLog,
    Fare,
    Haste,
    Promise,
    Target,
    Trial,
)
from lepton_edge.coordinator.ledger import Undoable
from lepton_edge.coordinator.limits import MAX_DEVICES, MAX_LOADS, MAX_TURNS, MAX_WAITING, MAX_WATCHES
from lepton_edge.coordinator.records import (
    ACTIVE,
    UNDECIDED,
    CallId,
    EpochKey,
    EpochRecord,
    JobId,
    ModelRecord,
    ProfileRecord,
    StreamId,
    Subject,
)
from lepton_edge.coordinator.standing import Canary, Conduct, Drain
from lepton_edge.core.changes import PENDING
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Deploy, Hello, LoadReport, StageReport, Telemetry, WhatIf
from partitioner.costs import LinkProfile
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, ModelVersion, PageName, Seconds

ADAPT = "adapt"  # the goal of a deployment that nobody asked for
NOBODY = CallId("")  # its call
GAVE_WAY = "cancelled"  # what it ends with when a person's call goes first

LoadKey = tuple[DeviceId, EpochKey]
WatchKey = tuple[DeviceId, ModelName, Epoch, PageName, int, int]


@dataclass(frozen=True)
class Settings:
    """What never changes while the process lives. `term` counts the starts of coordinators on this state.

    `wall` plus the decider's clock is seconds since 1970, for what people read. `identity` and `incarnation` as in
    `messages.Leader`.
    """

    software: str
    term: int
    lease: Seconds = Seconds(6.0)
    heartbeat: Seconds = Seconds(1.5)
    wall: Seconds = Seconds(0.0)
    identity: str = ""
    incarnation: str = ""


@dataclass(frozen=True)
class Moment:
    """When something is decided, and the story that it belongs to."""

    now: Seconds
    cause: str


@dataclass
class Device(Undoable):
    """A device that said hello. `stream` is None while it is away; `epochs` is what it says it holds."""

    hello: Hello
    stream: StreamId | None = None
    heard: Seconds = Seconds(0.0)
    telemetry: Telemetry | None = None
    epochs: dict[EpochKey, str] = field(default_factory=dict)
    heartbeat: Seconds = Seconds(0.0)  # the pause between two signs of life that it was told
    retry_at: Seconds | None = None  # when to try again to bring back an epoch that could not be restored

    @property
    def name(self) -> DeviceId:
        """Its name, which is its identity."""
        return self.hello.device


@dataclass(frozen=True)
class Pending:
    """A command that an agent has not answered.

    `kind` is "profile", "gauge", "probe", "prepare", "activate" (of the running deployment), or "restore",
    "reactivate", "refresh", "resume", "drain", "rest", "retire", "direct" (of epochs). After `deadline` the agent
    is taken to have failed it.
    """

    command: str
    kind: str
    device: DeviceId
    model: ModelName
    epoch: Epoch
    deadline: Seconds


@dataclass(frozen=True)
class Try:
    """A probe of a link: from `device` to `peer`, through the relay `via` or directly."""

    device: DeviceId
    peer: DeviceId
    via: DeviceId = DeviceId("")


@dataclass(frozen=True)
class Watch:
    """What a stage was last told to take; at `judged` requests it was held against its plan.

    `streak` counts how often in a row it then was too far off.
    """

    report: StageReport
    judged: int = 0
    streak: int = 0


@dataclass(frozen=True)
class Load:
    """What an epoch last told of its work on a device, and since then: seconds of work, and runs, each second."""

    told: LoadReport
    at: Seconds
    busy: float = 0.0
    runs: float = 0.0


@dataclass(frozen=True)
class Wave:
    """Boards of one cloud that are moved by themselves before its load is measured anew: `size` of them may be.

    `moved` were, the last one at `at`; `kept` of the plans since it last grew proved themselves.
    """

    size: int = 1
    moved: int = 0
    kept: int = 0
    at: Seconds = Seconds(0.0)


@dataclass
class Deployment(Undoable):
    """One call that measures, plans and activates, or only the first of these; or, without a call, a replan.

    `goal` is "activate", "plan" (dry run), "profile", "suppose" (a plan of what is not so: `supposed`), or "adapt"
    (by itself, since `why`: nobody waits, and `call` is empty).
    `phase` is "waiting", "awaiting" (agents that are not back since a start), "trial", "profiling", "gauging",
    "probing", "planning", "preparing", "activating".
    `request` names the devices that it is placed on; `asked`, where that leaves a choice, is what the person wants and
    the epoch remembers. `todo` are devices still to be measured, or to be activated. `tried` are the probes of this
    deployment, by what came of each; `trying` is under way.
    """

    cause: str
    call: CallId
    goal: str
    request: Deploy
    phase: str = "waiting"
    version: ModelVersion = ModelVersion("")
    board: DeviceId | None = None
    cloud: DeviceId | None = None
    replicas: list[DeviceId] = field(default_factory=list)
    instead: EpochKey | None = None  # the epoch of another board that ends when this one is active
    job: JobId | None = None
    todo: list[DeviceId] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    record: EpochRecord | None = None
    supposed: WhatIf | None = None
    why: str = ""
    haste: Haste = Haste.SUSTAINED
    weighing: bool = False  # only find out what it would gain
    grows: bool = False  # whatever it gains: memory is there again
    back: bool = False  # to the epoch before
    tried_first: bool = False  # by a share of the requests
    rooms: dict[DeviceId, Bytes] = field(default_factory=dict)
    promise: Promise | None = None
    trying: Try | None = None
    tried: dict[Try, LinkProfile | WireError] = field(default_factory=dict)
    asked: Deploy | None = None
    only: tuple[DeviceId, ...] = ()  # who is measured, of a profile that names them
    also: list[tuple[DeviceId, Subject]] = field(default_factory=list)  # variants, measured behind `todo`
    subject: Subject | None = None  # the variant that is measured; None: the model itself

    @property
    def model(self) -> ModelName:
        """The model it is about."""
        return self.request.name

    @property
    def measured(self) -> Subject:
        """What is measured: the model itself, or a variant of it."""
        return self.subject or (self.model, self.version)

    @property
    def target(self) -> Target:
        """The model and the board that it is about."""
        return self.model, self.board or DeviceId("")

    def involves(self, device: DeviceId) -> bool:
        """Return whether `device` is one of those it needs."""
        if self.goal == "profile":
            return device in self.todo
        return device in (self.board, self.cloud)


@dataclass
class State(Undoable):
    """Everything the decider knows. Of the pairs in `dialled_by_cloud` only the cloud could dial the board."""

    settings: Settings
    devices: dict[DeviceId, Device] = field(default_factory=dict)
    models: dict[ModelName, ModelRecord] = field(default_factory=dict)
    profiles: dict[tuple[ModelName, ModelVersion, DeviceId], ProfileRecord] = field(default_factory=dict)
    links: dict[tuple[DeviceId, DeviceId], LinkProfile] = field(default_factory=dict)
    probed_at: dict[tuple[DeviceId, DeviceId], Seconds] = field(default_factory=dict)
    dialled_by_cloud: set[tuple[DeviceId, DeviceId]] = field(default_factory=set)
    epochs: dict[EpochKey, EpochRecord] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    waiting: deque[Deployment] = field(default_factory=deque)
    running: Deployment | None = None
    aside: dict[Target, Deployment] = field(default_factory=dict)  # replans that their devices prepare
    watches: dict[WatchKey, Watch] = field(default_factory=dict)
    loads: dict[LoadKey, Load] = field(default_factory=dict)
    moved_at: dict[DeviceId, Seconds] = field(
        default_factory=dict
    )  # when an epoch last began or ended to use it
    waves: dict[DeviceId, Wave] = field(default_factory=dict)
    alone_at: dict[LoadKey, Seconds] = field(
        default_factory=dict
    )  # when a request last had a device for itself
    strains: dict[LoadKey, Seconds] = field(
        default_factory=dict
    )  # since when one is far slower, and never alone
    drifted: dict[tuple[ModelName, ModelVersion, DeviceId], Seconds] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)
    adaptations: dict[Target, Adaptation] = field(default_factory=dict)
    fares: dict[EpochKey, Fare] = field(default_factory=dict)
    trials: dict[Target, Trial] = field(default_factory=dict)
    forgot_at: Seconds = Seconds(-1e9)  # when it was last looked for what is over
    looked_at: Seconds = Seconds(0.0)  # when it was last looked at what time alone gives cause for
    looked: int = 0  # which of the active epochs is next then
    began_at: Seconds | None = None  # when it was first looked at
    counter: int = 0
    canaries: dict[Target, Canary] = field(default_factory=dict)
    kept: dict[Target, EpochKey] = field(default_factory=dict)  # the version before, prepared to go back to
    stand_ins: dict[Target, EpochKey] = field(
        default_factory=dict
    )  # what runs instead, since a board was drained
    drains: dict[DeviceId, Drain] = field(default_factory=dict)
    conduct: dict[DeviceId, Conduct] = field(default_factory=dict)
    removed: dict[DeviceId, str] = field(default_factory=dict)  # by name, the process that was removed
    attached: dict[StreamId, DeviceId] = field(
        default_factory=dict
    )  # where to look first for a stream's device
    ticked_at: Seconds | None = None  # when time was last seen to pass
    excused_until: Seconds = Seconds(-1.0)  # what is lost until then is not the fault of who is lost
    revoked: tuple[str, ...] = ()  # serials of certificates that count no more
    shut_out: tuple[DeviceId, ...] = ()  # devices that were revoked and have not joined since
    superseded: int = 0  # the term of the coordinator that commands instead; 0: this one does

    def new_id(self) -> str:
        """Return an identity that no start of this coordinator gave before."""
        self.counter += 1
        return f"{self.settings.term}.{self.counter}"

    def device_of(self, stream: StreamId) -> Device | None:
        """Return the device that is attached by `stream`."""
        known = self.devices.get(self.attached.get(stream, DeviceId("")))
        if known is not None and known.stream == stream:
            return known
        found = next((device for device in self.devices.values() if device.stream == stream), None)
        if found is not None:
            if len(self.attached) >= 2 * MAX_DEVICES:  # mostly streams that have ended
                self.attached.clear()
            self.attached[stream] = found.name
        return found

    def attached_as(self, name: DeviceId) -> str:
        """Return which start of an agent is attached under a name; "" where none is."""
        device = self.devices.get(name)
        return device.hello.incarnation if device is not None and device.stream is not None else ""

    def connected(self, role: str = "") -> list[Device]:
        """Return the attached devices (of one role, if given), by name."""
        found = [d for d in self.devices.values() if d.stream is not None and role in ("", d.hello.role)]
        return sorted(found, key=lambda device: device.name)

    def active_epochs(self, model: str = "") -> list[EpochRecord]:
        """Return the active epochs of `model` (of all models, if none is given), oldest first: one for each board."""
        found = [e for e in self.epochs.values() if e.state == ACTIVE and model in ("", e.model)]
        return sorted(found, key=lambda record: record.key)

    def active_epoch(self, model: ModelName, board: DeviceId | None = None) -> EpochRecord | None:
        """Return the active epoch of `model` for `board` ("" for clouds alone); of any board (None) the newest."""
        found = [e for e in self.active_epochs(model) if board is None or e.board == board]
        return found[-1] if found else None

    def newest_epoch(self, model: ModelName) -> Epoch:
        """Return the highest epoch number that this coordinator knows of `model`; 0 for none."""
        return max((number for name, number in self.epochs if name == model), default=Epoch(0))


def validate_state(state: State) -> None:
    """Raise AssertionError where the state contradicts itself."""
    streams = [device.stream for device in state.devices.values() if device.stream is not None]
    assert len(streams) == len(set(streams)), "two devices share a stream"
    assert len(state.devices) <= MAX_DEVICES, "too many devices"
    assert state.drains.keys() | state.conduct.keys() <= state.devices.keys(), "nobody knows them"
    assert len(state.waiting) <= MAX_WAITING, "too many waiting deployments"
    for pending in state.pending.values():
        device = state.devices.get(pending.device)
        assert device is not None, f"{pending} is for a device nobody knows"
        assert device.stream is not None, f"{pending} is for a device that is away"
    assert len(state.watches) <= MAX_WATCHES, "too many stages are followed"
    assert len(state.loads) <= MAX_LOADS, "too many loads are followed"
    assert len(state.log.turns) <= MAX_TURNS, "too many turns are open"
    _validate_epochs(state)
    _validate_adaptations(state)
    _validate_deployments(state)


def _validate_epochs(state: State) -> None:
    active = [(record.model, record.board) for record in state.active_epochs()]
    assert len(active) == len(set(active)), "two active epochs of one model for one board"
    for record in state.epochs.values():
        if record.state == ACTIVE:
            missing = {hold.device for hold in record.holds} - {*record.ready, *record.replicas}
            assert not missing, f"epoch {record.key} is active, but {missing} never was ready"
            assert record.book is not None, f"epoch {record.key} is active without a book"


def _validate_adaptations(state: State) -> None:
    kept = {trial.old for trial in state.trials.values()} | {one.new for one in state.canaries.values()}
    kept |= set(state.kept.values())
    runs = [*state.aside.values(), *([state.running] if state.running else [])]
    planned = [run.record.key for run in runs if run.record]
    for record in state.epochs.values():
        undecided = record.state in UNDECIDED
        assert not undecided or record.key in (*kept, *planned), f"nobody decides about epoch {record.key}"
    for target, trial in state.trials.items():
        assert trial.old != trial.new, f"{target} is tried against itself"
        assert trial.change.verdict == PENDING, f"a trial of {target} is told as over"


def _validate_deployments(state: State) -> None:
    calls = [d.call for d in state.waiting] + ([state.running.call] if state.running else [])
    assert len(calls) == len(set(calls)), "one call waits twice"
    assert state.running is not None or not state.waiting, "deployments wait while none runs"
    for run in [*state.aside.values(), *([state.running] if state.running else [])]:
        waits = run.job is not None or run.waiting or run.phase == "awaiting"
        assert waits, f"the deployment waits for nothing in phase {run.phase}"
        assert run.waiting <= set(state.pending), "the deployment waits for a command that nobody carries out"
