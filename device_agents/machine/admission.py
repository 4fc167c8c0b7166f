"""Which requests are accepted, and on what terms.

Law: pure. Refused is not accepted: a refusal costs one error frame and leaves no trace. A client leaves the
epoch open (0) and gets the active one; a stage before this one names its epoch, page and first block. Only an entry
lets requests wait by the policy of their model: what a later stage gets has been let in already.
"""

from __future__ import annotations

from device_agents.machine import canary, moved, pieces, readiness, requests, stages, turning
from device_agents.machine.commands import Command, Refuse, Resend
from device_agents.machine.events import EpochKey, RequestArrived, WorkKey
from device_agents.machine.failures import as_wire, error_frame
from device_agents.machine.nan import refuse_nan
from device_agents.machine.pricing import turner_of
from device_agents.machine.replicas import frontier_size, has_stand_in
from device_agents.machine.room import Share
from device_agents.machine.state import DRAINING, EpochState, State, Work
from device_agents.machine.terms import Terms
from lepton_edge.core.errors import (
    DeadlineExceeded,
    Overloaded,
    Unavailable,
    UnknownModel,
)
from lepton_edge.core.frames import Frame, WireTensor
from lepton_edge.core.metadata import check_metadata
from partitioner.errors import LeptonError
from partitioner.units import Bytes, DeviceId, Epoch, ModelName


def request_arrived(state: State, event: RequestArrived, now: float) -> list[Command]:
    """Accept a request and start it, refuse it, or recognise a duplicate."""
    key = work_key(event.frame)
    if readiness.is_question(event.frame):
        return readiness.asked(state, event, now)
    if key in state.works:
        state.works[key].link = event.link  # the caller asks again on a new link: answer there
        return []
    if key in state.answers:
        return [Resend(event.link, state.answers[key])]
    try:
        _check_open(state, event.frame)
        work, tensors = _accept(state, event, key, now)
        outdated = _outdated(state, work)
        _check_room(state, work, outdated)
        _check_time(state, work, now)
    except LeptonError as error:
        opened = readiness.refused(state, event.frame, error, now)
        told = as_wire(readiness.coming(state) if opened else error, state.device)
        return [Refuse(event.link, error_frame(event.frame, told, state.device)), *opened]
    replaced = [] if outdated is None else requests.supersede(state, outdated.key, now)
    run, held = (work.route.first, work.route.last), state.epochs[work.epoch]
    if work.route.peer:
        readiness.taken(state, held, work.route.peer, work.page, now)
    return [*replaced, *requests.begin(state, work, tensors, now), *pieces.followed(state, held, run, now)]


def work_key(frame: Frame) -> WorkKey:
    """Return what makes a frame the same work as another."""
    return WorkKey(frame.request_id, frame.step, frame.attempt, frame.epoch, frame.page, frame.first_block)


def has_part(state: State, device: DeviceId, model: ModelName, epoch: Epoch) -> bool:
    """Whether `device` may ask for a stage of this epoch: it is named there. One that is not here tells itself."""
    held = state.epochs.get(EpochKey(model, epoch))
    return held is None or held.is_shared_with(device)


def _check_open(state: State, frame: Frame) -> None:
    if state.closing:
        raise Unavailable(f"{state.device} is shutting down", "ask another agent, or try again")
    if frame.remaining_ms < 0:
        raise DeadlineExceeded("the deadline was past when the request arrived", "allow more time")


def _outdated(state: State, work: Work) -> Work | None:
    """Return the work whose place in its line `work` takes.

    Raises Overloaded where the line is full and nothing gives way.
    """
    rule = work.terms.line
    if work.line is None or rule is None or not state.lines.is_full(work.line, rule):
        return None
    first = state.lines.first(work.line)
    if rule.newest and first is not None:
        return state.works[first]
    full = Overloaded(
        f"as many of your requests for {work.epoch.model} as may wait do so already ({rule.limit})",
        "send the next one when an answer has come, or after the time to wait",
    )
    full.retry_after = state.room.turn()
    raise full


