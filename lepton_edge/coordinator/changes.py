"""What changed: serials are given and turns of entries written down.

Law: pure; times come in. Each function returns commands that have a change kept; a change whose end is open is told
again under its serial. A change that cannot be written down is lost, and nothing else is for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from lepton_edge.coordinator.commands import KeepChange
from lepton_edge.coordinator.limits import MAX_TURNS
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import ADAPT, Deployment, Device, Moment, State
from lepton_edge.core.changes import KEPT, KINDS, PENDING, REFUSED, ROLLED_BACK, VERDICTS, Change
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import TurnReport
from partitioner.units import DeviceId, Epoch, ModelName, Seconds

OF_PLANS = ("replan", "rollback", "deploy")
MAX_TURNS_HEARD = 64  # of one telemetry


def note(state: State, kind: str, cause: str, at: Moment, **about: Any) -> KeepChange:
    """Give a change its serial and its time; `about` are further fields of `Change`.

    Raises AssertionError for a kind or verdict that there is not, or without a cause.
    """
    state.log.serial += 1
    wall = at.now + state.settings.wall
    change = Change(state.log.serial, wall, kind, cause, **about)
    _check(change)
    if kind in OF_PLANS:
        state.log.last = change
    return KeepChange(at.cause, change)


def amend(change: Change, story: str, **news: Any) -> KeepChange:
    """Tell a change anew, with `news` in place of its fields of these names."""
    changed = dataclasses.replace(change, **news)
    _check(changed)
    return KeepChange(story, changed)


def began(state: State, at: Moment) -> list[KeepChange]:
    """Tell that this coordinator began, and that what its last start left pending is not judged any more."""
    log = state.log
    unjudged = [amend(one, at.cause, message=_unjudged(one), verdict=KEPT) for one in log.left_open]
    log.left_open = ()
    release = f"lepton-edge {state.settings.software}"
    told = f"{release}, term {state.settings.term}"
    return [*unjudged, note(state, "coordinator", "it was started", at, message=told)]


def _unjudged(change: Change) -> str:
    why = "not judged: the coordinator was started anew"
    return f"{change.message}; {why}" if change.message else why


def joined(state: State, device: Device, known: bool, at: Moment) -> KeepChange:
    """Tell that a device attached, for the first time or again."""
    about = {"device": device.name, "before": "away" if known else "", "after": "attached"}
    cause = "it attached again" if known else "it attached for the first time"
    address = ", ".join(device.hello.data_addresses)
    return note(state, "device", cause, at, message=f"{device.hello.role} at {address}", **about)


def lost(state: State, device: Device, why: str, at: Moment) -> KeepChange:
    """Tell that a device is away."""
    return note(state, "device", why, at, device=device.name, before="attached", after="away")


def deployed(state: State, run: Deployment, old: EpochRecord | None, at: Moment) -> KeepChange:
    """Tell that a deployment's epoch is active, `old` having been so; by itself, it is yet to be judged."""
    new = run.record
    assert new is not None, "only what has an epoch was deployed"
    about: dict[str, Any] = {"model": run.model, "device": new.board or new.cloud, "epoch": new.epoch}
    about |= {"before": _place(old), "after": _place(new)}
    about |= {"predicted_before": _predicted(old), "predicted_after": _predicted(new)}
    if run.promise is not None:
        about |= {"predicted_before": run.promise.before, "measured_before": run.promise.measured}
        about["predicted_after"] = run.promise.after
    message = f"version {new.version} on {', '.join(hold.device for hold in new.holds)}"
    kind, verdict = _kind(run, old)
    return note(state, kind, why(run), at, message=message, verdict=verdict, **about)


def _kind(run: Deployment, old: EpochRecord | None) -> tuple[str, str]:
    """Return the kind and the verdict of an epoch that became active."""
    if run.back:
        return "rollback", ROLLED_BACK
    if run.goal == ADAPT:
        return "replan", PENDING if old is not None else ""
    return "deploy", ""


def failed(state: State, run: Deployment, error: WireError, at: Moment) -> list[KeepChange]:
    """Tell that what should have become active did not; what was active stays so."""
    if run.goal not in ("activate", ADAPT):
        return []
    about = {"model": run.model, "device": run.board or run.cloud or DeviceId("")}
    epoch = run.record.epoch if run.record else Epoch(0)
    message = f"not active, {run.phase}: {error.message}"
    kind = "rollback" if epoch else "deploy" if run.goal == "activate" else "replan"
    return [note(state, kind, why(run), at, message=message, epoch=epoch, verdict=REFUSED, **about)]


def removed(state: State, model: ModelName, at: Moment) -> KeepChange:
    """Tell that a model is gone."""
    return note(state, "deploy", "a person removed it", at, model=model, message="it is retired everywhere")


def why(run: Deployment) -> str:
    """Return what set a deployment off, in words."""
    if run.why:
        return run.why
    request = run.request
    if request.wishes.own_cut:
        return f"a person pinned the split behind {request.wishes.own_cut}"
    return f"a person pinned page {request.page}" if request.page else "a person deployed it"


def _place(record: EpochRecord | None) -> str:
    if record is None or record.book is None:
        return ""
    return f"page {record.book.active} of epoch {record.epoch}"


def _predicted(record: EpochRecord | None) -> Seconds:
    if record is None or record.book is None:
        return Seconds(0.0)
    return record.book.page(record.book.active).prediction.latency


def _check(change: Change) -> None:
    assert change.kind in KINDS, f"there is no kind of change {change.kind!r}"
    assert change.verdict in VERDICTS, f"there is no verdict {change.verdict!r}"
    assert change.cause, "a change has a cause"


def turned(state: State, device: Device, reports: Sequence[TurnReport], at: Moment) -> list[KeepChange]:
    """Write down what an entry told of its turns; what it told before it amends."""
    return [_turn(state, device, report, at) for report in reports[:MAX_TURNS_HEARD]]


def page_now(state: State, record: EpochRecord) -> str:
    """Return the page that requests take now: the active one, or the one that the entry told last that it turned to."""
    turns = [one for one in state.log.turns.values() if (one.model, one.epoch) == record.key]
    own = [one for one in turns if not record.board or one.device == record.board]
    active = record.book.active if record.book else ""
    return own[-1].after if own else active


def _turn(state: State, device: Device, report: TurnReport, at: Moment) -> KeepChange:
    key = (device.name, device.hello.incarnation, report.serial)
    news: dict[str, Any] = {
        "message": _requests(report),
        "measured_after": report.measured,
        "verdict": KEPT if report.over else PENDING,
    }
    known = state.log.turns.pop(key, None)
    if known is None:
        then = Moment(Seconds(at.now - max(report.age, 0.0)), at.cause)
        about = _about(device, report)
        told = note(state, "turn", report.cause or "not told", then, **about, **news)
    else:
        told = amend(known, at.cause, **news)
    if not report.over:
        state.log.turns[key] = told.change
        _forget_oldest(state)
    return told


def _about(device: Device, report: TurnReport) -> dict[str, Any]:
    return {
        "device": device.name,
        "model": report.model,
        "epoch": report.epoch,
        "before": report.before,
        "after": report.after,
        "predicted_before": report.predicted_before,
        "predicted_after": report.predicted_after,
    }


def _requests(report: TurnReport) -> str:
    return f"{report.requests} requests since" if report.requests else ""


def _forget_oldest(state: State) -> None:
    while len(state.log.turns) > MAX_TURNS:
        del state.log.turns[next(iter(state.log.turns))]
