"""Whether a plan that was made by itself is kept: measured against the one before, which is there to go back to.

Law: pure; times come in. A new epoch is judged once it is warm and gave 20 answers more, or after a minute by as many
as there are; when twice in a row its requests take more than 1 / 0.9 of what they took before, or more of them fail,
the old one is activated again: its devices kept it prepared. Where nobody asked anything, nothing is proven and the
new one stays.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from lepton_edge.coordinator import changes, epochs, requests, waves
from lepton_edge.coordinator.adaptation import Fare, Haste, Target, Trial
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.records import ACTIVE, READY, EpochRecord
from lepton_edge.coordinator.state import ADAPT, Deployment, Device, Moment, State
from lepton_edge.core.changes import KEPT, ROLLED_BACK, Change
from lepton_edge.core.messages import EpochReport
from partitioner.units import Seconds

ENOUGH = 20  # answers between two looks
FEW = 5  # answers without which nothing is judged
WARM = Seconds(5.0)  # what the first requests take on new links and blocks says nothing of the later ones
APART = Seconds(5.0)  # between two looks
LONGEST = Seconds(60.0)  # of a trial
KEPT_PART = 0.9  # of the performance before that a new plan must reach
FAILING = 0.02  # share of failed requests beyond that of before, with which a new plan is not kept
SPARE = 0.125  # of a device's memory that must be free for it to keep an old epoch prepared
STALE = Seconds(30.0)  # an entry that told nothing for so long says nothing of its rate


# --- how requests fare ------------------------------------------------------------------------------------


def heard(state: State, device: Device, told: tuple[EpochReport, ...], now: Seconds) -> None:
    """Note how requests fare on the active epochs that `device` is the entry of."""
    for report in told:
        record = state.epochs.get((report.model, report.epoch))
        if record is not None and record.state == ACTIVE and device.name == (record.board or record.cloud):
            state.fares[record.key] = _fare(state.fares.get(record.key), report, now)


def _fare(before: Fare | None, report: EpochReport, now: Seconds) -> Fare:
    if before is None or report.answered < before.answered or now <= before.at:
        before = Fare(0, 0, report.mean, 0.0, now)
    passed, rate = now - before.at, before.rate
    if passed > 0:
        rate = (report.answered - before.answered) / passed
        rate = rate if before.rate == 0.0 else (rate + before.rate) / 2
    fare = dataclasses.replace(before, answered=report.answered, failed=report.failed, rate=rate, at=now)
    if not report.logs:  # an older agent
        return dataclasses.replace(fare, mean=report.mean)
    count = report.answered - fare.counted
    if count < ENOUGH:
        return fare
    mean = Seconds(math.exp((report.logs - fare.logs) / count))
    return dataclasses.replace(fare, mean=mean, counted=report.answered, logs=report.logs)


def rate(state: State, record: EpochRecord, now: Seconds) -> float:
    """Return how many requests a second an epoch answers, as far as its entry told of late."""
    fare = state.fares.get(record.key)
    return fare.rate if fare is not None and now - fare.at <= STALE else 0.0


def taken(state: State, record: EpochRecord, now: Seconds) -> Seconds:
    """Return what requests on an epoch took of late; 0 where nothing is known."""
    fare = state.fares.get(record.key)
    known = fare is not None and fare.answered >= FEW and now - fare.at <= STALE
    return fare.mean if fare is not None and known else Seconds(0.0)


# --- trials -----------------------------------------------------------------------------------------------


def begin(state: State, run: Deployment, old: EpochRecord, told: Change, at: Moment) -> list[Command]:
    """Put a replan on trial against `old`, which is kept prepared where there is room; else it drains."""
    assert run.record is not None, "only what is active is tried"
    kept = run.haste < Haste.ANYWAY and _is_room(state, old)
    baseline = taken(state, old, at.now)
    state.trials[run.target] = Trial(told, run.record.key, old.key if kept else None, baseline, at.now)
    return epochs.rest(state, old, at) if kept else epochs.drain(state, old, at)


def _is_room(state: State, record: EpochRecord) -> bool:
    devices = [state.devices[hold.device] for hold in record.holds if hold.device in state.devices]
    return all(device.stream is not None and not is_short(device, SPARE) for device in devices)


def is_short(device: Device, part: float) -> bool:
    """Return whether less than `part` of a device's memory is free, as far as it tells."""
    total, told = device.hello.hardware.memory_total, device.telemetry
    return total > 0 and told is not None and 0 < told.memory_available < part * total


def drop(state: State, target: Target, why: str, at: Moment) -> list[Command]:
    """End a trial without a judgement: what it tried stays, or is replaced by who calls this."""
    trial = state.trials.pop(target, None)
    if trial is None:
        return []
    message = f"{trial.change.message}; not judged: {why}".removeprefix("; ")
    told: Command = changes.amend(trial.change, at.cause, verdict=KEPT, message=message)
    return [told, *_let_go(state, trial, at)]


