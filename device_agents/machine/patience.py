"""How long a far side is waited for before somebody else answers.

Law: pure arithmetic on what is known of the link and of the far side; it decides nothing. Waited is for

    what it takes now  +  max(3 x the link's p99, 200 ms), 0.6 s at most

and by a device that has nothing else to compute for half of that margin only: then it begins beside it, and suspects
nobody yet. "Now" is the link's estimate with what was sent before and is still under way on it, the predicted
computing of this request and of those of ours that wait there already, or what its answers took of late, whichever is
more: a far side that is busy is not gone, and to answer here instead makes this device busier yet.
"""

from __future__ import annotations

import math

from device_agents.machine import links
from device_agents.machine.far_side import PageKey
from device_agents.machine.state import State, Work
from partitioner.plan import Prediction
from partitioner.units import Bytes, DeviceId, Seconds

MARGIN = Seconds(0.2)
"""Below that nothing is called late: one lost packet, or a busy moment of either device, costs as much."""
MARGIN_P99, MOST_MARGIN = 3.0, Seconds(0.6)
"""A transfer that strays by more than that was held up by a break of its link, which is no measure for the next one."""
MOST = Seconds(10.0)
"""What was slow of late is waited for so long at most; a link that is dead is found out before."""
BUSY = 4.0
"""One that goes on answering others may take so many times what these take."""
WAY_HOME = 0.1
"""What part of a deadline's rest is kept for the answer's way home when the far side is given up."""
EARLY = 0.5
"""What part of the margin an idle device waits: the rest is for alarms that ring late, and its own run that strays."""
EARLIEST, STRAYS = 0.25, 2.0
"""It waits for less where what it would run strays by more: by so many times its mean deviation, down to this part."""
FIRST_FLIGHT = Bytes(14_480)
"""What TCP sends at first, ten segments (RFC 6928); a round trip later twice as much."""


def page_key(work: Work) -> PageKey:
    """Return under which name it is noted what the stages beyond this one take."""
    return work.epoch, work.page


def rate(state: State, work: Work, peer: DeviceId) -> float:
    """Return the bytes a second that go to `peer`: measured, or else predicted; 0 where neither is known."""
    link = state.links.get(peer)
    if link is not None and link.connected and link.up > 0:
        return link.up / links.HEADERS
    uplink = _predicted(state, work).uplink
    return work.bytes_out / uplink if uplink > 0 else 0.0


def patience(state: State, work: Work, peer: DeviceId, now: float, part: float = 1.0) -> Seconds:
    """Return how long to wait for `peer` until it is late, or only a `part` of the margin beyond what it takes.

    The margin is room for what strays; so are the deviations of its answers: the larger of them counts, once.
    """
    margin = part * _margin(state, peer)
    of_late = state.far_side(peer).expected(page_key(work), now, margin) + way(state, work, peer)
    return Seconds(min(max(_predicted_to_take(state, work, peer, now) + margin, of_late), MOST + margin))


def _predicted_to_take(state: State, work: Work, peer: DeviceId, now: float) -> float:
    """Return the sum of what is predicted: the way there, behind what is on it, and the computing there."""
    far, ahead = state.far_side(peer), _predicted(state, work)
    there = links.seconds(state, peer, Bytes(work.bytes_out), Bytes(0)) or ahead.uplink + ahead.downlink
    computing = ahead.cloud * (1 + far.asked)
    model = there + far.queued(now) + computing
    if far.rested(now):
        model += _slow_start(state, work, peer)
    return model


def early(state: State, work: Work, peer: DeviceId, now: float) -> Seconds:
    """Return how long an idle device waits for `peer` until it begins to answer beside it."""
    part = EARLY - STRAYS * _scatter(state, work, now) / _margin(state, peer)
    return patience(state, work, peer, now, max(EARLIEST, part))


def by_now(state: State, peer: DeviceId, page: PageKey, now: float, way: float) -> Seconds:
    """Return how long `peer` would be waited for by what its last answers took, and the `way` takes now."""
    margin = _margin(state, peer)
    return Seconds(max(margin, min(state.far_side(peer).expected(page, now, margin) + way, MOST + margin)))


