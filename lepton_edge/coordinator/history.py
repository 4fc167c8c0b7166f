"""What `lepton-edge events` is answered: documents of changes, and their stream.

Law: reads the state and the store, and hears the journal; changes nothing. Fields are added, never renamed; zeros stay
zeros (nothing was predicted or measured).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from lepton_edge.coordinator.adapting import follows, target_of
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import State
from lepton_edge.coordinator.store import Store
from lepton_edge.core.changes import KINDS, Change
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import Document, ShowEvents
from partitioner.nouns_json import finite, to_json
from partitioner.units import Seconds

EVENTS, EVENT = "lepton-edge/events/1", "lepton-edge/event/1"

Json = dict[str, Any]


def events(changes: Sequence[Change]) -> Json:
    """Return changes as one document, oldest first."""
    return {"schema": EVENTS, "events": [to_json(change) for change in changes]}


def event(change: Change) -> Json:
    """Return one change as a document of its own."""
    return {"schema": EVENT, **to_json(change)}


def adaptation(state: State, now: Seconds) -> Json:
    """Return which plans change by themselves, what they are looked at for, and the last change of a plan."""
    last = state.log.last
    return {
        "targets": [_target(state, record, now) for record in state.active_epochs()],
        "last": None
        if last is None
        else {**event(last), "age": round(now + state.settings.wall - last.at, 1)},
    }


def _target(state: State, record: EpochRecord, now: Seconds) -> Json:
    known, trial = state.adaptations.get(target_of(record)), state.trials.get(target_of(record))
    return {
        "model": record.model,
        "board": record.board,
        "on": follows(record),
        "cause": known.cause if known else "",
        "rests": round(max(known.rest_until - now, 0.0), 1) if known else 0.0,
        "on_trial": trial is not None,
        "prepared": _prepared(state, record),
    }


def _prepared(state: State, record: EpochRecord) -> list[int]:
    """Return the epochs that devices keep prepared beside an active one: to go back to, or because they are tried."""
    target = target_of(record)
    trial, canary = state.trials.get(target), state.canaries.get(target)
    keys = (trial.old if trial else None, canary.new if canary else None, state.kept.get(target))
    return sorted({key[1] for key in keys if key is not None})


async def tell(driver: Driver, store: Store, asked: ShowEvents) -> AsyncIterator[Document]:
    """Yield what was asked for: one document, or with `follow` one a change, without an end.

    Raises:
        InvalidInput: there is no such kind of change.
        Overloaded: too many follow, or this one is too slow.
    """
    if asked.kind not in ("", *KINDS):
        raise InvalidInput(f"there is no kind of event {asked.kind!r}", f"there is: {', '.join(KINDS)}")
    if not asked.follow:
        await driver.journal.written()
        yield document(events(await _past(driver, store, asked)))
        return
    with driver.journal.following(asked) as follower:
        await driver.journal.written()
        for change in await _past(driver, store, asked):
            yield document(event(change))
        async for change in follower.changes():
            yield document(event(change))


async def _past(driver: Driver, store: Store, asked: ShowEvents) -> tuple[Change, ...]:
    return await driver.on_disk(store.changes, asked, driver.now() + driver.state.settings.wall)


def document(value: Json) -> Document:
    """Return a document as it is answered."""
    return Document(value["schema"], json.dumps(finite(value), allow_nan=False))
