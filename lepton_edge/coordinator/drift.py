"""Whether requests take what their plan said: the medians that agents report, held against the pages.

Law: pure; times come in. A stage is judged once in 20 requests; when it is too far off twice in a row, the
device's profile of that model is marked with how far, and the next deployment that a person asks for measures it again.
Nothing is replanned here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from lepton_edge.coordinator import changes
from lepton_edge.coordinator.commands import Command, KeepProfile
from lepton_edge.coordinator.limits import MAX_STAGES_TOLD, MAX_WATCHES
from lepton_edge.coordinator.records import ACTIVE, EpochRecord, ProfileRecord
from lepton_edge.coordinator.state import Device, Moment, State, Watch, WatchKey
from lepton_edge.core.messages import LoadReport, StageReport
from partitioner.costs import DeviceProfile
from partitioner.plan import Page, Prediction
from partitioner.units import DeviceId, PageName, Seconds

AT_LEAST = 20  # requests between two judgements
TOLERANCE = 0.15  # relative, or three times the noise where that is more
IN_A_ROW = 2
HASTY = 5  # requests between two judgements of a device that says that it is throttled; once is enough then
LEAST = Seconds(
    1e-4
)  # of predicted work: a stage that only passes tensors on tells nothing of how quick a device is
PATIENCE = Seconds(20.0)  # between two changes of one profile's scale
SIGMA = 0.6745  # half of the interquartile range of a normal distribution, in standard deviations
STRAIN = 0.5  # relative: the mean of a device's work moves with what runs beside it, so only this much counts
LONELY = Seconds(15.0)  # without a request that had the device for itself
HELD = Seconds(6.0)  # for which a device must be that slow


def heard(state: State, device: Device, reports: Sequence[StageReport], at: Moment) -> list[Command]:
    """Note what a device reports of its stages; return what follows when one has drifted."""
    said: list[Command] = []
    for report in reports[:MAX_STAGES_TOLD]:
        said += _note(state, device, report, at)
    return said


def forget(state: State) -> None:
    """Forget the stages of epochs that are no longer active."""
    for key in [key for key in state.watches if not _is_active(state.epochs.get((key[1], key[2])))]:
        del state.watches[key]
    for gone in [key for key in state.drifted if key not in state.profiles]:
        del state.drifted[gone]
    for known in (state.alone_at, state.strains):
        for over in [key for key in known if not _is_active(state.epochs.get(key[1]))]:
            del known[over]


def measured(state: State, record: EpochRecord) -> dict[PageName, Seconds]:
    """Return the median seconds of a request by page, as the entry of an epoch saw them of late."""
    return {
        key[3]: watch.report.total
        for key, watch in state.watches.items()
        if (key[1], key[2]) == record.key and _is_entry(record, key)
    }


def _is_active(record: EpochRecord | None) -> bool:
    return record is not None and record.state == ACTIVE and record.book is not None


def _is_entry(record: EpochRecord, key: WatchKey) -> bool:
    page = _page(record, key[3])
    return page is not None and page.stages[0].device == key[0]


def _page(record: EpochRecord, name: PageName) -> Page | None:
    pages = record.book.pages if record.book else ()
    return next((page for page in pages if page.name == name), None)


def _note(state: State, device: Device, report: StageReport, at: Moment) -> list[Command]:
    record = state.epochs.get((report.model, report.epoch))
    if record is None or not _is_active(record):
        return []
    page = _page(record, report.page)
    stages = {(stage.device, stage.first, stage.last) for stage in page.stages} if page else set()
    if page is None or (device.name, report.first, report.last) not in stages:
        return []
    key = (device.name, report.model, report.epoch, report.page, report.first, report.last)
    if key not in state.watches and len(state.watches) >= MAX_WATCHES:
        return []
    state.alone_at[device.name, record.key] = at.now
    before = state.watches.get(key, Watch(report))
    if report.count < before.judged:  # the agent began anew
        before = Watch(report)
    if report.count - before.judged < (HASTY if _is_throttled(device) else AT_LEAST):
        state.watches[key] = dataclasses.replace(before, report=report)
        return []
    return _judge(state, key, dataclasses.replace(before, report=report, judged=report.count), page, at)


def _is_throttled(device: Device) -> bool:
    return device.telemetry is not None and device.telemetry.throttled


def _judge(state: State, key: WatchKey, watch: Watch, page: Page, at: Moment) -> list[Command]:
    """Hold a stage against its page; follow the profile's scale when it was off often enough in a row."""
    device, model, epoch = key[:3]
    profile_key = (*state.epochs[model, epoch].runs_on(device), device)
    record = state.profiles.get(profile_key)
    expected = _expected(state, page, key, record)
    if record is None or expected < LEAST or watch.report.median <= 0:
        state.watches[key] = dataclasses.replace(watch, streak=0)
        return []
    planned, allowed = state.epochs[model, epoch].scale_of(device), _allowed(record, page)
    scale = _snapped(planned * watch.report.median / expected, planned, allowed)
    off = abs(scale / record.scale - 1.0) > allowed
    state.watches[key] = dataclasses.replace(watch, streak=watch.streak + 1 if off else 0)
    often = 1 if _is_throttled(state.devices[device]) else IN_A_ROW
    if state.watches[key].streak < often or at.now - state.drifted.get(profile_key, -PATIENCE) < PATIENCE:
        return []
    seconds = {"predicted_after": expected, "measured_after": watch.report.median}
    return _follow(
        state, state.epochs[model, epoch], device, (scale, _sentence(watch.report, expected)), at, **seconds
    )


