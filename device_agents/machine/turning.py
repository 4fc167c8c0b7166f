"""The page turn: which page of its book an entry takes, request by request, by what it knows now.

Law: pure, and cheap: a request that finds nothing new costs a look-up. A page costs its seconds here, beyond, and on
the way between, each predicted, and corrected by what requests of late took. It is left for one that is cheaper
by more than what may be noise; where only the queue of this device speaks against it, for that one request alone.
Many entries share a far side: when it is its load that makes them leave (or its rest that brings them back), each
goes by lot, drawn from the name of the device and of the request, so that they do not all move at once.
"""

from __future__ import annotations

import math

from device_agents.machine.links import FRESH, HEADERS
from device_agents.machine.pages import Choice, Cost, Option, Turn, Turner, spread
from device_agents.machine.state import EpochState, State, Work
from device_agents.machine.terms import Terms
from lepton_edge.core.frames import Frame
from lepton_edge.core.messages import TurnReport
from partitioner.plan import TurnRule
from partitioner.units import DeviceId, PageName, Seconds

LEAST_GAIN = 0.03
"""A page that is cheaper by less is none to turn to."""
LOOK_EVERY = Seconds(0.25)
"""What is known fades: without news, pages are compared anew after this."""
MOVERS = 4
"""Of entries that a far side's load moves, one in so many goes with each of its requests."""
SIZE_WEIGHT = 0.2
LEAST_LOAD = Seconds(1e-3)
"""A far side's queue that changed by less is no news."""
UNUSUAL = 1.25
"""A request of other bytes than usual, by this factor, is costed by its own."""


def choose(state: State, held: EpochState, frame: Frame, terms: Terms, now: float) -> tuple[PageName, str]:
    """Return the page that a request takes, and why, "" where the book's own reason stands.

    `terms` are those of the request on any page that begins here. It is the active page where nothing turns or
    nothing can be told, and always one of `book.turning.pages` else.
    """
    turner = turner_of(state, held)
    choice = turner.choice(terms.route.first, terms.wanted)
    reach = [_reachable(state, peer) for peer in choice.peers]
    fresh = choice.links is state.links and now < choice.until and choice.reach == reach
    if turner.stale or not fresh:
        choice.reach = reach
        _reconsider(state, held, choice, frame, now)
    turner.page = choice.page
    if not all(reach) and (trial := _trial(state, choice, now)):
        return trial.name, f"taken this once, to see whether {trial.peer} is back"
    return _for_one(state, held, choice, frame, now)


def _trial(state: State, choice: Choice, now: float) -> Option | None:
    """Return a page by which a request finds out whether a suspected far side is back, where that is due."""
    for peer in choice.peers:
        far = state.far_sides.get(peer)
        if peer in state.peers_up and far is not None and far.suspected and far.may_try(now):
            pages = [one for one in choice.options if one.peer == peer]
            return min(pages, key=lambda one: one.prediction.latency)
    return None


def turner_of(state: State, held: EpochState) -> Turner:
    """Return what the entry of an epoch knows of its pages."""
    if held.turner is None:
        held.turner = Turner(held.book, state.device)
    return held.turner


# --- what a page costs ----------------------------------------------------------------------------


def _costs(state: State, held: EpochState, choice: Choice, now: float) -> dict[PageName, Cost]:
    """Return what every page costs that could be taken now; those within the limits, if any is.

    A page whose blocks are not all here, and that would be cheapest, is wanted (see `pieces`).
    """
    turner = turner_of(state, held)
    options = [one for one in choice.options if not one.peer or _reachable(state, one.peer)]
    found = {one.name: _cost(state, turner, one, now) for one in options}
    within = {name: cost for name, cost in found.items() if cost.within} or found
    here = {name: cost for name, cost in within.items() if held.holds(*cost.option.key[1:])}
    turner.wanted = None
    if within and len(here) < len(within):
        best = min(within.values(), key=lambda cost: cost.value)
        turner.wanted = None if best.option.name in here else best.option.key[1:]
    return here


def _cost(state: State, turner: Turner, option: Option, now: float) -> Cost:
    own = turner.own.seconds(option.key, option.own, now)
    noise = own * turner.own.scatter(option.key)
    if not option.peer:
        return _priced(turner, option, own, (0.0, 0.0), 0.0, noise / 3)
    pace = turner.pace_of(option.peer)
    far = pace.seconds(option.key, option.far, now)
    usual = far / pace.now(now)
    noise = math.hypot(noise, far * pace.scatter(option.key))
    far += turner.load_of(option.peer).now(now)
    way = _way(state, turner, option, turner.sizes.get(option.key, option.up), now)
    return _priced(turner, option, own, (far, usual), way, noise / 3)


