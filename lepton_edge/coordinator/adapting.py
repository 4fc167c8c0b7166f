"""When a plan is made anew by itself: what sets it off, what it must promise, how long it rests.

Law: pure; times come in. Causes are noted on a target (a model and the board it serves); `next_replan` gives the
deployment that follows one, at most one at a time and never beside a person's. A sustained cause is looked at twice,
the first time without cutting anything; each must promise 15 % and be worth what it takes to get there. Rests grow
where plans change often or promise nothing, so that nothing flaps: entries turn pages meanwhile, as these are for.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any

from lepton_edge.coordinator import (
    availability,
    canary,
    changes,
    judging,
    loads,
    promises,
    quarantine,
    reach,
    replicas,
    requests,
    waves,
)
from lepton_edge.coordinator.adaptation import Adaptation, Haste, Promise, Target
from lepton_edge.coordinator.commands import Command, KeepProfile
from lepton_edge.coordinator.events import PlanMade
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import ADAPT, GAVE_WAY, NOBODY, Deployment, Device, Moment, State
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Telemetry
from partitioner.costs import LinkProfile
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
LOST_GRACE = Seconds(5.0)  # beyond the lease, before others take a lost device's part
LOOK_EVERY = Seconds(2.0)
LOOKS = 32  # epochs that are looked at each time
LINK_HELD = Seconds(20.0)  # for which a link must be another one than was planned with
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


def heard(state: State, device: Device, told: Telemetry, said: list[Command], at: Moment) -> None:
    """Note what a device's telemetry, and `said` of its drift, give cause for."""
    for command in said:
        if isinstance(command, KeepProfile):
            haste = Haste.AT_ONCE if told.throttled else Haste.SUSTAINED
            _drifted(state, device, command, haste, at)


def _drifted(state: State, device: Device, kept: KeepProfile, haste: Haste, at: Moment) -> None:
    throttled = "throttled, " if haste is Haste.AT_ONCE else ""
    again = "as quick as measured again" if kept.record.scale == 1.0 else ""
    slower = again or f"{kept.record.scale:.2f} times as slow as measured"
    cause = f"{device.name} is {throttled}{slower}"
    for record in state.active_epochs(kept.model):
        if record.blocks_of(device.name) and record.version == kept.version:
            wish(state, record, cause, at, haste)


def joined(state: State, device: Device, at: Moment) -> None:
    """A device attached: a cloud may serve boards that have none, or serve them better."""
    for record in state.active_epochs():
        welcome = device.hello.role == "cloud" and record.board and requests.may_serve(record, device.name)
        if record.cloud and requests.may_stand_in(record, device.name):
            continue  # see `stand_ins_missing`
        if welcome and not record.blocks_of(device.name):
            adaptation = wish(state, record, f"{device.name} joined", at)
            adaptation.cloud = adaptation.cloud or device.name


def lost_for_long(state: State, at: Moment) -> None:
    """Others take the part of a device that is away for long, where there are others."""
    patience = state.settings.lease + LOST_GRACE
    since = state.began_at or at.now  # before that nobody could be heard
    away = {
        one.name
        for one in state.devices.values()
        if one.stream is None and at.now - max(one.heard, since) > patience and one.name not in state.drains
    }
    for record in state.active_epochs() if away else ():
        gone = sorted(
            hold.device for hold in record.holds if hold.device in away and hold.device != record.board
        )
        gone = [name for name in gone if name not in record.replicas]
        others = _others(state, record, away, at) if gone and record.board not in away else []
        if others:
            adaptation = wish(state, record, f"{', '.join(gone)} is lost", at, Haste.ANYWAY)
            adaptation.without = frozenset(gone)
            stand_in = any(one.name in record.replicas for one in others)
            adaptation.cloud = DeviceId("") if stand_in else others[0].name


def _others(state: State, record: EpochRecord, away: set[DeviceId], at: Moment) -> list[Device]:
    """Return the clouds that could take a part in an epoch."""
    there = [one for one in availability.placeable(state, at.now) if one.hello.role == "cloud"]
    return [one for one in there if requests.may_serve(record, one.name) and one.name not in away]


