"""When a plan is made anew by itself: what sets it off, what it must promise, how long it rests.

Law: pure; times come in. Causes are noted on a target (a model and the board it serves); `next_replan` gives the
deployment that follows one: one at a time is planned, never beside a person's, while others are prepared (`aside`).
A sustained cause is looked at twice, the first time without cutting anything; each must promise 15 % and be worth what
it takes to get there. Rests grow where plans change often or promise nothing, so that nothing flaps: entries turn pages
meanwhile, as these are for.
"""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

from lepton_edge.coordinator import (
    aside,
    canary,
    changes,
    judging,
    promises,
    quarantine,
    replicas,
    requests,
    waves,
)
from lepton_edge.coordinator.adaptation import Adaptation, Haste, Promise, Target
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.events import PlanMade
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import ADAPT, GAVE_WAY, NOBODY, Deployment, Moment, State
from lepton_edge.core.frames import WireError
from partitioner.plan import PlanBook
from partitioner.units import DeviceId, Seconds

GAIN = 0.15
SETTLE = Seconds(2.0)  # after a cause, until it is looked at: others may follow it
SUSTAINED = Seconds(10.0)  # between the two looks at a sustained cause
JITTER = Seconds(3.0)  # by which targets are looked at apart
REST = Seconds(30.0)  # the first rest; each change doubles the next
BURNT_REST = Seconds(120.0)  # after a plan that was rolled back, at least
LONGEST_REST = Seconds(1800.0)
URGENT_REST = Seconds(10.0)  # between two urgent changes of one target
CALM = 4.0  # rests without a change, after which they begin at the shortest again
RETRY = Seconds(5.0)  # after a person's call went first
PRESSED = 0.05  # of a device's memory: with less free it is short of it


# --- causes -----------------------------------------------------------------------------------------------


def follows(record: EpochRecord) -> bool:
    """Return whether a plan changes by itself: not one of clouds alone, or that a person pinned or wants to stay."""
    asked = requests.wish(record)
    return bool(record.board) and not (asked.fixed or asked.page or asked.wishes.own_cut)


def target_of(record: EpochRecord) -> Target:
    """Return what an epoch is the active one of."""
    return record.model, record.board


def wish(
    state: State, record: EpochRecord, cause: str, at: Moment, haste: Haste = Haste.SUSTAINED
) -> Adaptation:
    """Have a target looked at, since `cause`; the most urgent cause counts."""
    target = target_of(record)
    adaptation = state.adaptations.setdefault(target, Adaptation(pause=REST))
    if not follows(record):
        return Adaptation()
    if adaptation.cause and haste <= adaptation.haste:
        return adaptation
    if haste is Haste.ANYWAY and adaptation.vain.get(_subject(cause), at.now) > at.now:
        return Adaptation()
    _forget_cause(adaptation)
    adaptation.cause, adaptation.haste = cause, haste
    settled = at.now + (SETTLE if haste is Haste.SUSTAINED else 0.0) + _apart(target)
    adaptation.due = Seconds(max(settled, _rested(adaptation, haste)))
    return adaptation


def _rested(adaptation: Adaptation, haste: Haste) -> float:
    if haste is Haste.SUSTAINED:
        return adaptation.rest_until
    return adaptation.changed_at + URGENT_REST if adaptation.changed_at >= 0 else 0.0


def _subject(cause: str) -> str:
    """Return a cause without its figures."""
    return cause.partition(":")[0]


def _apart(target: Target) -> float:
    """Return seconds between 0 and `JITTER` that are the same for the same target, so that not all move at once."""
    return JITTER * (zlib.crc32("/".join(target).encode()) % 1000) / 1000


# --- the deployment that follows --------------------------------------------------------------------------


def next_replan(state: State, at: Moment) -> Deployment | None:
    """Return the deployment of the most urgent cause that is due; None where there is none, or somebody deploys."""
    if state.running is not None or state.waiting:
        return None
    due = [
        (-one.haste, one.due, target)
        for target, one in state.adaptations.items()
        if one.cause and one.due <= at.now and _may_begin(state, target, one)
    ]
    active = {target_of(record): record for record in state.active_epochs()} if due else {}
    crowded: set[frozenset[DeviceId]] = set()
    for _, _, target in sorted(due):
        record, adaptation = active.get(target), state.adaptations[target]
        if record is not None and _is_turn(state, record, adaptation, crowded, at):
            return _replan(state, record, adaptation, at)
    return None


def _may_begin(state: State, target: Target, adaptation: Adaptation) -> bool:
    """Return whether a target may be planned anew now; what is tried for it ends where a device is lost."""
    return aside.may_begin(state, target) and (bool(adaptation.without) or not _is_tried(state, target))


def _is_tried(state: State, target: Target) -> bool:
    return target in state.trials or target in state.canaries


def give_way(state: State, run: Deployment, at: Moment) -> list[Command]:
    """End what is tried for a replan's target: it waits for no verdict when a device is lost."""
    target = (run.model, run.board or DeviceId(""))
    return [*judging.drop(state, target, run.why, at), *canary.call_off(state, target, run.why, at)]


def _is_turn(
    state: State,
    record: EpochRecord,
    adaptation: Adaptation,
    crowded: set[frozenset[DeviceId]],
    at: Moment,
) -> bool:
    """Return whether its model is there, and the load of what it shares is known since the last of the others moved.

    Clouds that have no room for one more are noted as `crowded`: of thousands that wait for one, one asks.
    """
    if record.model not in state.models:
        return False
    if adaptation.haste is Haste.ANYWAY:
        return True
    clouds = frozenset(waves.clouds_of(record) | ({adaptation.cloud} if adaptation.cloud else set()))
    if clouds not in crowded and not waves.has_room(state, clouds, at.now):
        crowded.add(clouds)
    return clouds not in crowded


