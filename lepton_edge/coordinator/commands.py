"""What a coordinator's decider wants done: data that the driver carries out, in order.

Law: frozen nouns without I/O. A `Keep...` is written down before any command after it is carried out, so that
nobody is told what a kill -9 could unsay.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.coordinator.records import (
    Beside,
    CallId,
    EpochRecord,
    JobId,
    ModelRecord,
    PlanOrder,
    ProfileRecord,
    StreamId,
)
from lepton_edge.core.changes import Change
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import PROTOCOL_MINOR, CoordinatorSays, Hello, Progress
from partitioner.costs import LinkProfile
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, ModelVersion


@dataclass(frozen=True)
class Say:
    """Send a message to an agent."""

    cause: str
    stream: StreamId
    message: CoordinatorSays


@dataclass(frozen=True)
class Hang:
    """End a control stream, after what was said on it."""

    cause: str
    stream: StreamId


@dataclass(frozen=True)
class Deployed:
    """A deployment ended well; `epoch` 0 means a dry run. `document` explains the plan, as JSON text."""

    model: ModelName
    version: ModelVersion
    epoch: Epoch
    page: str
    document: str


@dataclass(frozen=True)
class Supposed:
    """A plan of what is not so, for `board`; `document` explains it, as JSON text."""

    model: ModelName
    document: str
    board: DeviceId = DeviceId("")


@dataclass(frozen=True)
class Measured:
    """A model is measured on every connected device."""

    model: ModelName


@dataclass(frozen=True)
class Pushed:
    """A model is in the registry."""

    model: ModelName


@dataclass(frozen=True)
class Removed:
    """A model is gone from the registry."""

    model: ModelName


@dataclass(frozen=True)
class Drained:
    """A device runs nothing and gets nothing new; or takes part again, where that was `undone`."""

    device: DeviceId
    undone: bool = False


@dataclass(frozen=True)
class DeviceGone:
    """A device is forgotten."""

    device: DeviceId


@dataclass(frozen=True)
class RolledBack:
    """A version is tried no longer; `epoch` answers alone."""

    model: ModelName
    epoch: Epoch


Ending = RolledBack | Deployed | Supposed | Measured | Pushed | Removed | Drained | DeviceGone


@dataclass(frozen=True)
class Finish:
    """Give a call its one answer."""

    cause: str
    call: CallId
    ending: Ending


@dataclass(frozen=True)
class Fail:
    """Give a call its one error."""

    cause: str
    call: CallId
    error: WireError


@dataclass(frozen=True)
class Tell:
    """Tell a waiting call how far it has come; may be dropped when nobody listens."""

    cause: str
    call: CallId
    progress: Progress


@dataclass(frozen=True)
class MakeTrial:
    """Let the worker cut a model for measuring it where there are `memory` bytes (0: any number), and not `lacks`.

    `minor` is the version of the protocol that the device speaks: it knows no codec of a later one.
    Ends in `TrialMade` or `WorkFailed`.
    """

    cause: str
    job: JobId
    model: ModelName
    version: ModelVersion
    memory: Bytes = Bytes(0)
    lacks: tuple[str, ...] = ()
    minor: int = PROTOCOL_MINOR


@dataclass(frozen=True)
class MakePlan:
    """Let the worker plan and cut; ends in `PlanMade` or `WorkFailed`."""

    cause: str
    job: JobId
    order: PlanOrder


@dataclass(frozen=True)
class Abandon:
    """A job's result is wanted no more."""

    cause: str
    job: JobId


@dataclass(frozen=True)
class KeepDevice:
    """Write down what a device said of itself; one that is `known` is written of already."""

    cause: str
    hello: Hello
    known: bool = False


@dataclass(frozen=True)
class KeepModel:
    """Write down that a model version is the one its name means."""

    cause: str
    model: ModelRecord


@dataclass(frozen=True)
class ForgetModel:
    """Delete a model, its profiles and files; its epochs stay as tombstones."""

    cause: str
    model: ModelName


@dataclass(frozen=True)
class KeepProfile:
    """Write down a measurement of a model on a device."""

    cause: str
    model: ModelName
    version: ModelVersion
    record: ProfileRecord


@dataclass(frozen=True)
class KeepLink:
    """Write down a measurement of the link from `device` to `peer`."""

    cause: str
    device: DeviceId
    peer: DeviceId
    link: LinkProfile


@dataclass(frozen=True)
class KeepDrained:
    """Write down which devices are to run nothing."""

    cause: str
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True)
class ForgetDevice:
    """Delete a device, what was measured on it, and its links."""

    cause: str
    device: DeviceId


@dataclass(frozen=True)
class KeepBeside:
    """Write down what is prepared beside an active epoch; where nothing is, that is forgotten."""

    cause: str
    beside: Beside


@dataclass(frozen=True)
class KeepTerm:
    """Write down a term that another coordinator on this state has, so that the next start here is above it."""

    cause: str
    term: int


@dataclass(frozen=True)
class KeepEpoch:
    """Write down an epoch in its present state."""

    cause: str
    record: EpochRecord


@dataclass(frozen=True)
class KeepChange:
    """Write a change down, or anew under its serial, and tell those who follow; nothing waits for it."""

    cause: str
    change: Change


Keep = (
    KeepDevice
    | KeepModel
    | ForgetModel
    | KeepProfile
    | KeepLink
    | KeepTerm
    | KeepDrained
    | ForgetDevice
    | KeepEpoch
    | KeepBeside
)
Command = Say | Hang | Finish | Fail | Tell | MakeTrial | MakePlan | Abandon | Keep | KeepChange
