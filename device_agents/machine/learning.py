"""What an answered request shows of the page that it took, and how turns are told.

Law: pure; only whole answers teach: one that another device gave, or that was asked for twice, tells nothing of
its page.
"""

from __future__ import annotations

from device_agents.machine.events import EpochKey
from device_agents.machine.pages import Option, Turn, Turner
from device_agents.machine.pricing import way_of
from device_agents.machine.state import ACTIVE, State, Work
from lepton_edge.core.messages import TurnReport
from partitioner.units import Seconds

SIZE_WEIGHT = 0.2


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
    return turner.own_of(option).note(
        option.key, option.own, max(0.0, now - work.begun - beyond - waited), now
    )


def _learn_far(state: State, turner: Turner, option: Option, work: Work, now: float) -> bool:
    peer, queue = option.peer, sum([hop.queue for hop in work.hops])
    load = turner.load_of(peer).note(queue, now, option.wait)
    far = turner.pace_of(peer).note(option.key, option.far, max(0.0, work.hops[0].total - queue), now)
    way = turner.way_to(peer).note(peer, way_of(state, option, float(work.bytes_out)), work.network, now)
    known = turner.sizes.get(option.key, option.up)
    turner.sizes[option.key] = known + SIZE_WEIGHT * (work.bytes_out - known)
    return far or way or load


def reports(state: State, now: float) -> tuple[TurnReport, ...]:
    """Return the turns with news since this was asked last."""
    found = []
    for turn in state.turns:
        held = state.epochs.get(EpochKey(turn.model, turn.epoch))
        turn.over = turn.over or held is None or held.state != ACTIVE
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
