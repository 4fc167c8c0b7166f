"""What a coordinator remembers: the nouns that its decider holds and its store keeps.

Law: frozen nouns without I/O, built on the nouns of core and partitioner. They are written as JSON by their
field names (`partitioner.nouns_json`), so a field is added at the end, with a default, and never renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Hello
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import LeptonError
from partitioner.plan import InputSpec, OutputSpec, PlanBook
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, ModelVersion

StreamId = NewType("StreamId", str)  # one attachment of one agent
CallId = NewType("CallId", str)  # one admin call that waits for its one answer
JobId = NewType("JobId", str)  # one piece of work of the worker process
EpochKey = tuple[ModelName, Epoch]

PLANNED, PREPARING, READY, ACTIVE = "PLANNED", "PREPARING", "READY", "ACTIVE"
DRAINING, RETIRED, FAILED = "DRAINING", "RETIRED", "FAILED"
UNDECIDED = frozenset({PLANNED, PREPARING, READY})
OVER = frozenset({DRAINING, RETIRED, FAILED})


@dataclass(frozen=True)
class ModelRecord:
    """One compiled model in short; the whole lies in its directory.

    `weights` is the bytes of its distinct initializers, `layers` the contracted nodes of its composed graph.
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


@dataclass(frozen=True)
class ProfileRecord:
    """A measurement, and what the device looked like then: another look makes it stale."""

    profile: DeviceProfile
    fingerprint: str


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
    plan's explanation as JSON text; `reason` says why a FAILED epoch failed.
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

    @property
    def key(self) -> EpochKey:
        """What names this epoch: model and number."""
        return self.model, self.epoch

    def blocks_of(self, device: DeviceId) -> tuple[int, ...]:
        """Return the blocks that `device` must hold; empty when it has no part in this epoch."""
        return next((hold.blocks for hold in self.holds if hold.device == device), ())


@dataclass(frozen=True)
class PlanOrder:
    """What the worker needs to plan: the model, the measurements, the wishes, the room (bytes)."""

    model: ModelName
    version: ModelVersion
    board: DeviceProfile | None
    cloud: DeviceProfile | None
    link: LinkProfile | None
    keep_input_on_board: bool = False
    page: str = ""
    board_memory: Bytes = Bytes(0)
    cloud_memory: Bytes = Bytes(0)


def fingerprint(hello: Hello) -> str:
    """Return what a measurement depends on beside the model: processor, engine, slowdown."""
    hardware = hello.hardware
    parts = (
        hardware.architecture,
        hardware.processor,
        hardware.cores,
        hardware.engine,
        hello.simulated_slowdown,
    )
    return "|".join(str(part) for part in parts)


def wire_error(error: LeptonError, device: DeviceId | str = "", retry_after_ms: int = 0) -> WireError:
    """Return a typed error as it travels, with the device that met it."""
    return WireError(
        error.code, error.message, error.hint, error.fault, error.retryable, DeviceId(device), retry_after_ms
    )
