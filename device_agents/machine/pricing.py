"""What each page of a book costs an entry now.

Law: pure arithmetic on what was predicted, what links do now, and what requests of late took (`pages`, `pace`); it
chooses nothing. Seconds here, beyond, and on the way between; `value` is what the book's wishes minimise of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from device_agents.machine.links import FRESH, HEADERS
from device_agents.machine.pages import Choice, Cost, Option, Turner
from device_agents.machine.readiness import is_ready, patience_for
from device_agents.machine.state import EpochState, State
from partitioner.plan import TurnRule
from partitioner.units import PageName, Seconds

TRUSTED, DOUBTED = Seconds(5.0), Seconds(5.0)
"""A link's rate is believed for so long after it was seen; then half of it, after each so long, is the plan's again."""
STEADIER = 1 / 3
"""An estimate is steadier than the samples that it is an average of."""


def turner_of(state: State, held: EpochState) -> Turner:
    """Return what the entry of an epoch knows of its pages."""
    if held.turner is None:
        held.turner = Turner(held.book, state.device)
    return held.turner


def costs(state: State, held: EpochState, choice: Choice, now: float) -> dict[PageName, Cost]:
    """Return what every page costs that could be taken now; those within the limits, if any is.

    A page that is not ready, and would be cheapest or nearly so, is wanted (see `readiness`).
    """
    turner = turner_of(state, held)
    options = [one for one in choice.options if not one.peer or state.sound(one.peer)]
    found = {one.name: _cost(state, turner, one, now) for one in options}
    within = {name: cost for name, cost in found.items() if cost.within} or found
    ready = {name: cost for name, cost in within.items() if is_ready(state, held, cost.option, now)}
    turner.wanted = _wanted(state, within, ready) if len(ready) < len(within) else None
    return ready


def _wanted(state: State, within: dict[PageName, Cost], ready: dict[PageName, Cost]) -> Option | None:
    best = min((cost.value for cost in ready.values()), default=math.inf)
    rest = [cost for name, cost in within.items() if name not in ready]
    first = min(rest, key=lambda cost: cost.value)
    return first.option if first.value < best * patience_for(state, first.option) else None


class Parts(NamedTuple):
    """Seconds here, beyond, there if nobody else asked (`usual`), on the way; and by how much they may be off."""

    own: float
    far: float = 0.0
    usual: float = 0.0
    way: float = 0.0
    noise: float = 0.0


def _cost(state: State, turner: Turner, option: Option, now: float) -> Cost:
    here = turner.own_of(option)
    own = here.seconds(option.key, option.own, now)
    noise = own * here.scatter(option.key)
    if not option.peer:
        return _priced(turner, option, Parts(own, noise=noise * STEADIER))
    pace = turner.pace_of(option.peer)
    far = pace.seconds(option.key, option.far, now)
    usual = far / pace.now(now) + option.wait
    noise = math.hypot(noise, far * pace.scatter(option.key))
    far += turner.load_of(option.peer).now(now, option.wait)
    way = _way(state, turner, option, turner.sizes.get(option.key, option.up), now)
    return _priced(turner, option, Parts(own, far, usual, way, noise * STEADIER))


def _way(state: State, turner: Turner, option: Option, up: float, now: float) -> float:
    """Return the seconds of `up` bytes there and the answer's back, on the link as it is now."""
    plain = way_of(state, option, up)
    return turner.way_to(option.peer).seconds(option.peer, plain, now)


def way_of(state: State, option: Option, up: float) -> float:
    """Return what the link's own figures make of `up` bytes and the answer's; the plan's where nothing is known.

    Figures that are old go back to the plan's: should nothing else look at a link, requests do, one in some seconds.
    """
    link = state.links.get(option.peer)
    if link is None or not option.direct or not link.connected or link.up <= 0 or link.age > FRESH:
        return option.way
    there = link.round_trip + up * HEADERS / link.up
    back = option.down * HEADERS / link.down if link.down > 0 else max(0.0, option.back - link.round_trip / 2)
    stale = max(0.0, link.age - TRUSTED) / DOUBTED
    left: float = 0.5**stale
    return option.way + (there + back - option.way) * left


def _priced(turner: Turner, option: Option, parts: Parts) -> Cost:
    rule, ahead = turner.book.turning, option.prediction
    own, far, usual, way, noise = parts
    seconds = own + far + way
    bytes_ = ahead.bytes_up + ahead.bytes_down
    energy = ahead.energy * (own / option.own if option.own > 0 else 1.0)
    value = rule.latency * seconds + rule.energy * energy + rule.egress * bytes_
    value += rule.bottleneck * max(own, far, way)
    return Cost(option, own, far, way, usual, noise, value, _within(rule, seconds, energy, bytes_))


def _within(rule: TurnRule, seconds: float, energy: float, bytes_: int) -> bool:
    limits = ((rule.max_latency, seconds), (rule.max_energy, energy), (rule.max_egress, bytes_))
    return all(limit < 0 or amount <= limit for limit, amount in limits)
