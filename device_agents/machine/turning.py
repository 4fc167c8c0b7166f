"""The page turn: which page of its book an entry takes, request by request, by what it knows now.

Law: pure, and cheap: a request that finds nothing new costs a look-up. A page costs its seconds here, beyond, and on
the way between, each predicted, and corrected by what requests of late took. It is left for one that is cheaper
by more than what may be noise; where only the queue of this device speaks against it, for that one request alone.
Many entries share a far side: when it is its load that makes them leave (or its rest that brings them back), each
goes by lot, drawn from the name of the device and of the request, so that they do not all move at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from device_agents.machine import pricing, runs
from device_agents.machine.links import TELLS
from device_agents.machine.pages import FIRST_LOOK, Choice, Cost, Option, Turn, Turner, spread
from device_agents.machine.pricing import turner_of, way_of
from device_agents.machine.readiness import is_ready
from device_agents.machine.state import COMPUTING, EpochState, State
from device_agents.machine.terms import Terms
from lepton_edge.core.frames import Frame
from partitioner.units import DeviceId, PageName, Seconds

LEAST_GAIN = 0.03
"""A page that is cheaper by less is none to turn to."""
LOOK_EVERY = Seconds(0.25)
"""What is known fades: without news, pages are compared anew after this."""
CROWDED = Seconds(8.0)
"""So long, and up to twice that, those who left a busy far side come back by lot; then they have forgotten it."""
MOVERS = 4
"""Of entries that a far side's load moves, one in so many goes with each of its requests."""
RISK = 2.0
"""What one request may cost at most, by what is believed, so that others find out more: so many times what it would."""
LARGER = 2.0
"""So many times the bytes of what is sent take what this does not tell."""
LARGEST, PLAINLY = math.inf, 4.0
"""Where they take so many times the round trip, or as much as hardly any strays, they tell of any number of bytes."""
AFTER_A_RISE = Seconds(5.0)
"""A rise of a rate makes one request see how quick the link is, a few times within this.

Pauses between looks begin anew where none was due for so long."""
WORTH_A_TRIAL = 1.08
"""What a request finds out is worth it where another page would then cost less by this factor."""
SLOWED = 1.25
"""A device that takes so many times what was planned may be quick again where no request shows it: it cooled, say."""
UNUSUAL = 1.25
"""A request of other bytes than usual, by this factor, is costed by its own."""


def choose(state: State, held: EpochState, frame: Frame, terms: Terms, now: float) -> tuple[PageName, str]:
    """Return the page that a request takes, and why, "" where the book's own reason stands.

    `terms` are those of the request on any page that begins here. It is the active page where nothing turns or
    nothing can be told, and always one of `book.turning.pages` else.
    """
    turner = turner_of(state, held)
    choice = turner.choice(terms.route.first, terms.wanted)
    reach = [state.sound(peer) for peer in choice.peers]
    fresh = choice.links is state.links and now < choice.until and choice.reach == reach
    if turner.stale or not fresh:
        choice.see(reach, now)
        _reconsider(state, held, choice, frame, now)
    turner.page = choice.page
    if not all(reach) and (trial := _trial(state, held, choice, now)):
        return trial.name, f"taken this once, to see whether {trial.peer} is back"
    if now >= choice.look_at and (look := _look(state, turner, choice, frame)):
        choice.looked(now)
        return look.name, f"taken this once, to see whether the link to {look.peer} is as slow as it seems"
    if (now >= choice.here_at or choice.here_again) and (here := _look_here(turner, choice, frame, now)):
        choice.looked_here(now)
        return here.name, f"taken this once, to see whether {state.device} is as slow as it seems"
    return _for_one(state, held, choice, frame, now)


