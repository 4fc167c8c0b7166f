"""Which requests are accepted, and on what terms.

Law: pure. Refused is not accepted: a refusal costs one error frame and leaves no trace. A client leaves the
epoch open (0) and gets the active one; a stage before this one names its epoch, page and first block.
"""

from __future__ import annotations

from dataclasses import replace

from device_agents.machine import requests
from device_agents.machine.commands import Command, Refuse, Resend
from device_agents.machine.door import Entrance, check_stage, enter
from device_agents.machine.events import EpochKey, RequestArrived, WorkKey
from device_agents.machine.failures import as_wire, error_frame
from device_agents.machine.nan import refuse_nan
from device_agents.machine.route import Route, entry_page, made_in, route, shortened, wanted_outputs
from device_agents.machine.state import DRAINING, EpochState, State, Work
from lepton_edge.core.errors import (
    CorruptFrame,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    Unavailable,
    UnknownModel,
    UnknownPage,
)
from lepton_edge.core.frames import Frame
from lepton_edge.core.metadata import check_metadata
from partitioner.errors import LeptonError
from partitioner.plan import Page, PlanBook
from partitioner.units import PageName, TensorName


def request_arrived(state: State, event: RequestArrived, now: float) -> list[Command]:
    """Accept a request and start it, refuse it, or recognise a duplicate."""
    key = work_key(event.frame)
    if key in state.works:
        state.works[key].link = event.link  # the caller asks again on a new link: answer there
        return []
    if key in state.answers:
        return [Resend(event.link, state.answers[key])]
    try:
        _check_room(state, event.frame)
        work, frame = _accept(state, event, key, now)
    except LeptonError as error:
        wait = _retry_after(state) if isinstance(error, Overloaded) else 0
        return [
            Refuse(event.link, error_frame(event.frame, as_wire(error, state.device, wait), state.device))
        ]
    _note_company(state, work)
    return requests.begin(state, work, frame, now)


def _note_company(state: State, work: Work) -> None:
    """Two requests at a time share the device: neither tells how fast it is."""
    if not state.works:
        return
    work.alone = False
    if len(state.works) == 1:  # of two, both know already
        next(iter(state.works.values())).alone = False


def work_key(frame: Frame) -> WorkKey:
    """Return what makes a frame the same work as another."""
    return WorkKey(frame.request_id, frame.step, frame.attempt, frame.epoch, frame.page, frame.first_block)


def _check_room(state: State, frame: Frame) -> None:
    if state.closing:
        raise Unavailable(f"{state.device} is shutting down", "ask another agent, or try again")
    if frame.remaining_ms < 0:
        raise DeadlineExceeded("the deadline was past when the request arrived", "allow more time")
    if len(state.works) >= state.queue_limit:
        raise Overloaded(
            f"{state.device} has {len(state.works)} requests in progress, its limit",
            "try again a little later",
        )


def _retry_after(state: State) -> int:
    return max(1, round(len(state.works) * state.service_time * 1e3 / 2))


def _accept(state: State, event: RequestArrived, key: WorkKey, now: float) -> tuple[Work, Frame]:
    frame = event.frame
    check_metadata(frame.metadata)
    entry = frame.epoch == 0
    held = _entry_epoch(state, frame) if entry else state.epoch(EpochKey(frame.model, frame.epoch))
    wanted = _wanted(held.book, frame, entry)
    plan = _entry_plan if entry else _stage_plan
    page, path, tensors = plan(state, held, frame, wanted)
    lifetime = frame.remaining_ms / 1e3 if frame.remaining_ms else requests.LIFETIME
    work = Work(
        key,
        event.link,
        replace(frame, tensors=()),
        held.key,
        entry,
        path,
        wanted,
        arrived=now,
        deadline=now + lifetime,
        page=page,
    )
    return work, replace(frame, tensors=tensors.tensors)


def _entry_epoch(state: State, frame: Frame) -> EpochState:
    held = state.active_epoch(frame.model)
    if held is not None:
        return held
    if any(other.key.model == frame.model and other.state == DRAINING for other in state.epochs.values()):
        raise Unavailable(f"{frame.model} is being taken away from {state.device}", "ask another agent")
    if any(other.key.model == frame.model and other.activate_when_open for other in state.epochs.values()):
        raise Unavailable(f"{frame.model} is being opened again on {state.device}", "try again in a moment")
    known = sorted(state.active) or "none"
    raise UnknownModel(
        f"{state.device} serves no model {frame.model!r}",
        f"active here: {known}; deploy it, or check the name",
    )


def _wanted(book: PlanBook, frame: Frame, entry: bool) -> tuple[TensorName, ...]:
    if not entry:
        declared = wanted_outputs(book.outputs, ())
        return frame.outputs or made_in(book, declared, frame.first_block, len(book.blocks))
    known = {name for spec in book.outputs for name in (spec.tensor, spec.scores, spec.indices) if name}
    unknown = sorted(set(frame.outputs) - known)
    if unknown:
        raise InvalidInput(f"{book.model} has no output {unknown[0]!r}", f"its outputs are {sorted(known)}")
    return wanted_outputs(book.outputs, frame.outputs)


def _entry_plan(
    state: State, held: EpochState, frame: Frame, wanted: tuple[TensorName, ...]
) -> tuple[PageName, Route, Entrance]:
    page = _page(held.book, frame, state)
    entrance = enter(held.book, frame.tensors, wanted)
    refuse_nan(entrance.tensors)
    path = shortened(route(held.book, page, state.device, entrance.boundary), held.book, wanted)
    blocks = len(held.book.blocks)
    if path.peer and path.peer not in state.peers_up and page.stages[0].device != state.device:
        path = Route(entrance.boundary, blocks)  # an entry outside the page: run all of it here if possible
    _check_held(state, held, path)
    return page.name, path, entrance


def _page(book: PlanBook, frame: Frame, state: State) -> Page:
    try:
        return entry_page(book, frame.page, state.device)
    except KeyError:
        names = [str(page.name) for page in book.pages]
        raise UnknownPage(f"{book.model} has no page {frame.page!r}", f"its pages are {names}") from None


def _stage_plan(
    state: State, held: EpochState, frame: Frame, wanted: tuple[TensorName, ...]
) -> tuple[PageName, Route, Entrance]:
    book = held.book
    if not 0 <= frame.first_block < len(book.blocks):
        raise CorruptFrame(f"block {frame.first_block} does not exist: the book has {len(book.blocks)}")
    check_stage(book.frontiers[frame.first_block], frame.tensors)
    if made_in(book, wanted, frame.first_block, len(book.blocks)) != wanted:
        raise CorruptFrame("a wanted output is not made from that block on")
    path = route(book, _page(book, frame, state), state.device, frame.first_block)
    _check_held(state, held, path)
    if path.peer and path.first == path.last:
        raise CorruptFrame(f"block {path.first} is not a stage of {state.device} on page {frame.page!r}")
    return frame.page, shortened(path, book, wanted), Entrance(frame.first_block, frame.tensors)


def _check_held(state: State, held: EpochState, path: Route) -> None:
    if not held.holds(path.first, path.last):
        raise Unavailable(
            f"{state.device} does not hold blocks {path.first}..{path.last - 1} of {held.book.model}",
            "send the request to the board of the plan",
        )
