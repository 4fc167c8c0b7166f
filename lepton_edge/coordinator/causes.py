"""What gives cause to plan anew: drift, devices that come and go, links and clouds other than was planned with.

Law: pure; times come in. A cause is noted on a target (`adapting.wish`); what follows it is decided there. Not all
targets are looked at each time where there are many.
"""

from __future__ import annotations

from collections.abc import Sequence

from lepton_edge.coordinator import adapting, availability, loads, reach, requests
from lepton_edge.coordinator.adaptation import Adaptation, Haste
from lepton_edge.coordinator.commands import Command, KeepProfile
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Device, Moment, State
from lepton_edge.core.messages import Telemetry
from partitioner.costs import LinkProfile
from partitioner.units import DeviceId, Seconds

LOST_GRACE = Seconds(5.0)  # beyond the lease, before others take a lost device's part
LOOK_EVERY = Seconds(2.0)
LOOKS = 32  # epochs that are looked at each time
LINK_HELD = Seconds(20.0)  # for which a link must be another one than was planned with


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
            adapting.wish(state, record, cause, at, haste)


def joined(state: State, device: Device, at: Moment) -> None:
    """A device attached: a cloud may serve boards that have none, or serve them better."""
    for record in state.active_epochs():
        welcome = device.hello.role == "cloud" and record.board and requests.may_serve(record, device.name)
        if record.cloud and requests.may_stand_in(record, device.name):
            continue  # see `stand_ins_missing`
        if welcome and not record.blocks_of(device.name):
            adaptation = adapting.wish(state, record, f"{device.name} joined", at)
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
            adaptation = adapting.wish(state, record, f"{', '.join(gone)} is lost", at, Haste.ANYWAY)
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
            adapting.wish(
                state, record, f"{', '.join(missing)} can stand in for {record.cloud}", at, Haste.ANYWAY
            )


def links_changed(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """A link has been another one than was planned with for long: perhaps no page of the book is good on it."""
    for record in records:
        if record.link is not None and record.cloud and adapting.follows(record):
            _link_changed(state, record, record.link, at)


def _link_changed(state: State, record: EpochRecord, planned: LinkProfile, at: Moment) -> None:
    adaptation = state.adaptations.setdefault(adapting.target_of(record), Adaptation(pause=adapting.REST))
    then = adaptation.link or planned
    now = reach.lately(state, record.board, record.cloud, then)
    if now is None or now is then:
        adaptation.link_since = None
        return
    adaptation.link_since = at.now if adaptation.link_since is None else adaptation.link_since
    if at.now - adaptation.link_since >= LINK_HELD:
        adaptation.link, adaptation.link_since = now, None
        cause = f"the link to {record.cloud} moves {_rate(now.up)}, it moved {_rate(then.up)}"
        adapting.wish(state, record, cause, at)


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.2f} MB/s"


def clouds_busy(state: State, records: Sequence[EpochRecord], at: Moment) -> None:
    """A cloud became busier with others, or idler, than was planned with: perhaps another plan is better now."""
    for record in records:
        page = record.book.page(record.book.active) if record.book else None
        if page is None or not record.cloud or not page.prediction.cloud:
            continue
        load = loads.of_others(state, record.cloud, record.model, record.board, at.now)
        if abs(load.wait - page.prediction.wait) > adapting.GAIN * page.prediction.latency:
            adapting.wish(state, record, f"{record.cloud} is {load.part:.0%} busy with others", at)


def look(state: State, at: Moment) -> list[EpochRecord]:
    """Look at what time alone gives cause for, and forget targets that are over; return what was looked at."""
    if state.began_at is None:
        state.began_at = at.now
    if at.now - state.looked_at < LOOK_EVERY:
        return []
    state.looked_at = at.now
    there = {adapting.target_of(record) for record in state.active_epochs()}
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
