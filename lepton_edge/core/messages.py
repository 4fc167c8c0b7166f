"""What coordinator and agents say to each other on the control stream, and what clients ask of a coordinator.

Law: frozen nouns without I/O. Each has a message of the same name and field names in `protos/lepton_edge/wire/v1/`
(`control.proto`, `admin.proto`); `lepton_edge/wire/convert.py` maps one to the other by these names.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.core.calls import AdminCall as AdminCall
from lepton_edge.core.calls import CheckDoors as CheckDoors
from lepton_edge.core.calls import Deploy as Deploy
from lepton_edge.core.calls import DeviceSpeed as DeviceSpeed
from lepton_edge.core.calls import DrainDevice as DrainDevice
from lepton_edge.core.calls import ExplainPlan as ExplainPlan
from lepton_edge.core.calls import LinkChange as LinkChange
from lepton_edge.core.calls import ListDevices as ListDevices
from lepton_edge.core.calls import ListModels as ListModels
from lepton_edge.core.calls import MoveModel as MoveModel
from lepton_edge.core.calls import PinPlan as PinPlan
from lepton_edge.core.calls import PushModel as PushModel
from lepton_edge.core.calls import RemoveDevice as RemoveDevice
from lepton_edge.core.calls import RemoveModel as RemoveModel
from lepton_edge.core.calls import RollBack as RollBack
from lepton_edge.core.calls import ShapeBinding as ShapeBinding
from lepton_edge.core.calls import ShowEvents as ShowEvents
from lepton_edge.core.calls import ShowModel as ShowModel
from lepton_edge.core.calls import ShowProfile as ShowProfile
from lepton_edge.core.calls import ShowStatus as ShowStatus
from lepton_edge.core.calls import Upload as Upload
from lepton_edge.core.calls import WhatIf as WhatIf
from lepton_edge.core.calls import Wishes as Wishes
from lepton_edge.core.frames import WireError
from lepton_edge.core.hardware import Hardware as Hardware
from lepton_edge.core.peers import LinkReport as LinkReport
from lepton_edge.core.peers import Peer as Peer
from lepton_edge.core.peers import Relay as Relay
from lepton_edge.core.seals import Seal
from lepton_edge.core.telemetry import EpochReport as EpochReport
from lepton_edge.core.telemetry import LoadReport as LoadReport
from lepton_edge.core.telemetry import QueueReport as QueueReport
from lepton_edge.core.telemetry import StageReport as StageReport
from lepton_edge.core.telemetry import Telemetry as Telemetry
from lepton_edge.core.telemetry import TurnReport as TurnReport
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.plan import Block, Coder, PlanBook, TensorSpec
from partitioner.units import (
    Bytes,
    CodecName,
    DeviceId,
    Epoch,
    ModelName,
    ModelVersion,
    Seconds,
    Sha256,
)

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 1


@dataclass(frozen=True)
class Leader:
    """Who commands a fleet, as a fencing token: of two with one `identity`, the higher `term` is obeyed.

    `identity` is random and kept with a coordinator's state, `term` counts the starts on that state, `incarnation`
    is random per start: a copy of the state, started elsewhere, has the same identity and may have the same term.
    """

    identity: str
    term: int
    incarnation: str


@dataclass(frozen=True)
class EpochStatus:
    """One epoch as an agent holds it; `state` is "preparing", "ready", "active", "draining", "retired", "failed".

    `leader` is the identity of the coordinator that had it prepared, whose numbers mean nothing to another.
    """

    model: ModelName
    version: ModelVersion
    epoch: Epoch
    state: str
    leader: str = ""


# --- agent to coordinator -------------------------------------------------------------------------------------------


MAX_DATA_ADDRESSES = 8
"""Of one device: its networks, and what forwards to it."""


@dataclass(frozen=True)
class Hello:
    """The first message of an agent. `incarnation` is random per process start.

    `watts` and `radio_watts` are declared by who started it. `probe` is the seconds of its speed probe. 0: unknown.
    `relay`: it forwards for agents that cannot reach each other. `leader` is whom it obeyed last; `adopt`: another may
    command it from now on, whatever it serves. `machine` is a hash that is another on another machine. It runs custom
    operators of `custom_domains`.
    """

    device: DeviceId
    role: str  # "board" or "cloud"
    incarnation: str
    software: str
    protocol_major: int
    protocol_minor: int
    hardware: Hardware
    data_addresses: tuple[str, ...]
    simulated_slowdown: float
    epochs: tuple[EpochStatus, ...] = ()
    watts: float = 0.0
    radio_watts: float = 0.0
    probe: Seconds = Seconds(0.0)
    relay: bool = False
    leader: Leader | None = None
    adopt: bool = False
    machine: str = ""
    custom_domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a command ended. Empty error code means success. `opened` are block opening times."""

    command: str
    error: WireError | None = None
    opened: tuple[Seconds, ...] = ()
    resident: Bytes = Bytes(0)


@dataclass(frozen=True)
class Progress:
    """How far a long command has come; `total` 0 when unknown."""

    command: str
    stage: str
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class Profiled:
    """The answer to `ProfileCommand`."""

    command: str
    model: ModelName
    version: ModelVersion
    profile: DeviceProfile
    probe: Seconds = Seconds(0.0)  # of the device's speed probe; 0 when it is not known


