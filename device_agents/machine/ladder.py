"""What is done for a request when a far side fails it: the rungs, in reading order.

Law: pure. A rung returns what is to be done, or nothing where it cannot be taken; each is taken once for a request.

    a warm replica            is sent the same frontier; one that is not HEALTHY (`proving`) is no reason to wait
    another page              goes on from here by way of another device
    the rest of the model     runs here, if that is in time
    a declared smaller model  runs here instead; its answer is marked degraded
    the rest of the model     runs here all the same
    a typed error             says what went wrong, and is mostly retryable

A far side that is only late is not called off: what it answers may still win. Its replica is asked at once, and the
rest runs here at once as well.
"""

from __future__ import annotations

from device_agents.machine import answers, asking, patience, proving, runs
from device_agents.machine.commands import Command
from device_agents.machine.failures import as_wire
from device_agents.machine.onward import onward
from device_agents.machine.readiness import is_ready_at
from device_agents.machine.state import EpochState, State, Work
from device_agents.machine.terms import Terms
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import WireError
from partitioner.errors import LeptonError
from partitioner.units import DeviceId

MOST_RUNS = 8


def climb(state: State, work: Work, why: str, now: float, error: WireError | None = None) -> list[Command]:
    """Take the next rung: a far side is gone, or answered `error`. While others are at work, the last is not taken."""
    taken = elsewhere(state, work, why, now)
    if taken or work.asks or work.phase != "remote":
        return taken
    gone = Unavailable(why, "try again; this device does not hold the rest of the model")
    return answers.fail(state, work, error or as_wire(gone, state.device), now)


def elsewhere(state: State, work: Work, why: str, now: float) -> list[Command]:
    """Let somebody else answer; return nothing where nobody can, or this device is at it already."""
    if not asking.is_hedged(work) or work.phase != "remote":
        return []
    work.why = why
    asked = _replica(state, work, now)
    if asked and _is_relied_upon(state, work, work.tried[-1], now):
        return asked
    return asked + (_other_page(state, work, now) or _on_this_device(state, work, now))


def overdue(state: State, work: Work, why: str, now: float) -> list[Command]:
    """Let others answer beside a far side that is late."""
    if not asking.is_hedged(work) or work.phase != "remote":
        return []
    work.why = why
    asked = _replica(state, work, now)
    return asked + (_on_this_device(state, work, now) or _other_page(state, work, now))


def beside(state: State, work: Work, why: str, now: float) -> list[Command]:
    """Let this device begin where it is idle, before a far side is late: what it computes is not missed by anybody."""
    if not state.idle():
        return []
    taken = _in_time(state, work, now)
    work.why = why if taken else work.why
    return taken


def _on_this_device(state: State, work: Work, now: float) -> list[Command]:
    return _in_time(state, work, now) or _smaller(state, work) or _here(state, work)


# --- the rungs ------------------------------------------------------------------------------------


def _replica(state: State, work: Work, now: float) -> list[Command]:
    held = state.epochs[work.epoch]
    healthy_first = sorted(
        held.book.replicas, key=lambda one: not proving.is_healthy(held, one.device, work.page, now)
    )
    for replica in healthy_first:
        if replica.of == work.route.peer and work.sent and _may_ask(state, work, replica.device, now):
            return asking.ask(state, work, replica.device, work.sent, now)
    return []


def _other_page(state: State, work: Work, now: float) -> list[Command]:
    """Go on from the frontier that is here, by a page that leads to another device."""
    if not work.entry or not work.terms.keep or "local" in work.broken or work.run >= MOST_RUNS:
        return []
    held = state.epochs[work.epoch]
    for terms in onward(held.book, held.hold, state.device, work.terms):
        ready = is_ready_at(state, held, terms.route.peer, terms.page, now)
        if ready and _may_ask(state, work, terms.route.peer, now):
            work.first = work.route.first if work.first < 0 else work.first
            work.left, work.terms, work.phase = work.terms, terms, "local"
            work.run += 1
            return [runs.stage(state, work, work.given)]
    return []


def _in_time(state: State, work: Work, now: float) -> list[Command]:
    return _here(state, work) if patience.suffices(state, work, now) else []


def _smaller(state: State, work: Work) -> list[Command]:
    found = _smaller_model(state, work) if work.original and "smaller" not in work.broken else None
    if found is None:
        return []
    held, terms = found
    work.phase, work.smaller = "smaller", held.key
    work.run += 1
    return [runs.whole(state, work, held.key, terms)]


def _here(state: State, work: Work) -> list[Command]:
    held = state.epochs[work.epoch]
    rest_is_here = held.holds(work.route.last, len(held.book.blocks))
    if not work.entry or not rest_is_here or "fallback" in work.broken:
        return []
    work.phase = "fallback"
    work.run += 1
    return [runs.rest(state, work)]


# --- what they need -------------------------------------------------------------------------------


def _may_ask(state: State, work: Work, peer: DeviceId, now: float) -> bool:
    return peer not in work.tried and state.reachable(peer, now)


def _is_relied_upon(state: State, work: Work, replica: DeviceId, now: float) -> bool:
    """Whether a replica that was asked is waited for alone: it is alive, as far as can be known."""
    healthy = proving.is_healthy(state.epochs[work.epoch], replica, work.page, now)
    return healthy and not state.far_side(replica).suspected


def _smaller_model(state: State, work: Work) -> tuple[EpochState, Terms] | None:
    """Return the smaller model as it is active here, and how it takes what the caller gave."""
    held = state.active_epoch(state.epochs[work.epoch].book.smaller)
    if held is None:
        return None
    asked = work.asked.but(model=held.key.model, page="", tensors=work.original)
    try:
        return held, held.terms.entry(state.device, asked, alone=True)
    except LeptonError:  # it takes other inputs, or makes other outputs: it is no smaller one of these
        return None
