"""What the links to other devices do now, and what that makes of a number of bytes.

Law: pure arithmetic on what the links' own traffic showed; seconds are the entry's own, no clock of another
device is in them. Payload travels with about `HEADERS` on top of what a link was measured to carry.
"""

from __future__ import annotations

from device_agents.machine.pages import Choice
from device_agents.machine.state import State
from lepton_edge.core.messages import LinkReport
from partitioner.units import Bytes, DeviceId, Seconds

FRESH = Seconds(120.0)
"""Older than that, what was seen of a link says nothing of it now. An idle link is probed more often, at first."""
HEADERS = 1.003
"""Bytes of chunks over bytes of payload."""
OF_LATE = Seconds(2.0)
TELLS = 4 << 10
"""Bytes of a request that show the rate of its link by themselves."""


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


def wanted(state: State, peer: DeviceId, now: float) -> bool:
    """Whether requests of late would go by the link to `peer` if it were better, and none of them shows how it is."""
    return any(
        now - choice.until < OF_LATE and _would_win(choice, peer)
        for held in state.epochs.values()
        if held.turner is not None and held.turner.turns
        for choice in held.turner.choices.values()
    )


def _would_win(choice: Choice, peer: DeviceId) -> bool:
    """Whether a page by `peer` costs less than the one that is taken, if its bytes took no time at all."""
    taken = choice.costs.get(choice.page)
    if taken is None or (taken.option.peer == peer and taken.option.up >= TELLS):
        return False
    others = [one for one in choice.options if one.peer == peer and one is not taken.option]
    known = [(choice.costs.get(one.name), one) for one in others]
    return any((cost.own + cost.far if cost else one.own + one.far) < taken.seconds for cost, one in known)
