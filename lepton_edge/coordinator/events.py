"""What happens to a coordinator: everything its decider is told.

Law: frozen nouns without I/O. Each event carries the `cause` that began its story ("call 7", "stream 3"), so
that one story can be followed through many log lines. Times are not in events: `machine.step` is given `now`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.coordinator.records import CallId, JobId, ModelRecord, StreamId
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import (
    Deploy,
    DrainDevice,
    EpochStatus,
    Gauged,
    Hello,
    MoveModel,
    Outcome,
    PinPlan,
    Probed,
    ProfileCommand,
    Profiled,
    Progress,
    RemoveDevice,
    RollBack,
    Telemetry,
    WhatIf,
)
from partitioner.plan import PlanBook
from partitioner.units import DeviceId, ModelName, Seconds

AgentReport = Telemetry | Outcome | Progress | Profiled | Probed | EpochStatus | Gauged


@dataclass(frozen=True)
class Began:
    """The coordinator began to decide."""

    cause: str


@dataclass(frozen=True)
class Attached:
    """An agent opened a control stream and said hello."""

    cause: str
    stream: StreamId
    hello: Hello


@dataclass(frozen=True)
class Heard:
    """An agent said something on its stream."""

    cause: str
    stream: StreamId
    message: AgentReport


@dataclass(frozen=True)
class Detached:
    """A control stream ended, whoever ended it."""

    cause: str
    stream: StreamId


@dataclass(frozen=True)
class Tick:
    """Time passed; leases and deadlines are looked at: all that `upkeep.PARTS` names, or one `part` of it."""

    cause: str = "tick"
    part: str = ""


@dataclass(frozen=True)
class ClockSet:
    """Somebody set the machine's clock: `wall` is what turns the decider's times into dates now."""

    cause: str
    wall: Seconds


@dataclass(frozen=True)
class ModelPushed:
    """A model was compiled and its files are in place."""

    cause: str
    call: CallId
    model: ModelRecord


@dataclass(frozen=True)
class RemoveAsked:
    """Somebody wants a model gone."""

    cause: str
    call: CallId
    name: ModelName


@dataclass(frozen=True)
class DeployAsked:
    """Somebody wants a model to run (or, for a dry run, to know how it would)."""

    cause: str
    call: CallId
    request: Deploy


@dataclass(frozen=True)
class PinAsked:
    """Somebody wants a model to run by another split or page than the best, or by the best again."""

    cause: str
    call: CallId
    request: PinPlan


@dataclass(frozen=True)
class MoveAsked:
    """Somebody wants another device to run what one runs of a model."""

    cause: str
    call: CallId
    request: MoveModel


@dataclass(frozen=True)
class WhatIfAsked:
    """Somebody wants to know what the plan would be if something were otherwise."""

    cause: str
    call: CallId
    request: WhatIf


@dataclass(frozen=True)
class ProfileAsked:
    """Somebody wants a model measured on every device that has no profile of it; with `refresh`, on every one.

    With `devices`, only on these.
    """

    cause: str
    call: CallId
    name: ModelName
    refresh: bool = False
    devices: tuple[DeviceId, ...] = ()


@dataclass(frozen=True)
class TrialMade:
    """The worker made what agents need to measure a model; `command` has no command id yet."""

    cause: str
    job: JobId
    command: ProfileCommand


@dataclass(frozen=True)
class PlanMade:
    """The worker planned a model: its explanation ("lepton-edge/plan/1"), and the book where it was cut."""

    cause: str
    job: JobId
    book: PlanBook | None
    document: str


@dataclass(frozen=True)
class WorkProgress:
    """The worker says how far a job has come."""

    cause: str
    job: JobId
    progress: Progress


@dataclass(frozen=True)
class WorkFailed:
    """A job of the worker failed, was killed by its time limit, or the worker died."""

    cause: str
    job: JobId
    error: WireError


@dataclass(frozen=True)
class DrainAsked:
    """Somebody wants a device to run nothing, or to take part again."""

    cause: str
    call: CallId
    request: DrainDevice


@dataclass(frozen=True)
class DeviceRemoveAsked:
    """Somebody wants a device forgotten."""

    cause: str
    call: CallId
    request: RemoveDevice


@dataclass(frozen=True)
class RollBackAsked:
    """Somebody wants the version of a model before."""

    cause: str
    call: CallId
    request: RollBack


@dataclass(frozen=True)
class StoreFailed:
    """What was decided `on` an event could not be written down (a full disk), and was undone."""

    cause: str
    error: WireError
    on: Event | None = None


@dataclass(frozen=True)
class Broke:
    """Deciding `on` raised what nobody foresaw; what it changed until then was undone."""

    cause: str
    on: Event
    error: WireError


@dataclass(frozen=True)
class TaskDied:
    """Something that runs beside the decider, `task`, died of `error` and is begun again."""

    cause: str
    task: str
    error: str


@dataclass(frozen=True)
class CertificatesRevoked:
    """Certificates count no more: `serials` are all that do not; `device` is shut out by it, "" where none is.

    `shut_out` are all devices that are so and have not joined since.
    """

    cause: str
    serials: tuple[str, ...]
    device: DeviceId = DeviceId("")
    shut_out: tuple[DeviceId, ...] = ()


@dataclass(frozen=True)
class DeviceReplaced:
    """Another key took a device's name over; `what` says whose place that was."""

    cause: str
    device: DeviceId
    what: str


@dataclass(frozen=True)
class DeviceSuspected:
    """The certificate of a device was shown on another machine, and refused."""

    cause: str
    device: DeviceId
    why: str


Event = (
    Began
    | Attached
    | Heard
    | Detached
    | Tick
    | ClockSet
    | ModelPushed
    | RemoveAsked
    | DeployAsked
    | PinAsked
    | MoveAsked
    | WhatIfAsked
    | ProfileAsked
    | TrialMade
    | PlanMade
    | WorkProgress
    | WorkFailed
    | StoreFailed
    | Broke
    | TaskDied
    | DrainAsked
    | DeviceRemoveAsked
    | RollBackAsked
    | CertificatesRevoked
    | DeviceSuspected
    | DeviceReplaced
)