def way(state: State, work: Work, peer: DeviceId) -> float:
    """Return the seconds that what was sent takes to `peer` by what its link does now; 0 where that is not known."""
    return links.seconds(state, peer, Bytes(work.bytes_out), Bytes(0)) or 0.0


def trial(state: State, work: Work, peer: DeviceId, now: float) -> Seconds:
    """Return how long a trial of `peer` lasts: what its answer took of late, or is predicted to take.

    What its link does now is no part: while nothing is acknowledged it seems to become ever slower.
    """
    late = state.far_side(peer).trial_lasts(page_key(work), now)
    return Seconds(min(max(late, work.terms.far), MOST) + MARGIN)


def busy(state: State, work: Work, peer: DeviceId, now: float) -> Seconds:
    """Return how long to wait in all for one that has answered others since it was asked.

    By what these took, or until it is silent for as long as the margin: queues are fair between callers, so that the
    requests of one who has many there take several times what those of the others do.
    """
    far, margin, asked = state.far_side(peer), _margin(state, peer), work.asks[peer]
    page, there = (work.epoch, asked.terms.page), way(state, work, peer)
    most = min(BUSY * far.expected(page, now) + there, MOST) + margin
    return Seconds(max(by_now(state, peer, page, now, there), min(far.heard_at + margin - asked.at, most)))


def on_its_way(state: State, work: Work, peer: DeviceId, now: float) -> Seconds:
    """Return for how long more `peer` is not late, since its link has shown that it still carries what it was asked.

    0 where it has shown nothing since, or carried it all by now. A process that stands still acknowledges nothing.
    """
    far, asked = state.far_side(peer), work.asks[peer]
    left = far.queued(now)
    if not left or far.moved_at <= asked.at or now - asked.at > MOST:
        return Seconds(0.0)
    computing = state.epochs[work.epoch].book.page(asked.terms.page).prediction.cloud
    return Seconds(min(left, MOST) + computing * far.asked + _margin(state, peer))


def _margin(state: State, peer: DeviceId) -> float:
    link = state.links.get(peer)
    return min(max(MARGIN_P99 * link.p99 if link is not None else 0.0, MARGIN), MOST_MARGIN)


def hedge(state: State, work: Work, full: Seconds, now: float) -> Seconds:
    """Return how much of a `full` patience the deadline allows, so that an answer from here still makes it.

    All of it where nothing from here would make it.
    """
    spare = _spare(state, work, now)
    return Seconds(min(full, spare) if spare > 0 else full)


def suffices(state: State, work: Work, now: float) -> bool:
    """Whether the rest could be computed here before the deadline."""
    return not work.asked.remaining_ms or _spare(state, work, now) > -WAY_HOME * (work.deadline - now)


def _spare(state: State, work: Work, now: float) -> float:
    """Return for how long the far side may be waited for so that an answer from here still makes the deadline."""
    if not work.asked.remaining_ms:
        return math.inf
    return (work.deadline - now) * (1 - WAY_HOME) - _near(state, work, now) - state.epochs[work.epoch].wait


def _near(state: State, work: Work, now: float) -> float:
    """Return what the whole model takes here: predicted, and as this device is slower or quicker now."""
    held = state.epochs[work.epoch]
    if held.turner is None:
        return work.terms.near
    whole = (held.book.fallback, 0, len(held.book.blocks))
    return held.turner.own.seconds(whole, work.terms.near, now)


def _scatter(state: State, work: Work, now: float) -> float:
    """Return by how many seconds the whole model strays here; 0 where it was not measured."""
    held = state.epochs[work.epoch]
    if held.turner is None:
        return 0.0
    whole = (held.book.fallback, 0, len(held.book.blocks))
    return held.turner.own.scatter(whole) * _near(state, work, now)


def _slow_start(state: State, work: Work, peer: DeviceId) -> float:
    """Return what TCP adds on a link that rested: a round trip for each doubling of what it sends at once."""
    link = state.links.get(peer)
    if link is None:
        return 0.0
    return link.round_trip * math.log2(1 + work.bytes_out / FIRST_FLIGHT)


def _predicted(state: State, work: Work) -> Prediction:
    return state.epochs[work.epoch].book.page(work.page).prediction
