"""What the decider wants done.

Law: frozen nouns without behaviour. Each command that can end tells its outcome as an event (events.py),
except those that end nothing: Reply, Fail, Refuse, Resend, Answer, Release, CancelStage, SetTimer, Say, Persist,
CloseEpoch, CloseBlocks, KeepPeers.
"""

from __future__ import annotations

from dataclasses import dataclass

from device_agents.machine.events import EpochKey, LinkId, SavedEpoch, WorkKey
from lepton_edge.core.frames import Frame, WireTensor
from lepton_edge.core.messages import AgentSays, GaugeCommand, Peer, ProbeCommand, ProfileCommand
from lepton_edge.core.quick import quick
from partitioner.plan import CodecChoice, PlanBook
from partitioner.units import DeviceId, Seconds, TensorName

# --- requests ---------------------------------------------------------------------------------


@quick
@dataclass(frozen=True)
class RunSegment:
    """Run blocks [first, last) for a request.

    First `tensors` are decoded into the work's environment; last, `forward` is encoded and `outputs` packed
    raw. The environment stays until `Release`: a fallback runs on from it, with no `tensors`. `run` counts
    the runs of one work; the outcome (`SegmentDone` or `SegmentFailed`) repeats it. `flow` is who asked, `cost` the
    seconds that it took of late: the engine's queue is fair between flows, by what they cost. A
    `fresh` run is of another model: nothing that was kept before is of use to it.
    """

    work: WorkKey
    run: int
    epoch: EpochKey
    first: int
    last: int
    tensors: tuple[WireTensor, ...] = ()
    forward: tuple[CodecChoice, ...] = ()
    outputs: tuple[TensorName, ...] = ()
    keep: tuple[TensorName, ...] = ()
    priority: int = 0
    flow: str = ""
    cost: float = 0.0
    fresh: bool = False


@quick
@dataclass(frozen=True)
class SendStage:
    """Send a request to the next stage; `StageReplied` or `StageLost` follows."""

    work: WorkKey
    peer: DeviceId
    frame: Frame


@dataclass(frozen=True)
class CancelStage:
    """Tell the next stage that its answer is no longer wanted."""

    work: WorkKey
    peer: DeviceId
    frame: Frame


@quick
@dataclass(frozen=True)
class SetTimer:
    """Tell `TimerFired(work, timer)` after `delay` seconds, unless the work is released before."""

    work: WorkKey
    timer: str
    delay: Seconds


@quick
@dataclass(frozen=True)
class Reply:
    """Answer the work, once. `labelled` asks for the names of the top-k classes (an entry's task)."""

    work: WorkKey
    link: LinkId
    frame: Frame
    epoch: EpochKey
    labelled: bool = False


@dataclass(frozen=True)
class Fail:
    """End the work with an error frame, once."""

    work: WorkKey
    link: LinkId
    frame: Frame


@quick
@dataclass(frozen=True)
class Release:
    """Forget the work's environment, timers and whatever still runs for it.

    But go on listening for what `heed` answers, if anybody: that tells whether it is back. Its outcome is an event as
    ever; of more than `far_side.MOST_TRIALS` such answers of one device the oldest is given up.
    """

    work: WorkKey
    heed: DeviceId = DeviceId("")


@dataclass(frozen=True)
class Refuse:
    """Answer a request that was not accepted."""

    link: LinkId
    frame: Frame


@dataclass(frozen=True)
class Answer:
    """Answer a question that is no work."""

    link: LinkId
    frame: Frame


@dataclass(frozen=True)
class Resend:
    """Give a duplicate of finished work the answer that the work had."""

    link: LinkId
    answer: Reply | Fail


# --- epochs and the control plane -------------------------------------------------------------


@dataclass(frozen=True)
class OpenEpoch:
    """Fetch, open and verify the blocks `hold` of `book`; `EpochOpened` or `EpochRefused` follows.

    `command` names the coordinator's command for progress, empty when restored from the disk. The blocks `later` are
    fetched too, and opened when a page needs them.
    """

    key: EpochKey
    book: PlanBook
    hold: tuple[int, ...]
    command: str = ""
    later: tuple[int, ...] = ()


@dataclass(frozen=True)
class CloseEpoch:
    """Free the blocks of an epoch."""

    key: EpochKey


@dataclass(frozen=True)
class OpenPieces:
    """Open in the background what runs blocks [first, last) of an open epoch faster, and the blocks that it lacks.

    `PiecesOpened` follows. What ran of late in `keep` is not dropped for it where memory is short; all else is.
    """

    key: EpochKey
    first: int
    last: int
    keep: tuple[tuple[int, int], ...] = ()
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True)
class CloseBlocks:
    """Free some blocks of an open epoch, and what runs them as one; what runs on them ends on them."""

    key: EpochKey
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class AskReady:
    """Ask `peer` whether it is ready for a page's stage (see `readiness`); `ReadyTold` follows."""

    key: EpochKey
    peer: DeviceId
    frame: Frame


@dataclass(frozen=True)
class KeepPeers:
    """Hold a warm link to each of these from now on, and to nobody else."""

    peers: tuple[Peer, ...]


@dataclass(frozen=True)
class Persist:
    """Write the active epochs to the disk, in place of what was there."""

    epochs: tuple[SavedEpoch, ...]


@dataclass(frozen=True)
class Say:
    """Tell the coordinator, if it is there."""

    message: AgentSays


@dataclass(frozen=True)
class Measure:
    """Profile a model or probe a link; `Measured` follows."""

    command: ProfileCommand | ProbeCommand | GaugeCommand


Command = (
    RunSegment
    | SendStage
    | CancelStage
    | SetTimer
    | Reply
    | Fail
    | Release
    | Refuse
    | Resend
    | Answer
    | OpenEpoch
    | CloseEpoch
    | OpenPieces
    | CloseBlocks
    | AskReady
    | KeepPeers
    | Persist
    | Say
    | Measure
)
