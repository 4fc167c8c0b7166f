"""One open link to a peer, and what is known of the way there, whichever link it goes by.

Law: nouns, and figures that are kept; who dials what, and when, is `peers`'.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lepton_edge.core.links import LinkEstimate
from lepton_edge.core.messages import LinkReport
from lepton_edge.link.link import Link
from partitioner.units import DeviceId, Seconds

NOBODY = DeviceId("")


@dataclass(frozen=True)
class Ways:
    """How links are made: by an address, through a relay's link; `busy` says whether a link is in use."""

    dial: Callable[[str], Awaitable[Link]]
    through: Callable[[Link, DeviceId], Awaitable[Link]]
    busy: Callable[[Link], bool]


@dataclass
class Figures:
    """What links by one way last showed. A link forgets, and a new one knows nothing; here it is kept, with its age."""

    up: float = 0.0
    down: float = 0.0
    round_trip: float = 0.0
    p99: float = 0.0
    measured_at: float = 0.0


@dataclass(eq=False)
class Way:
    """One open link to a peer; `via` the relay that it goes through."""

    link: Link
    dialled: bool = False
    via: DeviceId = NOBODY
    since: float = field(default_factory=time.monotonic)
    figures: Figures = field(default_factory=Figures)

    def look(self, now: float) -> LinkReport:
        """Return how the link does."""
        seen, known = self.link.estimate(), self.figures
        if not seen.late:
            self._remember(seen, now)
        return LinkReport(
            DeviceId(self.link.peer.name),
            connected=True,
            via=self.via,
            up=seen.up if seen.late else known.up,
            down=seen.down or known.down,
            round_trip=Seconds(seen.rtt_least if seen.late else known.round_trip),
            samples=seen.rates,
            age=Seconds(now - known.measured_at if known.up else 0.0),
            p99=Seconds(seen.p99 or known.p99),
            under_way=seen.under_way,
        )

    def _remember(self, seen: LinkEstimate, now: float) -> None:
        known = self.figures
        up = seen.up or (seen.proven if seen.proven > known.up > 0 else 0.0)
        if up > 0:
            known.up, known.measured_at = up, now - seen.rate_age
        known.down = seen.down or known.down
        known.round_trip = seen.rtt_least or known.round_trip
        known.p99 = seen.p99 or known.p99