def stand_ins_missing(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """A cloud that shall stand in for the first one is there, and has no part yet: it came back, or joined."""
    open_to_it = [one.name for one in availability.placeable(state, at.now) if one.hello.role == "cloud"]
    for record in records:
        missing = [name for name in open_to_it if requests.may_stand_in(record, name)]
        missing = [name for name in missing if not record.blocks_of(name)]
        if missing and record.board and record.cloud in open_to_it:
            wish(state, record, f"{', '.join(missing)} can stand in for {record.cloud}", at, Haste.ANYWAY)


def links_changed(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """A link has been another one than was planned with for long: perhaps no page of the book is good on it."""
    for record in records:
        if record.link is not None and record.cloud and follows(record):
            _link_changed(state, record, record.link, at)


def _link_changed(state: State, record: EpochRecord, planned: LinkProfile, at: Moment) -> None:
    adaptation = state.adaptations.setdefault(target_of(record), Adaptation(pause=REST))
    then = adaptation.link or planned
    now = reach.lately(state, record.board, record.cloud, then)
    if now is None or now is then:
        adaptation.link_since = None
        return
    adaptation.link_since = at.now if adaptation.link_since is None else adaptation.link_since
    if at.now - adaptation.link_since >= LINK_HELD:
        adaptation.link, adaptation.link_since = now, None
        cause = f"the link to {record.cloud} moves {_rate(now.up)}, it moved {_rate(then.up)}"
        wish(state, record, cause, at)


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.2f} MB/s"


def clouds_busy(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """A cloud became busier with others, or idler, than was planned with: perhaps another plan is better now."""
    for record in records:
        page = record.book.page(record.book.active) if record.book else None
        if page is None or not record.cloud or not page.prediction.cloud:
            continue
        load = loads.of_others(state, record.cloud, record.model, record.board, at.now)
        if abs(load.wait - page.prediction.wait) > GAIN * page.prediction.latency:
            wish(state, record, f"{record.cloud} is {load.part:.0%} busy with others", at)


def look(state: State, at: Moment) -> list[EpochRecord]:
    """Look at what time alone gives cause for, and forget targets that are over; return what was looked at."""
    if state.began_at is None:
        state.began_at = at.now
    if at.now - state.looked_at < LOOK_EVERY:
        return []
    state.looked_at = at.now
    there = {target_of(record) for record in state.active_epochs()}
    for gone in [target for target in state.adaptations if target not in there]:
        del state.adaptations[gone]
    for old in [key for key in state.fares if key not in state.epochs or state.epochs[key].book is None]:
        del state.fares[old]
    lost_for_long(state, at)
    records = _next_few(state)
    stand_ins_missing(state, records, at)
    links_changed(state, records, at)
    clouds_busy(state, records, at)
    return records


def _next_few(state: State) -> list[EpochRecord]:
    """Return the active epochs whose turn it is to be looked at: where there are many, a look is not at all of them."""
    records = state.active_epochs()
    first = state.looked % max(len(records), 1)
    state.looked = first + LOOKS
    return (records[first:] + records[:first])[:LOOKS]


# --- the deployment that follows --------------------------------------------------------------------------


def next_replan(state: State, at: Moment) -> Deployment | None:
    """Return the deployment of the most urgent cause that is due; None where there is none, or somebody deploys."""
    if state.running is not None or state.waiting:
        return None
    due = [
        (-one.haste, one.due, target)
        for target, one in state.adaptations.items()
        if one.cause and one.due <= at.now and (one.without or not _is_tried(state, target))
    ]
    for _, _, target in sorted(due):
        record = state.active_epoch(*target)
        if record is not None and _is_turn(state, record, state.adaptations[target], at):
            return _replan(state, record, state.adaptations[target], at)
    return None


def _is_tried(state: State, target: Target) -> bool:
    return target in state.trials or target in state.canaries


def give_way(state: State, run: Deployment, at: Moment) -> list[Command]:
    """End what is tried for a replan's target: it waits for no verdict when a device is lost."""
    target = (run.model, run.board or DeviceId(""))
    return [*judging.drop(state, target, run.why, at), *canary.call_off(state, target, run.why, at)]


def _is_turn(state: State, record: EpochRecord, adaptation: Adaptation, at: Moment) -> bool:
    """Return whether its model is there, and the load of what it shares is known since the last of the others moved."""
    if record.model not in state.models:
        return False
    clouds = waves.clouds_of(record) | ({adaptation.cloud} if adaptation.cloud else set())
    return adaptation.haste is Haste.ANYWAY or waves.has_room(state, clouds, at.now)


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