def _follow(
    state: State, epoch: EpochRecord, device: DeviceId, found: tuple[float, str], at: Moment, **seconds: float
) -> list[Command]:
    """Put the scale that was found into a device's profile of a model, and tell it with its cause."""
    scale, why = found
    key = (*epoch.runs_on(device), device)
    state.drifted[key] = at.now
    new = dataclasses.replace(state.profiles[key], scale=scale, drift="" if scale == 1.0 else why)
    state.profiles[key] = new
    about: dict[str, Any] = {"device": device, "model": epoch.model, "epoch": epoch.epoch, **seconds}
    message = "as it was measured again" if scale == 1.0 else f"{scale:.2f} times what was measured"
    told = changes.note(state, "drift", why, at, message=message, **about)
    return [KeepProfile(at.cause, *epoch.runs_on(device), new), told]


# --- a device that is never alone -------------------------------------------------------------------------


def strained(state: State, device: Device, reports: Sequence[LoadReport], at: Moment) -> list[Command]:
    """Note what a device's work shows where no request has it for itself, so that no stage is told of."""
    said: list[Command] = []
    for report in reports[:MAX_STAGES_TOLD]:
        record = state.epochs.get((report.model, report.epoch))
        if record is not None and _is_active(record):
            said += _strain(state, device, record, at)
    return said


def _strain(state: State, device: Device, record: EpochRecord, at: Moment) -> list[Command]:
    """Follow a device that has been far slower for a while than any page says: by the mean of its work."""
    key = (device.name, record.key)
    profile_key = (*record.runs_on(device.name), device.name)
    load, profile = state.loads.get(key), state.profiles.get(profile_key)
    expected = _longest(state, device, record, profile)
    slow = load is not None and load.runs > 0 and load.busy > (1.0 + STRAIN) * expected * load.runs
    if (
        load is None
        or profile is None
        or expected < LEAST
        or not slow
        or at.now - state.alone_at.get(key, -LONELY) < LONELY
    ):
        state.strains.pop(key, None)
        return []
    took = load.busy / load.runs
    scale = record.scale_of(device.name) * took / expected
    since = state.strains.setdefault(key, at.now)
    drifted_at = state.drifted.get(profile_key, -PATIENCE)
    known = abs(scale / profile.scale - 1.0) <= STRAIN
    if known or at.now - since < HELD or at.now - drifted_at < PATIENCE:
        return []
    why = (
        f"always busy, {took * 1e3:.1f} ms a run of {record.model}, predicted {expected * 1e3:.1f} ms at most"
    )
    return _follow(
        state, record, device.name, (scale, why), at, predicted_after=expected, measured_after=took
    )


def _longest(state: State, device: Device, record: EpochRecord, profile: ProfileRecord | None) -> float:
    """Return the predicted seconds of work of the page that gives a device most to do."""
    pages = record.book.pages if record.book else ()
    here = [page for page in pages if any(s.device == device.name and s.first < s.last for s in page.stages)]
    keys = [(device.name, record.model, record.epoch, page.name, 0, 0) for page in here]
    return max((_expected(state, *pair, profile) for pair in zip(here, keys, strict=True)), default=0.0)


def _snapped(scale: float, planned: float, allowed: float) -> float:
    """Return a scale, or the one that was planned with (or 1) where it is no further off than is allowed."""
    for known in (planned, 1.0):
        if abs(scale / known - 1.0) <= allowed:
            return known
    return scale


def _expected(state: State, page: Page, key: WatchKey, record: ProfileRecord | None) -> float:
    """Return the predicted seconds of decoding, computing and encoding.

    A prediction also holds what a request and its messages cost beside these, which a stage does not report.
    """
    is_board = state.devices[key[0]].hello.role == "board"
    prediction = page.prediction
    seconds = prediction.board if is_board else prediction.cloud - prediction.wait
    if record is None:
        return seconds
    planned = state.epochs[key[1], key[2]].scale_of(key[0])
    beside = record.profile.overhead + _messages(page.prediction, record.profile, is_board)
    return seconds - planned * beside


def _messages(prediction: Prediction, profile: DeviceProfile, is_board: bool) -> float:
    """Return the seconds that a device itself takes to send and receive what a page moves."""
    if not prediction.uplink:
        return 0.0
    up, down = prediction.bytes_up, prediction.bytes_down
    sent, received = (up, down) if is_board else (down, up)
    fixed = profile.send_message + profile.receive_message
    return fixed + sent * profile.send_byte + received * profile.receive_byte


def _allowed(record: ProfileRecord, page: Page) -> float:
    """Return how far a stage may be off, relative: noise is no drift."""
    whole, prediction = record.profile.whole, page.prediction
    noise = whole.spread / SIGMA / whole.median if whole.median > 0 else 0.0
    uncertainty = prediction.spread / prediction.latency if prediction.latency > 0 else 0.0
    return max(TOLERANCE, 3.0 * max(noise, uncertainty))


def _sentence(report: StageReport, expected: float) -> str:
    off = report.median / expected - 1.0
    return (
        f"page {report.page} of epoch {report.epoch} takes {report.median * 1e3:.1f} ms here, "
        f"predicted {expected * 1e3:.1f} ms ({off:+.0%}, after {report.count} requests)"
    )