def _way(state: State, turner: Turner, option: Option, up: float, now: float) -> float:
    """Return the seconds of `up` bytes there and the answer's back, on the link as it is now."""
    plain = way_of(state, option, up)
    return turner.way_to(option.peer).seconds(option.peer, plain, now)


def way_of(state: State, option: Option, up: float) -> float:
    """Return what the link's own figures make of `up` bytes and the answer's; the plan's where nothing is known."""
    link = state.links.get(option.peer)
    if link is None or not option.direct or not link.connected or link.up <= 0 or link.age > FRESH:
        return option.way
    there = link.round_trip + up * HEADERS / link.up
    back = option.down * HEADERS / link.down if link.down > 0 else max(0.0, option.back - link.round_trip / 2)
    return there + back


def _priced(
    turner: Turner, option: Option, own: float, far: tuple[float, float], way: float, noise: float
) -> Cost:
    rule, ahead = turner.book.turning, option.prediction
    seconds = own + far[0] + way
    bytes_ = ahead.bytes_up + ahead.bytes_down
    energy = ahead.energy * (own / option.own if option.own > 0 else 1.0)
    busiest = max(own, far[0], way)
    value = rule.latency * seconds + rule.bottleneck * busiest + rule.energy * energy + rule.egress * bytes_
    within = _within(rule, seconds, energy, bytes_)
    return Cost(option, own, far[0], way, far[1], noise, value, within)


def _within(rule: TurnRule, seconds: float, energy: float, bytes_: int) -> bool:
    limits = ((rule.max_latency, seconds), (rule.max_energy, energy), (rule.max_egress, bytes_))
    return all(limit < 0 or amount <= limit for limit, amount in limits)


def _reachable(state: State, peer: DeviceId) -> bool:
    far = state.far_sides.get(peer)
    return peer in state.peers_up and not (far is not None and far.suspected)


# --- turning --------------------------------------------------------------------------------------


def _reconsider(state: State, held: EpochState, choice: Choice, frame: Frame, now: float) -> None:
    """Compare the pages, and turn where that pays."""
    turner = turner_of(state, held)
    turner.see(state.links)
    costs = _costs(state, held, choice, now)
    choice.costs, choice.links, choice.until, turner.stale = costs, state.links, now + LOOK_EVERY, False
    if not costs:
        choice.page, choice.reason = held.book.active, ""
        return
    if not choice.basis:
        _rest_on(state, choice)
    best = min(costs.values(), key=lambda cost: cost.value)
    current = costs.get(choice.page)
    if (
        current is None
        or _pays(current, best)
        and not _waits_for_its_lot(state, choice, (current, best), frame)
    ):
        _turn(state, held, choice, best, now)


def _pays(current: Cost, best: Cost) -> bool:
    gain = current.value - best.value
    noise = math.hypot(current.noise, best.noise) * (
        current.value / current.seconds if current.seconds else 0.0
    )
    return best is not current and gain > max(LEAST_GAIN * current.value, noise)


def _waits_for_its_lot(state: State, choice: Choice, pair: tuple[Cost, Cost], frame: Frame) -> bool:
    """Whether it is the far side's load, or its rest, that moves this entry, and others with it, and not its turn."""
    current, best = pair
    load = (current.far - current.usual) - (best.far - best.usual)
    crowding = load > 0 and current.value - best.value <= load
    returning = choice.crowded and best.option.peer != ""
    if not (crowding or returning):
        return False
    return spread(state.device, frame.request_id) >= 1 / MOVERS


def _turn(state: State, held: EpochState, choice: Choice, best: Cost, now: float) -> None:
    before = choice.costs.get(choice.page) or choice.basis.get(choice.page)
    cause = _cause(state, choice, before, best)
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
    choice.crowded = before is not None and load > LEAST_GAIN * before.seconds and not best.option.peer
    choice.page = best.option.name
    _rest_on(state, choice)
    choice.reason = f"turned to {best.option.name}, now {_ms(best.seconds)}: {cause}"


def _rest_on(state: State, choice: Choice) -> None:
    """Remember what the choice rests on, so that it can be said what has changed when it is another one."""
    choice.basis = choice.costs
    choice.rates = {peer: report.up for peer, report in state.links.items()}


def _cause(state: State, choice: Choice, before: Cost | None, best: Cost) -> str:
    """Say what changed most since the last turn, of what speaks for the page that is taken now."""
    if before is None or choice.page not in choice.costs:
        peer = next((one.peer for one in choice.options if one.name == choice.page), "")
        return f"{peer} is out of reach" if peer else f"{choice.page} cannot run here now"
    was = choice.basis.get(before.option.name, before), choice.basis.get(best.option.name)
    if was[1] is None:
        return f"{best.option.peer} is back" if best.option.peer else f"{best.option.name} can run here now"
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