@dataclass(frozen=True)
class Gauged:
    """The answer to `GaugeCommand`: the seconds of this device's speed probe."""

    command: str
    probe: Seconds


@dataclass(frozen=True)
class Probed:
    """The answer to `ProbeCommand`: the link from this device to `peer`."""

    command: str
    peer: DeviceId
    link: LinkProfile


AgentSays = Hello | Telemetry | Outcome | Progress | Profiled | Probed | EpochStatus | Gauged


# --- coordinator to agent -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Welcome:
    """The agent is registered; it must be heard again within `lease` seconds and should speak every `heartbeat`."""

    device: DeviceId
    lease: Seconds
    heartbeat: Seconds
    software: str
    term: int
    leader: Leader | None = None


@dataclass(frozen=True)
class Rejected:
    """The agent is not registered; the reason says what to do."""

    error: WireError


@dataclass(frozen=True)
class Prepare:
    """Fetch, open and verify the blocks `[first, last)` of a book for each range in `ranges`; answer with Outcome."""

    command: str
    epoch: Epoch
    book: PlanBook
    hold: tuple[int, ...]  # block indices this device must hold
    peers: tuple[Peer, ...] = ()
    seal: Seal | None = None


@dataclass(frozen=True)
class Activate:
    """From now on requests without an epoch run on this one; with a `share` between 0 and 1, so many of them."""

    command: str
    model: ModelName
    epoch: Epoch
    share: float = 0.0


@dataclass(frozen=True)
class Drain:
    """Take no new requests on this epoch; those begun end on it.

    `elsewhere` are data addresses of other entries that serve the model now: what this device's own clients are told
    that ask for it. None where the device goes on with the model, or its input stays there.
    """

    command: str
    model: ModelName
    epoch: Epoch
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retire:
    """Forget this epoch and free its blocks."""

    command: str
    model: ModelName
    epoch: Epoch


@dataclass(frozen=True)
class ProfileSegment:
    """A segment to time: a block of its own, between the profile graph's frontiers `first` and `last`."""

    first: int
    last: int
    block: Block


@dataclass(frozen=True)
class CodecTrial:
    """A codec to time on one tensor of the golden sample."""

    tensor: TensorSpec
    codec: CodecName


@dataclass(frozen=True)
class ProfileCommand:
    """Measure a model here.

    `whole` is the whole composed graph as one block (after its pseudo-nodes), `pseudo` the pseudo-node blocks,
    `segments` further blocks to time interleaved with it, `golden` an .npz artifact holding every input tensor that
    these blocks and codec trials need, by name. Stop after `budget` seconds with what was measured. `coders` are the
    trained codecs among the trials.
    """

    command: str
    model: ModelName
    version: ModelVersion
    whole: Block
    pseudo: tuple[Block, ...]
    segments: tuple[ProfileSegment, ...]
    codecs: tuple[CodecTrial, ...]
    golden: Sha256
    blob: Sha256
    blob_size: Bytes
    repeats: int
    budget: Seconds
    coders: tuple[Coder, ...] = ()
    seal: Seal | None = None


@dataclass(frozen=True)
class ProbeCommand:
    """Measure the link from here to `peer`: round trips of small and large frames; `budget` seconds at most."""

    command: str
    peer: Peer
    sizes: tuple[Bytes, ...]
    budget: Seconds


@dataclass(frozen=True)
class GaugeCommand:
    """Time the speed probe, so that a model that was never measured here can be estimated; answer with Gauged."""

    command: str


@dataclass(frozen=True)
class Revoked:
    """Certificates that nobody is to believe any more, by their serials in hexadecimal: all that have not expired."""

    serials: tuple[str, ...]


CoordinatorSays = (
    Welcome
    | Rejected
    | Prepare
    | Activate
    | Drain
    | Retire
    | ProfileCommand
    | ProbeCommand
    | GaugeCommand
    | Revoked
)


# --- artifacts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FetchRequest:
    """Ask for the bytes of an artifact (block file, golden sample, labels) or of one weight tensor, from `offset`.

    `packed` says that a weight tensor may come in its packed form (`wire.packed`), whose bytes `offset` then counts.
    """

    sha256: Sha256
    offset: Bytes = Bytes(0)
    packed: bool = False


@dataclass(frozen=True)
class FetchChunk:
    """Bytes of an artifact, in order; `total` is the artifact's whole size, or that of the form that is `packed`."""

    offset: Bytes
    total: Bytes
    data: bytes
    packed: bool = False


# --- clients --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Serving:
    """The agents that admit requests for a model, best first."""

    model: ModelName
    entries: tuple[DeviceId, ...]


@dataclass(frozen=True)
class Description:
    """Who answers at an address: kind "coordinator" or "agent", and where the others are.

    `near` is the path of an agent's local socket, for applications on its own machine; empty where it has none.
    `serving` names the entries of each active model; `doors` are those of them that are not among `entries`, which
    may be asked for every model.
    """

    kind: str
    name: str
    software: str
    protocol_major: int
    protocol_minor: int
    coordinator: str = ""  # control address, when known
    entries: tuple[Peer, ...] = ()  # agents that admit requests, best first
    near: str = ""
    serving: tuple[Serving, ...] = ()
    doors: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Document:
    """An answer for people and tools: JSON text of the named, versioned schema ("lepton-edge/devices/1")."""

    schema: str
    json: str


AdminEvent = Progress | Document | WireError
