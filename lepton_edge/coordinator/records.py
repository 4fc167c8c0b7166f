"""What a coordinator remembers: the nouns that its decider holds and its store keeps.

Law: frozen nouns without I/O, built on the nouns of core and partitioner. They are written as JSON by their
field names (`partitioner.nouns_json`), so a field is added at the end, with a default, and never renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import (
    PROTOCOL_MINOR,
    Deploy,
    DeviceSpeed,
    EpochReport,
    Hello,
    LinkChange,
    Wishes,
)
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import LeptonError
from partitioner.plan import InputSpec, OutputSpec, PlanBook
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, ModelVersion, Seconds

StreamId = NewType("StreamId", str)  # one attachment of one agent
CallId = NewType("CallId", str)  # one admin call that waits for its one answer
JobId = NewType("JobId", str)  # one piece of work of the worker process
EpochKey = tuple[ModelName, Epoch]
Subject = tuple[ModelName, ModelVersion]
"""What was measured: a model, which may be a variant of the one that is planned, and its version."""

PLANNED, PREPARING, READY, ACTIVE = "PLANNED", "PREPARING", "READY", "ACTIVE"
DRAINING, RETIRED, FAILED = "DRAINING", "RETIRED", "FAILED"
UNDECIDED = frozenset({PLANNED, PREPARING, READY})
OVER = frozenset({DRAINING, RETIRED, FAILED})


@dataclass(frozen=True)
class ModelRecord:
    """One compiled model in short; the whole lies in its directory.

    `weights` is the bytes of its distinct initializers, `layers` the contracted nodes of its composed graph.
    `variant_of` names the model that it is another precision of, `variant_version` the version of that which was there
    when this was pushed: of another one it is no variant. `opset` is that of its standard operators, 0 where it was
    pushed before that was noted.
    """

    name: ModelName
    version: ModelVersion
    weights: Bytes
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    operators: tuple[str, ...] = ()
    layers: int = 0
    samples: int = 0
    source_bytes: Bytes = Bytes(0)
    description: str = ""
    variant_of: ModelName = ModelName("")
    opset: int = 0
    variant_version: ModelVersion = ModelVersion("")


@dataclass(frozen=True)
class ProfileRecord:
    """A measurement, and what the device looked like then: another look makes it stale.

    `measured_at` is seconds since 1970 on the coordinator's clock, 0 where nobody noted it. `drift` says how far
    requests have drifted from it; empty while they have not. `scale` is how many times the measured seconds a stage
    takes since then: what is replanned by itself is planned with that, and not measured while requests run.
    """

    profile: DeviceProfile
    fingerprint: str
    measured_at: Seconds = Seconds(0.0)
    drift: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Scale:
    """How many times its measured seconds a device was taken to need when a plan was made."""

    device: DeviceId
    times: float


@dataclass(frozen=True)
class Hold:
    """The blocks of an epoch that a device must hold (indices, increasing)."""

    device: DeviceId
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class EpochRecord:
    """One activated (or once planned) book of one model.

    `state` is one of PLANNED, PREPARING, READY, ACTIVE, DRAINING, RETIRED, FAILED; `ready` are the devices
    that prepared it and passed the golden check. `book` is dropped when the epoch is over. `document` is the
    plan's explanation as JSON text, kept for the newest epochs; `reason` says why a FAILED epoch failed.
    `request` is what was asked for, so that another plan may be made of the same wishes. `board` is the board that
    it serves; empty for one of clouds alone. A model has one active epoch for each board.
    """

    model: ModelName
    version: ModelVersion
    epoch: Epoch
    state: str
    book: PlanBook | None = None
    holds: tuple[Hold, ...] = ()
    ready: tuple[DeviceId, ...] = ()
    document: str = ""
    reason: str = ""
    request: Deploy | None = None
    board: DeviceId = DeviceId("")
    link: LinkProfile | None = None  # that it was planned with
    scales: tuple[Scale, ...] = ()  # that it was planned with, where they are not 1

    @property
    def key(self) -> EpochKey:
        """What names this epoch: model and number."""
        return self.model, self.epoch

    @property
    def cloud(self) -> DeviceId:
        """The first device of the far side; empty where the board is alone."""
        return next((hold.device for hold in self.holds if hold.device != self.board), DeviceId(""))

    @property
    def replicas(self) -> tuple[DeviceId, ...]:
        """The devices that hold what another one holds, to stand in for it; best first."""
        return tuple(replica.device for replica in self.book.replicas) if self.book else ()

    def scale_of(self, device: DeviceId) -> float:
        """Return how many times its measured seconds `device` was taken to need."""
        return next((scale.times for scale in self.scales if scale.device == device), 1.0)

    def runs_on(self, device: DeviceId) -> Subject:
        """Return the model and version whose blocks `device` runs: those of a variant, where it runs one."""
        book = self.book
        of = next((one.of for one in book.replicas if one.device == device), device) if book else device
        held = [one for one in book.variants if one.variant and one.device in (device, of)] if book else []
        return (ModelName(held[0].variant), held[0].version) if held else (self.model, self.version)

    def blocks_of(self, device: DeviceId) -> tuple[int, ...]:
        """Return the blocks that `device` must hold; empty when it has no part in this epoch."""
        return next((hold.blocks for hold in self.holds if hold.device == device), ())


@dataclass(frozen=True)
class Tried:
    """An epoch, `new`, that a `share` of the requests tries beside `old`, until it answered `enough` of them.

    `since` is seconds since 1970; `begun` is what the entry told of `old` first since then.
    """

    new: Epoch
    old: Epoch
    share: float
    enough: int
    since: Seconds
    begun: EpochReport | None = None


@dataclass(frozen=True)
class Beside:
    """What is prepared beside the active epoch of a model for a board: one that is tried, the version before."""

    model: ModelName
    board: DeviceId
    tried: Tried | None = None
    before: Epoch | None = None


@dataclass(frozen=True)
class Estimate:
    """What the profile of a device that was never measured is worked out from: a sibling's, and both speeds."""

    device: DeviceId
    sibling: DeviceProfile
    probe_sibling: Seconds
    probe_device: Seconds