def _look_here(turner: Turner, choice: Choice, frame: Frame, now: float) -> Option | None:
    """Return a page that would be taken if this device were as quick as planned, where the page that is taken hides it.

    What hardly computes here tells little of how quick what computes more would be: it would be left for good.
    """
    taken = choice.costs.get(choice.page)
    if taken is None:
        return None
    price = turner.book.turning.latency
    hopes = {
        _as_planned(one, price): one.option
        for one in choice.costs.values()
        if one.option.own > taken.option.own
        and one.own > SLOWED * one.option.own
        and one.value < RISK * taken.value
        and _is_in_time(one, frame)
    }
    best = min(hopes, default=math.inf)
    if best >= _as_planned(taken, price) / WORTH_A_TRIAL:
        return None
    known = turner.own.known.get(hopes[best].key)
    was_odd = known is not None and known.odd != 0.0
    return hopes[best] if now >= choice.here_at or was_odd else None


def _as_planned(cost: Cost, price: float) -> float:
    """Return what a page costs if this device takes for it what was planned, and no longer."""
    return cost.value - price * max(0.0, cost.own - cost.option.own)


def _look(state: State, turner: Turner, choice: Choice, frame: Frame) -> Option | None:
    """Return a page that would be taken if its link were as it was planned, where no request shows how it is.

    Small probes may not tell: beside a busy device, kilobytes take as long on a quick link as on a slow one.
    """
    taken = choice.costs.get(choice.page)
    if taken is None:
        return None
    price = turner.book.turning.latency
    tells = not choice.risen and _tells(state, taken.option)
    unseen = [
        one
        for one in choice.costs.values()
        if one.option.peer and not _shows(taken.option, one.option, LARGEST if tells else LARGER)
    ]
    hopes = {
        one.value - price * (one.way - least): one.option
        for one in unseen
        if one.way > (least := _least_way(state, choice, one.option))
        and (choice.returned or one.value < RISK * taken.value)
        and _is_in_time(one, frame)
    }
    best = min(hopes, default=math.inf)
    return hopes[best] if best < taken.value / WORTH_A_TRIAL else None


def _shows(taken: Option, other: Option, larger: float) -> bool:
    """Whether requests on a page show how quick the link is for another one, of so many times the bytes at most.

    What few bytes take is mostly the round trip, and where that strays, the rate that they tell is a lower bound.
    """
    return taken.peer == other.peer and taken.up >= TELLS and other.up < larger * taken.up


def _tells(state: State, taken: Option) -> bool:
    """Whether what the bytes of requests on a page take shows plainly beside what strays: then it is no lower bound."""
    link = state.links.get(taken.peer)
    if link is None or link.up <= 0:
        return False
    strays = min(PLAINLY * link.round_trip, link.p99 or math.inf)
    return taken.up / link.up >= strays


def _least_way(state: State, choice: Choice, option: Option) -> float:
    """Return what a page's way took if its link were as it was planned.

    An outage teaches a rate that is none of the link's; what a round trip takes is seen again as soon as it is over.
    """
    link = state.links.get(option.peer) if choice.returned else None
    return option.way if link is None else max(option.way, link.round_trip)


def _is_in_time(cost: Cost, frame: Frame) -> bool:
    return not frame.remaining_ms or cost.seconds < frame.remaining_ms / 1e3 / RISK


def _trial(state: State, held: EpochState, choice: Choice, now: float) -> Option | None:
    """Return a page by which a request finds out whether a suspected far side is back, where that is due."""
    for peer in choice.peers:
        far = state.far_sides.get(peer)
        if peer in state.peers_up and far is not None and far.suspected and far.may_try(now):
            pages = [one for one in choice.options if one.peer == peer and is_ready(state, held, one, now)]
            if pages:
                return min(pages, key=lambda one: one.own + one.far + way_of(state, one, one.up))
    return None


# --- turning --------------------------------------------------------------------------------------


def _reconsider(state: State, held: EpochState, choice: Choice, frame: Frame, now: float) -> None:
    """Compare the pages, and turn where that pays."""
    turner = turner_of(state, held)
    turner.see(state.links)
    costs = pricing.costs(state, held, choice, now)
    choice.costs, choice.links, choice.until, turner.stale = costs, state.links, now + LOOK_EVERY, False
    if not costs:
        choice.page, choice.reason = held.book.active, ""
        return
    if not choice.basis:
        _rest_on(state, choice, now)
    best = min(costs.values(), key=lambda cost: cost.value)
    current = costs.get(choice.page)
    if (
        current is None
        or _pays(current, best)
        and not _waits_for_its_lot(state, choice, (current, best), frame, now)
    ):
        _turn(state, held, choice, best, now)
    if choice.rose(state.links) and choice.may_look(now, AFTER_A_RISE):
        choice.look_at, choice.risen = now, True


