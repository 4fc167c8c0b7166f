"""One event in, the commands that follow out.

Law: pure; the table below is the whole of an agent's behaviour at a glance.
"""

from __future__ import annotations

from device_agents.machine import (
    admission,
    asking,
    epochs,
    links,
    pieces,
    proving,
    readiness,
    requests,
    selftest,
)
from device_agents.machine.commands import Command, Measure, Say
from device_agents.machine.events import (
    CancelArrived,
    Closing,
    CoordinatorSaid,
    EpochOpened,
    EpochRefused,
    Event,
    LinkClosed,
    LinksSeen,
    Measured,
    PeerDown,
    PeerUp,
    PiecesOpened,
    ReadyTold,
    RequestArrived,
    Restored,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
)
from device_agents.machine.failures import as_wire
from device_agents.machine.state import State
from lepton_edge.core.errors import Overloaded
from lepton_edge.core.messages import (
    Activate,
    Drain,
    GaugeCommand,
    Outcome,
    Prepare,
    ProbeCommand,
    ProfileCommand,
    Retire,
    Welcome,
)

MEASUREMENTS_AT_ONCE = 8


def step(state: State, event: Event, now: float) -> list[Command]:
    """Apply `event` at `now` (seconds of any monotonic clock) and return what is to be done, in order."""
    commands = _taken(state, event, now)
    return commands + requests.follow(state, now) if state.following else commands


def _taken(state: State, event: Event, now: float) -> list[Command]:
    match event:
        case RequestArrived():
            return admission.request_arrived(state, event, now)
        case SegmentDone() if event.work in state.tests:
            return selftest.ended(state, event, now)
        case SegmentDone():
            return requests.segment_done(state, event, now)
        case StageReplied():
            return requests.stage_replied(state, event, now)
        case TimerFired():
            return requests.timer_fired(state, event, now)
        case CoordinatorSaid():
            return _coordinator_said(state, event, now)
        case _:
            return _seldom(state, event, now)


def _seldom(state: State, event: Event, now: float) -> list[Command]:
    match event:
        case SegmentFailed() if event.work in state.tests:
            return selftest.ended(state, event, now)
        case SegmentFailed():
            return requests.segment_failed(state, event, now)
        case StageLost():
            return requests.stage_lost(state, event, now)
        case CancelArrived():
            readiness.gone(state, event.link, event.request_id)
            return requests.cancelled(state, event, now)
        case LinkClosed():
            readiness.gone(state, event.link)
            return requests.link_closed(state, event.link, now)
        case PiecesOpened():
            return pieces.opened(state, event, now)
        case LinksSeen():
            asking.links_move(state, event.reports, now)
            links.note(state, event.reports)
            return []
        case ReadyTold():
            proving.told(state, event, now)
            return readiness.told(state, event, now)
        case _:
            return _around(state, event, now)


def _around(state: State, event: Event, now: float) -> list[Command]:
    match event:
        case PeerUp():
            state.peers_up.add(event.device)
            state.far_side(event.device).clear()
            readiness.met(state, event.device, event.opens_later)
            proving.met(state, event.device)
        case PeerDown():
            state.peers_up.discard(event.device)
            state.openers.discard(event.device)  # its next link tells it anew
            state.far_side(event.device).clear()
        case EpochOpened():
            return epochs.opened(state, event)
        case EpochRefused():
            return epochs.refused(state, event)
        case Restored():
            return epochs.restored(state, event, now)
        case Closing():
            state.closing = True
        case Measured():
            state.measuring -= 1
            return [Say(event.answer)]
    return []


def _coordinator_said(state: State, event: CoordinatorSaid, now: float) -> list[Command]:
    match event.message:
        case Prepare() as said:
            return epochs.prepare(state, said, now)
        case Activate() as said:
            return epochs.activate(state, said)
        case Drain() as said:
            return epochs.drain(state, said)
        case Retire() as said:
            return epochs.retire(state, said)
        case Welcome() as said:
            _obey(state, said)
            return []
        case said:
            return _measure(state, said)


def _obey(state: State, said: Welcome) -> None:
    before, state.leader = state.leader, said.leader.identity if said.leader else ""
    if before != state.leader:  # where a model went by another's word is nothing to go by
        state.moved.clear()


def _measure(state: State, said: ProfileCommand | ProbeCommand | GaugeCommand) -> list[Command]:
    if state.measuring >= MEASUREMENTS_AT_ONCE:
        full = as_wire(Overloaded(f"{state.device} is measuring already"), state.device)
        return [Say(Outcome(said.command, full))]
    state.measuring += 1
    return [Measure(said)]
