"""What a coordinator knows for keeping plans right: changes that are not over, wishes to replan, trials.

Law: plain data without I/O; `changes.py`, `adapting.py` and `judging.py` change it. Everything is bounded, and
nothing of it is needed to serve: after a restart it begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lepton_edge.core.changes import Change
from partitioner.units import DeviceId, ModelName

MAX_TURNS = 1024  # turns of entries whose end was not told yet

Target = tuple[ModelName, DeviceId]
"""What has one active epoch: a model, and the board that it serves ("" for clouds alone)."""
TurnKey = tuple[DeviceId, str, int]
"""A turn of an entry: its device, the process (incarnation), and its serial there."""


@dataclass
class ChangeLog:
    """The last serial that was given, and the turns that may be told anew, oldest first.

    `left_open` are changes whose verdict was pending when this coordinator began.
    """

    serial: int = 0
    left_open: tuple[Change, ...] = ()
    turns: dict[TurnKey, Change] = field(default_factory=dict)
