"""What is asked of other devices for a request, and what becomes of it.

Law: pure. A device is asked once for a request. Each ask is another attempt at the same work, so that two far sides
that meet at a third one are told apart. The first right answer wins, whenever it comes; the others are called off.
"""

from __future__ import annotations

from dataclasses import replace

from device_agents.machine import patience, proving
from device_agents.machine.commands import CancelStage, Command, SendStage, SetTimer
from device_agents.machine.events import WorkKey
from device_agents.machine.links import HEADERS
from device_agents.machine.state import Ask, State, Work
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.core.messages import LinkReport
from partitioner.units import DeviceId, Seconds

SHORTEST_WAIT = Seconds(0.02)  # a timer for less would only fire again
CALLERS_BITS = 8
"""Of an attempt's number; those above count the far sides that were tried."""


def ask(
    state: State, work: Work, peer: DeviceId, tensors: tuple[WireTensor, ...], now: float
) -> list[Command]:
    """Send the frontier to `peer`, and set the timer that tells when it is late."""
    far = state.far_side(peer)
    work.bytes_out = sum([len(tensor.payload) for tensor in tensors])
    full, early = patience.patience(state, work, peer, now), patience.early(state, work, peer, now)
    most = patience.hedge(state, work, full, now)
    frame = _stage_frame(state, work, tensors, now)
    if far.suspected:
        work.trial = True
        far.try_with(work.key, patience.page_key(work), patience.trial(state, work, peer, now), now)
    far.send(work.bytes_out, patience.rate(state, work, peer), now)
    work.asks[peer] = Ask(peer, now, work.terms, work.outputs, full, now + most)
    work.tried += (peer,)
    work.timer = "patience" if len(work.tried) == 1 else f"patience of {peer}"
    sent = SendStage(work.key, peer, frame)
    if not is_hedged(work):
        return [sent]
    return [sent, SetTimer(work.key, work.timer, most if work.sent else min(early, most))]


def wait_on(state: State, work: Work, peer: DeviceId, now: float) -> list[Command]:
    """Wait longer for one that answers others meanwhile: it is busy, and its queue is no secret."""
    asked, far = work.asks[peer], state.far_side(peer)
    if far.heard_at < asked.at or not asked.is_late(now):
        return []
    full = patience.busy(state, work, peer, now)
    more = patience.hedge(state, work, Seconds(full - (now - asked.at)), now)
    if more < SHORTEST_WAIT:
        return []
    work.asks[peer] = replace(asked, patience=full, begin_by=now + more)
    return [SetTimer(work.key, work.timer, more)]


def slowly(state: State, work: Work, peer: DeviceId, now: float) -> list[Command] | None:
    """Wait longer for one whose link still carries what it was asked, only slower than it was: it is not gone.

    Others answer beside it. None where the link shows no such thing.
    """
    more = patience.on_its_way(state, work, peer, now)
    if not more:
        return None
    work.asks[peer] = replace(work.asks[peer], patience=Seconds(now + more - work.asks[peer].at))
    return watch(work, now + more, now) if work.tried[-1] == peer else []


def watch(work: Work, until: float, now: float) -> list[Command]:
    """Look again at `until`."""
    return [SetTimer(work.key, work.timer, Seconds(until - now))]


def is_hedged(work: Work) -> bool:
    """Whether somebody else may answer too: what changes a state has one winner, and that is waited for."""
    return work.asked.state_position < 0


def asked_of(work: Work, peer: DeviceId) -> DeviceId:
    """Return which far side an event speaks of; "" where nothing is asked of it any more."""
    named = peer or (work.tried[-1] if work.tried else peer)
    return named if named in work.asks else DeviceId("")


def ended(state: State, work: Work, peer: DeviceId) -> Ask:
    """Take note that `peer` is at work for us no longer; return what it was asked for."""
    state.far_side(peer).asked -= 1
    return work.asks.pop(peer)


def right(state: State, work: Work, asked: Ask, now: float) -> None:
    """Take note of how long a right answer took."""
    way = patience.way(state, work, asked.peer)
    state.far_side(asked.peer).note((work.epoch, asked.terms.page), now - asked.at, now, way)
    proving.answered(state.epochs[work.epoch], asked.peer, asked.terms.page, now)