@dataclass(frozen=True)
class Share:
    """The part of a device's time, 0 to 1, that requests of a model take which enter at `board`."""

    model: ModelName
    board: DeviceId
    part: float


@dataclass(frozen=True)
class CloudLoad:
    """How busy a device is with others' requests: part of its time, seconds that one waits, by whom."""

    device: DeviceId
    part: float
    wait: Seconds
    workers: int = 1
    by: tuple[Share, ...] = ()


@dataclass(frozen=True)
class VariantOrder:
    """A variant that a plan may use, with its profiles; None on a device where it was never measured."""

    model: ModelName
    version: ModelVersion
    board: DeviceProfile | None
    cloud: DeviceProfile | None


@dataclass(frozen=True)
class PlanOrder:
    """What the worker needs to plan: the model, the measurements, the wishes, the room (bytes).

    `wishes` name each device's watts, told or declared. Where a device was never measured, its profile is None and
    its estimate stands in for it. `stale` are devices that are not as they were measured. `link_change` and
    `speeds` are what is supposed; with `explain_only` no block is cut.
    `front`: whether to look for the Pareto front too, which takes half of the time and which only people read.
    `minor` is the least version of the protocol that a device of it speaks.
    """

    model: ModelName
    version: ModelVersion
    board: DeviceProfile | None
    cloud: DeviceProfile | None
    link: LinkProfile | None
    keep_input_on_board: bool = False
    page: str = ""
    board_memory: Bytes = Bytes(0)
    cloud_memory: Bytes = Bytes(0)
    wishes: Wishes = Wishes()
    board_estimate: Estimate | None = None
    cloud_estimate: Estimate | None = None
    stale: tuple[DeviceId, ...] = ()
    link_change: LinkChange | None = None
    speeds: tuple[DeviceSpeed, ...] = ()
    explain_only: bool = False
    minor: int = PROTOCOL_MINOR
    queue: str = ""  # the policy that was asked for; empty: the manifest's
    load: CloudLoad | None = (
        None  # of the cloud, with what is not this model of this board; None: nothing to notice
    )
    variants: tuple[VariantOrder, ...] = ()
    front: bool = True
    outdated: tuple[ModelName, ...] = ()  # variants of another version of the model


def fingerprint(hello: Hello) -> str:
    """Return what a measurement depends on beside the model, as "name=value" between bars."""
    hardware = hello.hardware
    parts = {
        "architecture": hardware.architecture,
        "processor": hardware.processor,
        "cores": hardware.cores,
        "engine": hardware.engine,
        "slowdown": hello.simulated_slowdown,
        "threads": hardware.threads,
        "power mode": hardware.power_mode,
    }
    return "|".join(f"{name}={value}" for name, value in parts.items())


def changed_since(measured: str, now: str) -> str:
    """Return what differs between two fingerprints ("threads 2, now 4"); empty when nothing does."""
    if measured == now:
        return ""
    before, after = (dict(part.partition("=")[::2] for part in one.split("|")) for one in (measured, now))
    if before.keys() != after.keys():
        return "measured by another release"
    apart = [name for name in after if before[name] != after[name]]
    return ", ".join(f"{name} {before[name] or 'unknown'}, now {after[name] or 'unknown'}" for name in apart)


def wire_error(error: LeptonError, device: DeviceId | str = "", retry_after_ms: int = 0) -> WireError:
    """Return a typed error as it travels, with the device that met it."""
    return WireError(
        error.code, error.message, error.hint, error.fault, error.retryable, DeviceId(device), retry_after_ms
    )
