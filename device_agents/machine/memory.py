"""Which blocks of an epoch are in memory, and what is known of those that other devices have.

Law: nouns. A block that is assigned to this device lies on its disk; where memory is bounded, those that no page in
use needs are opened when somebody wants such a page (`opening`, `readiness`), and closed when nobody did for long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from device_agents.machine.commands import Answer
from device_agents.machine.events import EpochKey, LinkId
from device_agents.machine.failures import error_frame
from lepton_edge.core.frames import Frame, FrameKind, WireError
from partitioner.units import DeviceId, PageName, RequestId, Seconds

NOTHING_ASKED = RequestId("")

FIRST_PAUSE, LONGEST_PAUSE = Seconds(0.25), Seconds(10.0)
"""Between two questions about one page, after an answer that said no."""


@dataclass
class Beyond:
    """What is known of one page at a far side: it is ready there until `until`.

    `asked_at`: since when a word of it is awaited, the answer to `question`, below 0 for not; `again`: when it may be
    asked again.
    """

    until: float = -math.inf
    asked_at: float = -1.0
    question: RequestId = NOTHING_ASKED
    longest: Seconds = LONGEST_PAUSE
    again: float = 0.0
    pause: Seconds = FIRST_PAUSE

    def ask(self, question: RequestId, now: float) -> None:
        """Take note of what was asked just now."""
        self.question, self.asked_at = question, now

    def awaits(self, question: RequestId) -> bool:
        """Whether the answer to `question` is awaited: not that to an earlier one, of another process there."""
        return self.asked_at >= 0 and self.question == question

    def said(self, ready: bool, believed: Seconds, now: float) -> None:
        """Take note of the word that was awaited. A yes holds from when it was asked for."""
        if ready:
            self.until, self.pause = self.asked_at + believed, FIRST_PAUSE
        else:
            self.again, self.pause = now + self.pause, Seconds(min(2 * self.pause, self.longest))
        self.asked_at = -1.0


@dataclass(frozen=True)
class Asker:
    """Who waits to hear that blocks [first, last) are open here, or that they compute."""

    link: LinkId
    frame: Frame
    run: tuple[int, int]

    def yes(self) -> Answer:
        """Return what says so."""
        return Answer(self.link, Frame(FrameKind.REPLY, self.frame.request_id, attempt=self.frame.attempt))

    def no(self, error: WireError, device: DeviceId) -> Answer:
        """Return what says why not, in the name of `device`."""
        return Answer(self.link, error_frame(self.frame, error, device))


@dataclass
class SelfTest:
    """A synthetic run of blocks [first, last) of an epoch, and who waits for its end."""

    key: EpochKey
    run: tuple[int, int]
    askers: list[Asker]


@dataclass
class Memory:
    """Of one epoch: the blocks that lie here, when each was wanted last, who waits for some, and what others have."""

    assigned: tuple[int, ...] = ()
    used: dict[int, float] = field(default_factory=dict)
    askers: list[Asker] = field(default_factory=list)
    beyond: dict[tuple[DeviceId, PageName], Beyond] = field(default_factory=dict)
    ran: dict[tuple[int, int], float] = field(default_factory=dict)  # when blocks [first, last) computed last
    proofs: dict[tuple[DeviceId, PageName], Beyond] = field(default_factory=dict)
    """Of those who stand in for others: until when each is HEALTHY (see `proving`)."""
    away: dict[DeviceId, Beyond] = field(default_factory=dict)
    """Who answered that it does not hold this epoch: it began anew, say, and opens it again."""