def _let_go(state: State, trial: Trial, at: Moment) -> list[Command]:
    """Drain the epoch that was kept prepared."""
    old = state.epochs.get(trial.old) if trial.old is not None else None
    return epochs.drain(state, old, at) if old is not None and old.state == READY else []


def make_room(state: State, device: Device, at: Moment) -> list[Command]:
    """Let go of what a device keeps prepared only to go back to it."""
    said: list[Command] = []
    for trial in state.trials.values():
        old = state.epochs.get(trial.old) if trial.old is not None else None
        if old is not None and old.blocks_of(device.name):
            said += _let_go(state, trial, at)
            trial.old = None
    return said


def judge(state: State, at: Moment) -> list[Command]:
    """Look at every trial: what proved itself is kept, what did not is marked as `lost` for `to_go_back`."""
    said: list[Command] = []
    for target, trial in list(state.trials.items()):
        record = state.epochs.get(trial.new)
        if record is None or record.state != ACTIVE:
            said += drop(state, target, "it is no longer active", at)
            continue
        verdict = _verdict(state, trial, at.now)
        trial.lost = verdict == ROLLED_BACK and _can_go_back(state, trial)
        if verdict and not trial.lost:
            said += _keep(state, target, trial, at)
    return said


def _keep(state: State, target: Target, trial: Trial, at: Moment) -> list[Command]:
    del state.trials[target]
    _tell_waves(state, trial, not trial.bad)
    fare = state.fares.get(trial.new)
    news: dict[str, Any] = {"measured_after": fare.mean} if fare is not None and fare.answered >= FEW else {}
    if trial.bad:
        news["message"] = f"{trial.change.message}; worse, but there is nothing to go back to".lstrip("; ")
    told = changes.amend(trial.change, at.cause, verdict=KEPT, **news)
    return [told, *_let_go(state, trial, at)]


def _verdict(state: State, trial: Trial, now: Seconds) -> str:
    """Return KEPT, ROLLED_BACK, or "" while it is not proven; a look that finds it bad is remembered."""
    fare, late = state.fares.get(trial.new), now - trial.since >= LONGEST
    answers = fare.answered + fare.failed if fare is not None else 0
    if now - trial.since < WARM:
        trial.checked, trial.looked = answers, now
        return ""
    if fare is None or answers < FEW:
        return KEPT if late else ""
    apart = answers - trial.checked >= ENOUGH and now - trial.looked >= APART
    if apart or (late and not trial.bad):
        trial.bad = trial.bad + 1 if _is_worse(state, trial, fare) else 0
        trial.checked, trial.looked = answers, now
        if not trial.bad:
            return KEPT
    return ROLLED_BACK if trial.bad > 1 or (late and trial.bad) else ""


def _is_worse(state: State, trial: Trial, fare: Fare) -> bool:
    before = state.fares.get(trial.old) if trial.old is not None else None
    if _failing(fare) > (_failing(before) if before else 0.0) + FAILING:
        return True
    return 0 < trial.baseline < KEPT_PART * fare.mean


def _failing(fare: Fare) -> float:
    return fare.failed / max(fare.answered + fare.failed, 1)


def _can_go_back(state: State, trial: Trial) -> bool:
    """Return whether the old epoch is still held, ready, by everybody who is to activate it."""
    old = state.epochs.get(trial.old) if trial.old is not None else None
    if old is None or old.state != READY:
        return False
    there = [state.devices.get(name) for name in old.ready]
    return all(one is not None and one.stream is not None and old.key in one.epochs for one in there)


def to_go_back(state: State, at: Moment) -> tuple[Deployment, Command] | None:
    """Return a deployment that activates an old epoch again, and what is told of it; None where none is to be."""
    target = next((target for target, trial in state.trials.items() if trial.lost), None)
    if target is None:
        return None
    trial = state.trials.pop(target)
    assert trial.old is not None, "only what is kept can be gone back to"
    _tell_waves(state, trial, False)
    fare = state.fares[trial.new]
    told = changes.amend(trial.change, at.cause, verdict=ROLLED_BACK, measured_after=fare.mean)
    return _back(state.epochs[trial.old], _why(trial, fare)), told


def _tell_waves(state: State, trial: Trial, good: bool) -> None:
    old = state.epochs.get(trial.old) if trial.old is not None else None
    waves.judged(state, waves.clouds_of(state.epochs.get(trial.new), old), good)


def _why(trial: Trial, fare: Fare) -> str:
    if trial.baseline > 0 and fare.mean > trial.baseline:
        return (
            f"requests take {fare.mean * 1e3:.1f} ms on epoch {trial.new[1]}, "
            f"they took {trial.baseline * 1e3:.1f} ms on epoch {trial.old[1] if trial.old else 0}"
        )
    return f"{fare.failed} of {fare.answered + fare.failed} requests failed on epoch {trial.new[1]}"


def _back(old: EpochRecord, why: str) -> Deployment:
    run = requests.activating(old, f"back to {old.model} {old.epoch}", why)
    run.goal, run.back = ADAPT, True
    return run