def _pays(current: Cost, best: Cost) -> bool:
    gain = current.value - best.value
    noise = math.hypot(current.noise, best.noise) * (
        current.value / current.seconds if current.seconds else 0.0
    )
    return best is not current and gain > max(LEAST_GAIN * current.value, noise)


def _waits_for_its_lot(
    state: State, choice: Choice, pair: tuple[Cost, Cost], frame: Frame, now: float
) -> bool:
    """Whether it is the far side's load, or its rest, that moves this entry, and others with it, and not its turn."""
    current, best = pair
    load = (current.far - current.usual) - (best.far - best.usual)
    crowding = load > 0 and current.value - best.value <= load
    returning = now < choice.crowded and best.option.peer != ""
    if not (crowding or returning):
        return False
    return spread(state.device, frame.request_id) >= 1 / MOVERS


def _turn(state: State, held: EpochState, choice: Choice, best: Cost, now: float) -> None:
    before = choice.costs.get(choice.page) or choice.basis.get(choice.page)
    cause = _cause(state, held, choice, before, best)
    if choice.turn is not None:
        choice.turn.over = True
    state.turned += 1
    choice.turn = Turn(
        state.turned,
        held.key.model,
        held.key.epoch,
        choice.page,
        best.option.name,
        cause,
        before.seconds if before is not None else 0.0,
        best.seconds,
        now,
    )
    state.turns.append(choice.turn)
    load = 0.0 if before is None else before.far - before.usual
    crowded = before is not None and load > LEAST_GAIN * before.seconds and not best.option.peer
    choice.crowded = now + CROWDED * (1 + spread(state.device)) if crowded else 0.0
    choice.turned_to(best.option, now)
    _rest_on(state, choice, now)
    choice.reason = f"turned to {best.option.name} (then {_ms(best.seconds)}): {cause}"


def _rest_on(state: State, choice: Choice, now: float) -> None:
    """Remember what the choice rests on, so that it can be said what has changed when it is another one."""
    choice.basis = choice.costs
    if now > choice.look_at + AFTER_A_RISE:  # else pages that are near each other would make looks frequent
        choice.look_pause = FIRST_LOOK
    choice.look_at = max(now + FIRST_LOOK, min(choice.look_at, now + choice.look_pause))
    choice.rates = {peer: report.up for peer, report in state.links.items()}


def _silent(state: State, held: EpochState, peer: DeviceId) -> str:
    """Say why nothing can be asked of `peer`."""
    if peer not in state.peers_up:
        return f"{peer} is out of reach"
    return f"{peer} opens its blocks again" if peer in held.memory.away else f"{peer} does not answer"


def _cause(state: State, held: EpochState, choice: Choice, before: Cost | None, best: Cost) -> str:
    """Say what changed most since the last turn, of what speaks for the page that is taken now."""
    if before is None or choice.page not in choice.costs:
        peer = next((one.peer for one in choice.options if one.name == choice.page), DeviceId(""))
        silent = _silent(state, held, peer)
        return silent if peer else f"{choice.page} cannot run here now"
    was = choice.basis.get(before.option.name, before), choice.basis.get(best.option.name)
    if was[1] is None:
        return _comes(state, best.option)
    speaks = {
        part: (getattr(before, part) - getattr(was[0], part)) - (getattr(best, part) - getattr(was[1], part))
        for part in ("own", "far", "way")
    }
    part = max(speaks, key=lambda name: speaks[name])
    if speaks[part] <= 0:
        return f"{before.option.name} takes {_ms(before.seconds)} here"
    moved = max(
        (before, was[0]),
        (best, was[1]),
        key=lambda pair: abs(getattr(pair[0], part) - getattr(pair[1], part)),
    )
    return _sentence(state, choice, part, *moved)


