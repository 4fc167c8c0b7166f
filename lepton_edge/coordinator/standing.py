"""What people and failures do to devices and versions, as nouns: drained, in quarantine, tried by a share of requests.

Law: plain nouns without I/O; `operations`, `quarantine` and `canary` change them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lepton_edge.coordinator.ledger import Undoable
from lepton_edge.coordinator.records import CallId, EpochKey
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import EpochReport
from partitioner.units import Seconds

FLAPS = 4  # losses within `FLAP_WINDOW` after which a device is quarantined
FLAP_WINDOW = Seconds(120.0)
MAX_CALLERS = 16  # that wait for one device to be drained


@dataclass(frozen=True)
class Caller:
    """Somebody who waits for a device to be drained, or drained and `removed`."""

    cause: str
    call: CallId
    removed: bool = False


@dataclass
class Drain(Undoable):
    """A device that is given no new work and loses what it has.

    Attributes:
        since: when it was asked for. force: what nobody else can run ends.
        callers: who waits for it; nobody after a restart of the coordinator.
        moving: the call of the deployment that moves something elsewhere, if one is under way.
        tries: how often moving an epoch failed in a row; the next try is at `retry_at`.
        error: what the last try ended with. idle: nothing is left to be moved, and nothing runs there.
    """

    since: Seconds
    force: bool = False
    callers: list[Caller] = field(default_factory=list)
    moving: CallId | None = None
    tries: int = 0
    retry_at: Seconds = Seconds(0.0)
    error: WireError | None = None
    idle: bool = False


@dataclass
class Canary(Undoable):
    """An epoch that a `share` of the requests tries beside the active one, until it answered `enough` of them.

    `begun` is what the entry told of the active one first since then, `told` what it told last, by epoch. `proven`: it
    is to be promoted when nothing else is deployed.
    """

    new: EpochKey
    old: EpochKey
    share: float
    enough: int
    since: Seconds
    begun: EpochReport | None = None
    told: dict[EpochKey, EpochReport] = field(default_factory=dict)
    proven: bool = False


@dataclass
class Conduct(Undoable):
    """How a device behaved of late: when it was lost, how many prepares failed in a row, how often it was quarantined.

    `until` is when the quarantine ends, `why` what it is for; `trouble` is when something went wrong last.
    """

    lost: deque[Seconds] = field(default_factory=lambda: deque(maxlen=FLAPS))
    failed: int = 0
    pauses: int = 0
    until: Seconds = Seconds(0.0)
    why: str = ""
    trouble: Seconds = Seconds(0.0)