def _sentence(state: State, choice: Choice, part: str, now: Cost, was: Cost) -> str:
    peer = now.option.peer
    if part == "own":
        return f"its part here takes {_ms(now.own)}, it took {_ms(was.own)} ({now.option.name})"
    if part == "far":
        return f"{peer} takes {_ms(now.far)} for its part, it took {_ms(was.far)}"
    link, rate = state.links.get(peer), choice.rates.get(peer, 0.0)
    if link is not None and link.up > 0 and rate > 0 and not 1 / UNUSUAL < link.up / rate < UNUSUAL:
        return f"the link to {peer} moves {link.up / 1e6:.2f} MB/s, it moved {rate / 1e6:.2f}"
    return f"the way to {peer} and back takes {_ms(now.way)}, it took {_ms(was.way)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


# --- one request that is not like the others ------------------------------------------------------


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
    values = {name: _alone(state, held, cost, size, backlog, now) for name, cost in choice.costs.items()}
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
    busy = [work for work in state.works.values() if work.phase in ("local", "fallback")]
    if len(busy) < state.workers:
        return 0.0
    costs = [state.epochs[work.epoch].cost(work.route.first, work.route.last) for work in busy]
    return sum(costs) / state.workers


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


def _alone(state: State, held: EpochState, cost: Cost, size: int, backlog: float, now: float) -> float:
    """Return what a page costs for one request of `size` bytes, with what it would wait for."""
    option, turner = cost.option, turner_of(state, held)
    more = _queued(state, option.peer, now)
    if option.passes:
        usual = turner.sizes.get(option.key, option.up)
        more += way_of(state, option, size) - way_of(state, option, usual)
    elif option.key[1] < option.key[2]:
        more += backlog
    return cost.value + turner.book.turning.latency * more


def _bytes(frame: Frame) -> int:
    return sum([len(tensor.payload) for tensor in frame.tensors])


# --- what requests show ---------------------------------------------------------------------------


def learn(state: State, work: Work, now: float) -> None:
    """Take what an answered request shows of its page: seconds here, beyond, on the way; bytes."""
    turner = state.epochs[work.epoch].turner
    choice = turner.choices.get((work.route.first, work.wanted)) if turner is not None else None
    if turner is None or choice is None or work.phase not in ("local", "remote") or len(work.tried) > 1:
        return
    option = next((one for one in choice.options if one.name == work.page), None)
    if option is None:
        return
    turner.stale |= _learn_own(turner, option, work, now)
    if work.hops and option.peer:
        turner.stale |= _learn_far(state, turner, option, work, now)
    turn = choice.turn
    if turn is not None and turn.after == work.page and not work.asked.page:
        turn.total += now - work.begun
        turn.requests += 1


def _learn_own(turner: Turner, option: Option, work: Work, now: float) -> bool:
    """Of all the seconds since it began, those that neither the far side nor the way nor a queue took."""
    beyond = work.network + (work.hops[0].total if work.hops else 0.0)
    waited = max(0.0, work.timing.queue - (work.begun - work.arrived))
    return turner.own.note(option.key, option.own, max(0.0, now - work.begun - beyond - waited), now)


def _learn_far(state: State, turner: Turner, option: Option, work: Work, now: float) -> bool:
    peer, queue = option.peer, sum([hop.queue for hop in work.hops])
    load, waited = turner.load_of(peer), turner.load_of(peer).now(now)
    load.note(queue, now)
    far = turner.pace_of(peer).note(option.key, option.far, max(0.0, work.hops[0].total - queue), now)
    way = turner.way_to(peer).note(peer, way_of(state, option, float(work.bytes_out)), work.network, now)
    known = turner.sizes.get(option.key, option.up)
    turner.sizes[option.key] = known + SIZE_WEIGHT * (work.bytes_out - known)
    return far or way or abs(load.value - waited) > LEAST_LOAD


def reports(state: State, now: float) -> tuple[TurnReport, ...]:
    """Return the turns with news since this was asked last."""
    found = []
    for turn in state.turns:
        said = turn.requests + turn.over
        if said != turn.told:
            turn.told = said
            found.append(_report(turn, now))
    return tuple(found)


def _report(turn: Turn, now: float) -> TurnReport:
    return TurnReport(
        turn.serial,
        turn.model,
        turn.epoch,
        turn.before,
        turn.after,
        turn.cause,
        Seconds(turn.predicted_before),
        Seconds(turn.predicted_after),
        Seconds(turn.total / turn.requests if turn.requests else 0.0),
        turn.requests,
        turn.over,
        Seconds(now - turn.at),
    )


def page_now(held: EpochState) -> PageName:
    """Return the page that requests took last by the entry's choice."""
    choices = held.turner.choices if held.turner is not None else {}
    last = next(reversed(choices.values()), None)
    return held.book.active if last is None else last.page
