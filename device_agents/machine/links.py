"""What the links to other devices do now, and what that makes of a number of bytes.

Law: pure arithmetic on what the links' own traffic showed; seconds are the entry's own, no clock of another
device is in them. Payload travels with about `HEADERS` on top of what a link was measured to carry.
"""

from __future__ import annotations

from device_agents.machine.state import State
from lepton_edge.core.messages import LinkReport
from partitioner.units import Bytes, DeviceId, Seconds

FRESH = Seconds(120.0)
"""Older than that, what was seen of a link says nothing of it now. An idle link is probed more often, at first."""
HEADERS = 1.003
"""Bytes of chunks over bytes of payload."""


def note(state: State, reports: tuple[LinkReport, ...]) -> None:
    """Remember how the links do; those that are not told of are forgotten."""
    state.links = {report.peer: report for report in reports}


def seconds(state: State, peer: DeviceId, up: Bytes, down: Bytes) -> Seconds | None:
    """Return the seconds that `up` bytes to `peer` and `down` bytes back take on the link as it is now.

    None where that is not known: no link, nothing seen of late, or not in a direction that is asked for.
    """
    link = state.links.get(peer)
    if link is None or not link.connected or link.round_trip <= 0 or link.age > FRESH:
        return None
    if (up and link.up <= 0) or (down and link.down <= 0):
        return None
    there = up * HEADERS / link.up if up else 0.0
    back = down * HEADERS / link.down if down else 0.0
    return Seconds(link.round_trip + there + back)