def _comes(state: State, option: Option) -> str:
    """Say why a page may be taken now that could not be taken before."""
    if option.peer in state.openers:
        return f"{option.peer} has opened what {option.name} needs"
    return f"{option.peer} is back" if option.peer else f"{option.name} can run here now"


def _sentence(state: State, choice: Choice, part: str, now: Cost, was: Cost) -> str:
    peer = now.option.peer
    if part == "own":
        return f"its part here takes {_ms(now.own)}, it took {_ms(was.own)} ({now.option.name})"
    if part == "far":
        return f"{peer} takes {_ms(now.far)} for its part, it took {_ms(was.far)}"
    link, rate = state.links.get(peer), choice.rates.get(peer, 0.0)
    if link is not None and link.up > 0 and rate > 0 and not 1 / UNUSUAL < link.up / rate < UNUSUAL:
        return f"the link to {peer} moves {_rate(link.up)}, it moved {_rate(rate)}"
    return f"the way to {peer} and back takes {_ms(now.way)}, it took {_ms(was.way)}"


def _rate(bytes_per_second: float) -> str:
    return (
        f"{bytes_per_second / 1e6:.2f} MB/s"
        if bytes_per_second >= 1e5
        else f"{bytes_per_second / 1e3:.1f} kB/s"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


# --- one request that is not like the others ------------------------------------------------------


class Meets(NamedTuple):
    """What one request meets: its own bytes, and the seconds of computing that wait here before it."""

    size: int
    backlog: float
    now: float


def _for_one(
    state: State, held: EpochState, choice: Choice, frame: Frame, now: float
) -> tuple[PageName, str]:
    """Return the page for one request: another one where it meets a queue, or is larger or smaller than usual."""
    found = choice.costs.get(choice.page)
    if found is None:
        return choice.page, choice.reason
    backlog, busy, size = _backlog(state), _queued(state, found.option.peer, now), _bytes(frame)
    if not backlog and not busy and not _is_unusual(turner_of(state, held), choice, size):
        return choice.page, choice.reason
    turner, meets = turner_of(state, held), Meets(size, backlog, now)
    values = {name: _alone(state, turner, cost, meets) for name, cost in choice.costs.items()}
    best = min(values, key=lambda name: values[name])
    if values[best] >= values[choice.page] * (1 - LEAST_GAIN) - found.noise:
        return choice.page, choice.reason
    queue = f"the link to {found.option.peer} is busy" if busy else f"{state.device} is busy"
    why = queue if backlog or busy else f"the input has {size / 1e3:.1f} kB"
    return best, f"taken this once, since {why}: {choice.page} would take {_ms(values[choice.page])} now"


def _backlog(state: State) -> float:
    """Return the seconds that one more run would wait here for those that wait or run already."""
    if not state.works:
        return 0.0
    busy = [work for work in state.works.values() if work.phase in COMPUTING]
    if len(busy) < state.workers:
        return 0.0
    return sum([runs.cost(state, work) for work in busy]) / state.workers


def _queued(state: State, peer: DeviceId, now: float) -> float:
    """Return for how many seconds what was sent before keeps the link to `peer` busy."""
    far = state.far_sides.get(peer) if peer else None
    return far.queued(now) if far is not None else 0.0


def _is_unusual(turner: Turner, choice: Choice, size: int) -> bool:
    for one in choice.options:
        if one.passes:
            usual = turner.sizes.get(one.key, one.up)
            return not usual / UNUSUAL <= size <= usual * UNUSUAL
    return False


def _alone(state: State, turner: Turner, cost: Cost, meets: Meets) -> float:
    """Return what a page costs for one request, with what it would wait for."""
    option = cost.option
    more = _queued(state, option.peer, meets.now)
    if option.passes:
        usual = turner.sizes.get(option.key, option.up)
        more += way_of(state, option, meets.size) - way_of(state, option, usual)
    elif option.key[1] < option.key[2]:
        more += meets.backlog
    return cost.value + turner.book.turning.latency * more


def _bytes(frame: Frame) -> int:
    return sum([len(tensor.payload) for tensor in frame.tensors])
