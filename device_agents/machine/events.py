"""What can happen to an agent.

Law: frozen nouns without behaviour. Times are not in events: the driver passes `now` (its own monotonic
seconds) to `step`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

from lepton_edge.core.frames import Frame, WireError, WireTensor
from lepton_edge.core.messages import (
    Activate,
    Drain,
    GaugeCommand,
    Gauged,
    LinkReport,
    Outcome,
    Peer,
    Prepare,
    ProbeCommand,
    Probed,
    ProfileCommand,
    Profiled,
    Retire,
    Welcome,
)
from lepton_edge.core.quick import quick
from partitioner.plan import PlanBook
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, PageName, RequestId, Seconds

LinkId = NewType("LinkId", int)  # counts the links of this process


class WorkKey(NamedTuple):
    """What makes two deliveries the same work: the effect of each key is had exactly once."""

    request_id: RequestId
    step: int
    attempt: int
    epoch: Epoch
    page: PageName
    first_block: int


class EpochKey(NamedTuple):
    """One epoch of one model."""

    model: ModelName
    epoch: Epoch


@quick
@dataclass(frozen=True)
class Timing:
    """Seconds that one run of blocks waited, decoded, computed and encoded on this device; `batch` as in `Hop`."""

    queue: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    encode: float = 0.0
    batch: int = 0

    def __add__(self, other: Timing) -> Timing:
        return Timing(
            self.queue + other.queue,
            self.decode + other.decode,
            self.compute + other.compute,
            self.encode + other.encode,
            max(self.batch, other.batch),
        )


@dataclass(frozen=True)
class SavedEpoch:
    """An active epoch as it lies on the disk, so that a reboot without a network serves what it has."""

    epoch: Epoch
    book: PlanBook
    hold: tuple[int, ...]
    peers: tuple[Peer, ...] = ()
    leader: str = ""


# --- the data port ----------------------------------------------------------------------------


@quick
@dataclass(frozen=True)
class RequestArrived:
    """A REQUEST frame came in on a link.

    From a client (epoch 0) or from the stage before (its epoch and block). `flow` is who asked.
    """

    link: LinkId
    frame: Frame
    flow: str = ""


@dataclass(frozen=True)
class CancelArrived:
    """Whoever asked no longer wants the answer to this attempt; another one of the same request goes on."""

    link: LinkId
    request_id: RequestId
    attempt: int = 0


@dataclass(frozen=True)
class LinkClosed:
    """A link on which requests may have come in is gone."""

    link: LinkId


# --- outcomes of the driver's work ------------------------------------------------------------


@quick
@dataclass(frozen=True)
class SegmentDone:
    """Run number `run` of `work` ended.

    `forward` are the frontier's tensors, `outputs` what the caller wants.
    """

    work: WorkKey
    run: int
    timing: Timing = Timing()
    forward: tuple[WireTensor, ...] = ()
    outputs: tuple[WireTensor, ...] = ()


@dataclass(frozen=True)
class SegmentFailed:
    """Run number `run` of `work` ended with an error of the engine, or of its input."""

    work: WorkKey
    run: int
    error: WireError


@quick
@dataclass(frozen=True)
class StageReplied:
    """The next stage answered with a REPLY or an ERROR frame; `peer` is who ("": whoever was asked last)."""

    work: WorkKey
    frame: Frame
    peer: DeviceId = DeviceId("")


@dataclass(frozen=True)
class StageLost:
    """The next stage will not answer: no link to `peer` ("": whoever was asked last), or it broke."""

    work: WorkKey
    reason: str
    peer: DeviceId = DeviceId("")


@dataclass(frozen=True)
class TimerFired:
    """A timer that the machine set has run out; `timer` is "deadline", or "patience" (of the first far side, ...)."""

    work: WorkKey
    timer: str


@dataclass(frozen=True)
class PeerUp:
    """There is a link to `device`, whoever dialled it. `opens_later`: see `LinkHello`."""

    device: DeviceId
    opens_later: bool = False


@dataclass(frozen=True)
class PeerDown:
    """The last link to `device` is gone."""

    device: DeviceId


@dataclass(frozen=True)
class LinksSeen:
    """How the links to the peers that plans need do now."""

    reports: tuple[LinkReport, ...]


# --- the control plane ------------------------------------------------------------------------


@dataclass(frozen=True)
class CoordinatorSaid:
    """A command of the coordinator, or its welcome."""

    message: Welcome | Prepare | Activate | Drain | Retire | ProfileCommand | ProbeCommand | GaugeCommand


@dataclass(frozen=True)
class EpochOpened:
    """The blocks of an epoch are here, open and verified. `opened` are block opening times."""

    key: EpochKey
    opened: tuple[Seconds, ...] = ()
    resident: Bytes = Bytes(0)


@dataclass(frozen=True)
class EpochRefused:
    """The blocks of an epoch could not be fetched, opened or verified."""

    key: EpochKey
    error: WireError


@dataclass(frozen=True)
class PiecesOpened:
    """What runs blocks [first, last) faster is open and verified, or could not be opened: `error` says why.

    `blocks` are those that are held now and were not; `dropped` are the runs whose pieces were given up for it.
    """

    key: EpochKey
    first: int
    last: int
    blocks: tuple[int, ...] = ()
    dropped: tuple[tuple[int, int], ...] = ()
    error: WireError | None = None


@dataclass(frozen=True)
class ReadyTold:
    """`peer` has opened its blocks of a page, or said why not, or cannot be asked: `error`.

    `question` is the id of the one that this answers: another one may have been asked since, of another process there.
    """

    key: EpochKey
    peer: DeviceId
    page: PageName
    question: RequestId
    error: WireError | None = None


@dataclass(frozen=True)
class Restored:
    """Epochs that were active when this device went down."""

    epochs: tuple[SavedEpoch, ...]


@dataclass(frozen=True)
class Closing:
    """The process was asked to end: what was accepted still ends, nothing new begins."""


@dataclass(frozen=True)
class Measured:
    """A profile or probe ended."""

    answer: Profiled | Probed | Gauged | Outcome


Event = (
    RequestArrived
    | CancelArrived
    | LinkClosed
    | SegmentDone
    | SegmentFailed
    | StageReplied
    | StageLost
    | TimerFired
    | PeerUp
    | PeerDown
    | LinksSeen
    | CoordinatorSaid
    | EpochOpened
    | EpochRefused
    | PiecesOpened
    | ReadyTold
    | Restored
    | Closing
    | Measured
)
