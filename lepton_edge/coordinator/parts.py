"""Who takes part in a deployment, and with which blocks of the new epoch.

Law: pure functions of the state; they say nothing to anybody and move no deployment on.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import availability, orders, placement, replicas
from lepton_edge.coordinator.commands import Command, Deployed
from lepton_edge.coordinator.records import ACTIVE, PLANNED, EpochRecord
from lepton_edge.coordinator.state import Deployment, Device, State
from lepton_edge.core.errors import NotFound, UnknownModel, UnknownPage
from partitioner.plan import PlanBook
from partitioner.units import DeviceId, Epoch, Seconds


def to_measure(state: State, run: Deployment, devices: list[Device]) -> list[DeviceId]:
    """Return who is measured first: nobody for a plan of what is not so, or where estimates are good enough."""
    if run.goal == "suppose" or not run.request.wishes.measure:
        return []
    return [device.name for device in devices if not orders.is_measured(state, run, device)]


def choose(state: State, run: Deployment, now: Seconds) -> list[Device]:
    """Return the devices that a deployment is about; note its board and its cloud."""
    if run.goal == "profile":
        opset = state.models[run.model].opset
        return [
            one
            for one in state.connected()
            if (one.name in run.only if run.only else not placement.is_too_old(one, opset))
        ]
    there = availability.candidates(state, run.request, now)
    try:
        board, cloud = placement.choose(there, run.request)
        run.replicas = [device.name for device in placement.replicas(there, run.request, cloud)]
    except NotFound as error:
        raise availability.explained(state, error, now) from error
    run.board, run.cloud = (board.name if board else None), (cloud.name if cloud else None)
    if run.goal == "activate":
        run.instead = run.instead or state.stand_ins.get(run.target)
    return [device for device in (board, cloud) if device is not None]


def left(state: State, run: Deployment) -> EpochRecord | None:
    """Return the active epoch of another board in whose place a deployment puts its own."""
    found = state.epochs.get(run.instead) if run.instead else None
    return found if found is not None and found.state == ACTIVE else None


def to_activate(run: Deployment) -> list[DeviceId]:
    """Return who is told that a deployment's epoch is active, the entry last; that it is tried, only the entry is."""
    record = run.record
    assert record is not None, "there is no epoch to activate"
    there = [hold.device for hold in reversed(record.holds) if hold.device in record.ready]
    return there[-1:] if run.tried_first else there


def done(run: Deployment) -> Deployed:
    """Return how a deployment ended whose epoch is active, or tried."""
    record = run.record
    assert record is not None, "there is no epoch"
    page = record.book.active if record.book else ""
    return Deployed(run.model, run.version, record.epoch, page, record.document)


def new_epoch(
    state: State, run: Deployment, book: PlanBook, document: str
) -> tuple[EpochRecord, list[Command]]:
    """Return the planned epoch of a deployment, and what is told of those that cannot take part in it."""
    board, cloud = (state.devices[name] if name else None for name in (run.board, run.cloud))
    held = [number for d in state.devices.values() for model, number in d.epochs if model == run.model]
    number = Epoch(max([state.newest_epoch(run.model), *held]) + 1)
    room = orders.room(state, run.board, orders.left(run, run.board, run.request.wishes.board_memory))
    book, holds, told = replicas.add(state, run, book, placement.holds(book, board, cloud, room))
    record = EpochRecord(run.model, run.version, number, PLANNED, book, holds, document=document)
    record = dataclasses.replace(record, request=run.asked or run.request, board=run.board or DeviceId(""))
    record = orders.with_inputs(state, run, record)
    return record, told


def unknown_model(state: State, run: Deployment) -> UnknownModel:
    """Return the error for a deployment of a model that nobody pushed."""
    return availability.unknown_model(state, run.model)


def unknown_page(run: Deployment, book: PlanBook) -> UnknownPage | None:
    """Return the error for a deployment that pins a page which its book has not, None where it has."""
    pages, pinned = [page.name for page in book.pages], run.request.page
    if not pinned or pinned in pages:
        return None
    return UnknownPage(f"the book of {run.model!r} has no page {pinned!r}", f"it has: {', '.join(pages)}")