def trial_ended(state: State, work: WorkKey, peer: DeviceId, answered: bool, now: float) -> list[Command]:
    """Take note of what became of a trial whose own work was answered meanwhile."""
    far = state.far_sides.get(peer)
    trial = far.trials.pop(work, None) if far is not None else None
    if far is None or trial is None or not answered:
        return []
    idle = heard(state, peer, now)
    far.note(trial.page, now - trial.at, now)
    return idle


def heard(state: State, peer: DeviceId, now: float) -> list[Command]:
    """It is alive: call off the trials that nobody needs any more, which keep it busy."""
    far = state.far_side(peer)
    idle = [work for work in far.trials if work not in state.works]
    far.hear(now)
    return [CancelStage(work, peer, Frame(FrameKind.CANCEL, work.request_id)) for work in idle]


def links_move(state: State, reports: tuple[LinkReport, ...], now: float) -> None:
    """Take note of what links move, and of suspected far sides that acknowledge what is under way to them.

    They may be tried again at once; those who were waited for while the link was only slow are suspected no longer.
    """
    for report in reports:
        far, before = state.far_sides.get(report.peer), state.links.get(report.peer)
        if far is None:
            continue
        seen = now - report.age if report.samples else far.moved_at
        if report.up > 0:
            far.moves(report.up / HEADERS, report.under_way, seen, now)
        if before is not None and report.under_way < before.under_way:
            far.acknowledges(before.under_way, seen, now)


def call_off(state: State, work: Work, heeded: DeviceId, now: float) -> list[Command]:
    """Tell all far sides that may still work for us, but for the one that is `heeded`."""
    told: list[Command] = []
    for place, peer in enumerate(work.tried):
        if peer not in work.asks:
            continue
        _note_in_vain(state, work, peer, now)
        ended(state, work, peer)
        if peer != heeded:
            state.far_side(peer).try_no_more_with(work.key, now)
            told.append(CancelStage(work.key, peer, _cancel_frame(work, place)))
    return told


def heeded(state: State, work: Work) -> DeviceId:
    """Return the far side that is on trial by `work` and has not answered: its end tells whether it is back."""
    return next((peer for peer in work.asks if work.key in state.far_side(peer).trials), DeviceId(""))


def _note_in_vain(state: State, work: Work, peer: DeviceId, now: float) -> None:
    """Of one that is alive, but was too late for an answer from here, it is known that it takes longer than that."""
    asked, far = work.asks[peer], state.far_side(peer)
    if work.phase in ("fallback", "smaller") and not far.suspected:
        page = (work.epoch, asked.terms.page)
        way = patience.way(state, work, peer)
        silence = max(asked.patience, patience.by_now(state, peer, page, now, way))
        far.gave_up(page, now - asked.at, silence, now, way)


def _cancel_frame(work: Work, place: int) -> Frame:
    return Frame(
        FrameKind.CANCEL,
        work.asked.request_id,
        model=work.epoch.model,
        epoch=work.epoch.epoch,
        attempt=_attempt(work, place),
    )


def _stage_frame(state: State, work: Work, tensors: tuple[WireTensor, ...], now: float) -> Frame:
    asked = work.asked
    bounded = asked.remaining_ms > 0
    return Frame(
        FrameKind.REQUEST,
        asked.request_id,
        model=work.epoch.model,
        epoch=work.epoch.epoch,
        page=work.page,
        first_block=work.route.last,
        step=asked.step,
        attempt=_attempt(work, len(work.tried)),
        priority=asked.priority,
        remaining_ms=max(1, round((work.deadline - now) * 1e3)) if bounded else 0,
        state_position=asked.state_position,
        tensors=tensors,
        traceparent=asked.traceparent,
        metadata=asked.metadata,
        outputs=work.terms.beyond,
        flow=f"{state.device}/{work.flow}" if work.entry else work.flow,
    )


def _attempt(work: Work, place: int) -> int:
    return work.asked.attempt + (place << CALLERS_BITS)