def _replan(state: State, record: EpochRecord, adaptation: Adaptation, at: Moment) -> Deployment:
    closed = {
        name for name in state.conduct if quarantine.is_in(state, name, at.now) and name != record.cloud
    }
    request = requests.again(state, record, closed | adaptation.without)
    changed: dict[str, Any] = {"refresh": False, "dry_run": False}
    if adaptation.cloud:
        changed["cloud"] = adaptation.cloud
    state.counter += 1
    run = Deployment(f"replan {state.counter}", NOBODY, ADAPT, dataclasses.replace(request, **changed))
    run.version, run.why, run.haste = record.version, adaptation.cause, adaptation.haste
    run.weighing = adaptation.haste is Haste.SUSTAINED and not adaptation.gains and not adaptation.grows
    run.rooms, run.grows = {**adaptation.short, **adaptation.rooms}, adaptation.grows
    run.asked = requests.as_asked(record, run.request)
    run.board, run.cloud = (
        record.board or None,
        record.cloud or None,
    )  # so that it is known whose it is if it fails
    return run


def is_worth(state: State, run: Deployment, made: PlanMade, at: Moment) -> bool:
    """Hold a plan against the one that runs; return whether it is to be prepared. Notes what it promises."""
    record = state.active_epoch(*run.target)
    adaptation = state.adaptations.get(run.target)
    if record is None or adaptation is None:
        return False
    run.promise = promises.promise(state, run, record, made, at.now)
    if run.grows:  # as much of it as there is now was looked at
        adaptation.short = dict(run.rooms)
    if run.haste is Haste.ANYWAY or run.grows:
        news = made.book is not None and replicas.news(state, run, made.book)
        return news or _is_other(adaptation, record, made.book, at)
    if not _pays(state, run, run.promise, made.book, at):
        _rest(adaptation, at)
        return False
    adaptation.gains += 1
    if run.weighing:
        adaptation.due = Seconds(at.now + SUSTAINED)
        return False
    return True


def _is_other(adaptation: Adaptation, record: EpochRecord, book: PlanBook | None, at: Moment) -> bool:
    if book is not None and promises.differs(record, book):
        return True
    subject = _subject(adaptation.cause)
    _rest(adaptation, at)
    adaptation.vain = {one: until for one, until in adaptation.vain.items() if until > at.now}
    adaptation.vain[subject] = adaptation.rest_until
    return False


def _pays(state: State, run: Deployment, promise: Promise, book: PlanBook | None, at: Moment) -> bool:
    if promise.gain <= GAIN:
        return False
    saved = promise.before - promise.after
    return saved <= 0 or promises.is_worth_its_cost(state, run, book, saved, at.now)


def _rest(adaptation: Adaptation, at: Moment) -> None:
    """Leave a target alone for a while: its cause promised nothing, or its plan just changed."""
    if at.now - adaptation.rest_until > CALM * adaptation.pause:
        adaptation.pause = REST
    adaptation.rest_until = Seconds(at.now + adaptation.pause)
    adaptation.pause = Seconds(min(2 * adaptation.pause, LONGEST_REST))
    _forget_cause(adaptation)


def _forget_cause(adaptation: Adaptation) -> None:
    adaptation.cause, adaptation.haste, adaptation.gains = "", Haste.SUSTAINED, 0
    adaptation.without, adaptation.cloud, adaptation.rooms = frozenset(), DeviceId(""), {}
    adaptation.grows, adaptation.roomy_since = False, None


def activated(state: State, run: Deployment, old: EpochRecord | None, at: Moment) -> list[Command]:
    """A deployment's epoch is active in place of `old`: tell it; put it on trial where nobody asked for it."""
    why = "another plan took its place"
    if run.goal == ADAPT and not run.back and run.haste < Haste.ANYWAY:
        waves.moved(state, waves.clouds_of(old, run.record), at.now)
    said = judging.drop(state, run.target, why, at) + canary.call_off(state, run.target, why, at)
    told = changes.deployed(state, run, old, at)
    said.append(told)
    _note_change(state, run, at)
    if old is None:
        return said
    if run.goal != ADAPT or run.back:
        return said + canary.keep(state, run, old, at)
    return said + judging.begin(state, run, old, told.change, at)


def _note_change(state: State, run: Deployment, at: Moment) -> None:
    if run.goal != ADAPT:
        state.adaptations.pop(run.target, None)
        return
    adaptation = state.adaptations.setdefault(run.target, Adaptation(pause=REST))
    if run.back:
        adaptation.pause = Seconds(max(adaptation.pause, BURNT_REST))
    else:
        adaptation.short = dict(run.rooms)
    _rest(adaptation, at)
    adaptation.changed_at, adaptation.link, adaptation.link_since = at.now, None, None


def failed(state: State, run: Deployment, error: WireError, at: Moment) -> list[Command]:
    """A deployment came to nothing: tell it. A replan is tried again soon where it gave way, else after a rest."""
    adaptation = state.adaptations.get(run.target)
    if adaptation is not None and run.goal == ADAPT and not run.back:
        _try_again(adaptation, run, error, at)
    if run.weighing:
        return []  # nothing was about to change
    return list(changes.failed(state, run, error, at))


def _try_again(adaptation: Adaptation, run: Deployment, error: WireError, at: Moment) -> None:
    if error.code == GAVE_WAY:
        adaptation.due = Seconds(at.now + RETRY)
        return
    cause, without, rooms = adaptation.cause, adaptation.without, adaptation.rooms
    _rest(adaptation, at)
    if run.haste is Haste.ANYWAY:
        adaptation.cause, adaptation.haste, adaptation.due = cause, Haste.ANYWAY, adaptation.rest_until
        adaptation.without, adaptation.rooms = without, rooms