def _check_room(state: State, work: Work, outdated: Work | None) -> None:
    freed = Share() if outdated is None else Share(1, outdated.size)
    why = state.room.refusal(work.flow, work.size, freed)
    if why:
        full = Overloaded(
            f"{state.device} has {why}", "try again after the time to wait, or ask another agent"
        )
        full.retry_after = state.room.wait(work.flow)
        raise full


def _check_time(state: State, work: Work, now: float) -> None:
    """Refuse what cannot be answered in time: the quickest of the last requests took longer."""
    if not work.asked.remaining_ms:
        return
    least = stages.quickest(state.stages, (work.epoch, work.page, work.route.first, work.route.last), now)
    if work.deadline - now < least:
        raise DeadlineExceeded(
            f"{(work.deadline - now) * 1e3:.0f} ms are left, and {state.device} alone needs {least * 1e3:.0f} ms",
            "allow more time",
        )


def _accept(
    state: State, event: RequestArrived, key: WorkKey, now: float
) -> tuple[Work, tuple[WireTensor, ...]]:
    frame = event.frame
    check_metadata(frame.metadata)
    entry = frame.epoch == 0
    held = _entry_epoch(state, frame) if entry else state.epoch(EpochKey(frame.model, frame.epoch))
    terms, why = (
        _entry_terms(state, held, frame, now) if entry else (held.terms.stage(state.device, frame), "")
    )
    tensors = terms.tensors(frame)
    if entry:
        refuse_nan(tensors)
    lifetime = frame.remaining_ms / 1e3 if frame.remaining_ms else requests.LIFETIME
    work = Work(
        key,
        event.link,
        frame.carrying(()),
        held.key,
        entry,
        terms,
        arrived=now,
        deadline=now + lifetime,
        reason=why,
        flow=event.flow,
        size=_size(held, frame, terms),
        line=(event.flow, held.key.model) if terms.line else None,
        original=frame.tensors if _may_be_smaller(held, frame, terms) else (),
    )
    return work, tensors


def _may_be_smaller(held: EpochState, frame: Frame, terms: Terms) -> bool:
    """Whether the input is kept for a smaller model, whose answer the caller would take."""
    return bool(held.book.smaller) and frame.degraded and frame.epoch == 0 and bool(terms.route.peer)


def _size(held: EpochState, frame: Frame, terms: Terms) -> int:
    """Return the bytes that a request takes: what came, or what is kept of it where that is more, or both."""
    came, kept, to = sum([len(tensor.payload) for tensor in frame.tensors]), terms.kept, terms.route
    if to.peer and held.book.replicas and has_stand_in(held.book, to.peer):
        kept = Bytes(kept + frontier_size(held.book, to.last))
    return came + kept if _may_be_smaller(held, frame, terms) else max(came, kept)


def _entry_terms(state: State, held: EpochState, frame: Frame, now: float) -> tuple[Terms, str]:
    """Return a request's terms, and why its page was taken where the book does not say it."""
    turner = turner_of(state, held)
    terms = held.terms.entry(state.device, frame, page=turner.page)
    if frame.page or not turner.turns:
        return _within_reach(state, held, frame, terms), ""
    page, why = turning.choose(state, held, frame, terms, now)
    if page != terms.page:
        terms = held.terms.entry(state.device, frame, page=page)
    return _within_reach(state, held, frame, terms), why


def _within_reach(state: State, held: EpochState, frame: Frame, terms: Terms) -> Terms:
    if terms.outside and terms.route.peer and terms.route.peer not in state.peers_up:
        return held.terms.entry(state.device, frame, alone=True)  # all of it here if possible
    return terms


def _entry_epoch(state: State, frame: Frame) -> EpochState:
    held = canary.chosen(state, frame) or state.active_epoch(frame.model)
    if held is not None:
        return held
    moved.refuse(state, frame.model)
    if any(other.key.model == frame.model and other.state == DRAINING for other in state.epochs.values()):
        raise Unavailable(f"{frame.model} is being taken away from {state.device}", "ask another agent")
    if any(other.key.model == frame.model and other.activate_when_open for other in state.epochs.values()):
        raise Unavailable(f"{frame.model} is being opened again on {state.device}", "try again in a moment")
    known = sorted(state.active) or "none"
    raise UnknownModel(
        f"{state.device} serves no model {frame.model!r}",
        f"active here: {known}; deploy it, or check the name",
    )
