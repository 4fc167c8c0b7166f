"""What a coordinator knows for keeping plans right: changes that are not over, causes to replan, trials.

Law: plain data without I/O; `changes.py`, `adapting.py` and `judging.py` change it. Everything is bounded, and
nothing of it is needed to serve: after a restart it begins anew.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from lepton_edge.coordinator.ledger import Undoable
from lepton_edge.coordinator.records import EpochKey
from lepton_edge.core.changes import Change
from partitioner.costs import LinkProfile
from partitioner.units import Bytes, DeviceId, ModelName, Seconds

Target = tuple[ModelName, DeviceId]
"""What has one active epoch: a model, and the board that it serves ("" for clouds alone)."""
TurnKey = tuple[DeviceId, str, int]
"""A turn of an entry: its device, the process (incarnation), and its serial there."""


@dataclass
class ChangeLog(Undoable):
    """The last serial that was given, and the turns that may be told anew, oldest first.

    `last` is the newest change of a plan. `left_open` are those whose verdict was pending when this coordinator began.
    """

    serial: int = 0
    last: Change | None = None
    left_open: tuple[Change, ...] = ()
    turns: dict[TurnKey, Change] = field(default_factory=dict)


class Haste(enum.IntEnum):
    """How a cause is followed: after two judgements apart; after one, at once; at once and whatever it gains."""

    SUSTAINED = 0
    AT_ONCE = 1
    ANYWAY = 2


@dataclass
class Adaptation(Undoable):
    """Whether a target is to be planned anew, and how patiently.

    Attributes:
        cause: why, in words; "" for no reason.
        haste: how the cause is followed.
        due: when it is looked at next.
        gains: judgements in a row that promised enough.
        without: devices that it shall do without. cloud: another one to try. rooms: bytes that devices have left.
        pause: how long the next rest is; it grows where plans change often or do not pay.
        rest_until: before that, only what is urgent is looked at.
        changed_at: when a plan last changed by itself; below 0 for never.
        short: bytes that devices had left for the plan that runs. roomy_since: when more was there again. grows:
            there is more now, and the plan may use it whatever it gains.
        vain: urgent causes for which there was no other plan, and until when they are left alone.
        link: the link that was looked at last, and since when it is another one.
    """

    cause: str = ""
    haste: Haste = Haste.SUSTAINED
    due: Seconds = Seconds(0.0)
    gains: int = 0
    without: frozenset[DeviceId] = frozenset()
    cloud: DeviceId = DeviceId("")
    rooms: dict[DeviceId, Bytes] = field(default_factory=dict)
    pause: Seconds = Seconds(0.0)
    rest_until: Seconds = Seconds(0.0)
    changed_at: Seconds = Seconds(-1.0)
    short: dict[DeviceId, Bytes] = field(default_factory=dict)
    roomy_since: Seconds | None = None
    grows: bool = False
    vain: dict[str, Seconds] = field(default_factory=dict)
    link: LinkProfile | None = None
    link_since: Seconds | None = None


@dataclass(frozen=True)
class Promise:
    """What a replan promises: seconds of a request by the plan that runs and by the new one, and by the same figures.

    `gain` is relative, of what the plan minimises. `measured` is what requests took of late; 0 for not known.
    """

    before: Seconds
    after: Seconds
    gain: float
    measured: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class Fare:
    """How requests fare on an epoch at its entry, and `rate` of them a second; `at` when it was last told.

    `mean` is of the last ones, geometric where the entry tells what it takes; `counted` and `logs` are where its
    window begins.
    """

    answered: int
    failed: int
    mean: Seconds
    rate: float
    at: Seconds
    counted: int = 0
    logs: float = 0.0


@dataclass
class Trial(Undoable):
    """A new epoch that is being judged against the one before, which its devices keep prepared meanwhile.

    `old` is None where it is not kept, so that nothing can be rolled back. `baseline` is what requests took on it.
    `checked` is the number of answers at the last look, at `looked`, which found it `bad` so often in a row. `lost`:
    the old one is to be activated again as soon as nothing else is deployed.
    """

    change: Change
    new: EpochKey
    old: EpochKey | None
    baseline: Seconds
    since: Seconds
    looked: Seconds = Seconds(0.0)
    checked: int = 0
    bad: int = 0
    lost: bool = False
