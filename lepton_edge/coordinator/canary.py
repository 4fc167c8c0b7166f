"""A new version that a share of the requests tries, and the version before, which is kept prepared to go back to.

Law: pure; times come in. A canary's epoch is READY on its devices, and only its entry knows that a share of the
requests tries it; the ACTIVE one answers the others meanwhile, so that both are measured on the same hours. It is
promoted after enough answers that are no worse, and called off when a device is lost or drained, requests fail on it,
or they surely (by three standard errors) take more than 1 / 0.9 of what they take beside it. All of it is written
down (`beside`) and goes on after a restart of the coordinator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lepton_edge.coordinator import beside, changes, epochs, judging, requests
from lepton_edge.coordinator.adaptation import Target
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.records import ACTIVE, READY, EpochKey, EpochRecord
from lepton_edge.coordinator.standing import Canary
from lepton_edge.coordinator.state import Deployment, Device, Moment, State
from lepton_edge.core.changes import PENDING, ROLLED_BACK
from lepton_edge.core.errors import NotFound
from lepton_edge.core.messages import EpochReport
from partitioner.units import DeviceId, Seconds

ENOUGH = 100  # answers on the new version after which it is promoted, where nobody said how many
FEW = 20  # answers on either, before which their times are not compared
FAILURES = 2  # on the new version, that are no accident
FAILING = 0.02  # share of failed requests beyond the old version's
AGREED = math.log(1 / 0.9)  # the logarithm of how many times as long requests may take on the new version
SURE = 3.0  # standard errors by which it must be slower than that
GRACE = Seconds(5.0)  # beyond a lease, after a restart, until who is not there counts as lost
LONGEST = Seconds(86_400.0)  # of a trial; what nobody asks for is not proven


# --- trying ---------------------------------------------------------------------------------------


def is_wanted(state: State, run: Deployment) -> bool:
    """Return whether a deployment's epoch is to be tried before it is activated: there is one that it would replace."""
    return run.request.canary > 0 and not run.back and state.active_epoch(*run.target) is not None


def begin(state: State, run: Deployment, at: Moment) -> list[Command]:
    """A share of the requests tries the deployment's epoch from now on."""
    new, old = run.record, state.active_epoch(*run.target)
    assert new is not None, "only what is prepared can be tried"
    said = call_off(state, run.target, "another version is tried instead", at)
    said += forget(state, run.target, at)  # two versions are enough for a device's memory
    if old is None:
        return said
    enough = run.request.canary_requests or ENOUGH
    share = run.request.canary
    state.canaries[run.target] = Canary(new.key, old.key, share, enough, at.now)
    said.append(beside.noted(state, run.target, at))
    told = changes.note(
        state, "deploy", "a person has it tried", at, model=new.model, device=new.board or new.cloud,
        epoch=new.epoch, message=f"{share:.0%} of the requests try version {new.version} until {enough} are answered",
        before=f"epoch {old.epoch}", after=f"epoch {new.epoch} beside it",
    )  # fmt: skip
    return [*said, told]


def judge(state: State, at: Moment) -> list[Command]:
    """Look at every canary: call off what is worse, and mark as proven what may be promoted."""
    said: list[Command] = []
    for target, canary in list(state.canaries.items()):
        new, old = _fares(canary)
        why = _amiss(state, canary, at.now) or _worse(new, old)
        if why:
            said += call_off(state, target, why, at)
            continue
        canary.proven = new.answered >= canary.enough and _slower(new, old) <= AGREED
    return said


def heard(state: State, device: Device, told: tuple[EpochReport, ...], at: Moment) -> list[Command]:
    """Note how requests fare on what is tried and beside it, as its entry tells."""
    said: list[Command] = []
    for target, canary in state.canaries.items():
        record = state.epochs.get(canary.new)
        if record is None or device.name != (target[1] or record.cloud):
            continue
        begun = canary.begun
        for report in told:
            key = (report.model, report.epoch)
            if key == canary.old and canary.begun is None:
                canary.begun = report
            if key in (canary.old, canary.new):
                canary.told[key] = report
        if canary.begun is not begun:
            said.append(beside.noted(state, target, at))
    return said


def _amiss(state: State, canary: Canary, now: Seconds) -> str:
    """Return why a canary cannot go on, "" where it can."""
    new, old = state.epochs.get(canary.new), state.epochs.get(canary.old)
    if new is None or new.state != READY:
        return "it is no longer prepared"
    if old is None or old.state != ACTIVE:
        return "the version beside it is no longer active"
    if lost := _lost(state, new, now):
        return f"{lost} was lost"
    return f"not proven within {LONGEST / 3600:.0f} h" if _tried_for(state, canary, now) > LONGEST else ""


def _tried_for(state: State, canary: Canary, now: Seconds) -> float:
    """Return how long a version is tried: since before this process by dates, which may be wrong by a day at a start.

    So what was tried before counts as half of the longest at most: a wrong clock alone ends nothing.
    """
    began = state.began_at if state.began_at is not None else now
    return min(now - canary.since, LONGEST / 2 + now - began)


def _lost(state: State, record: EpochRecord, now: Seconds) -> str:
    """Return a device that no longer holds an epoch that it had ready, "" where all do.

    One that this coordinator never heard has as long as any to attach, once it began.
    """
    for name in record.ready:
        device = state.devices.get(name)
        awaited = device is not None and device.stream is None and device.heard <= 0.0
        if awaited and now - (state.began_at or now) <= state.settings.lease + GRACE:
            continue
        if device is None or device.stream is None or record.key not in device.epochs:
            return name
    return ""


@dataclass(frozen=True)
class _Fare:
    """Requests of one version while the new one is tried; `logs` and `squares` as in `EpochReport`."""

    answered: int = 0
    failed: int = 0
    logs: float = 0.0
    squares: float = 0.0
    slow: float = 0.0  # seconds of the second slowest of the last ten

    @property
    def failing(self) -> float:
        return self.failed / max(self.answered + self.failed, 1)

    @property
    def typical(self) -> float:
        """Seconds of a request: the geometric mean."""
        return math.exp(self.logs / self.answered) if self.answered else 0.0

    @property
    def doubt(self) -> float:
        """The variance of the mean logarithm."""
        mean = self.logs / self.answered
        return max(self.squares / self.answered - mean * mean, 0.0) / self.answered


def _fares(canary: Canary) -> tuple[_Fare, _Fare]:
    """Return how requests fared on the new version and on the one beside it, since the new one is tried."""
    new, old, begun = canary.told.get(canary.new), canary.told.get(canary.old), canary.begun
    fare = _Fare(new.answered, new.failed, new.logs, new.squares, new.slow) if new else _Fare()
    if old is None or begun is None or old.answered < begun.answered:
        return fare, _Fare()
    answered, failed = old.answered - begun.answered, old.failed - begun.failed
    logs, squares = old.logs - begun.logs, old.squares - begun.squares
    return fare, _Fare(answered, failed, logs, squares, old.slow)


def _worse(new: _Fare, old: _Fare) -> str:
    """Return in what way the new version is worse, "" where it is not, or not yet proven to be."""
    if new.failed >= FAILURES and new.failing > old.failing + FAILING:
        return f"{new.failed} of {new.answered + new.failed} requests failed on it"
    if min(new.answered, old.answered) < FEW:
        return ""
    if _slower(new, old) - SURE * math.sqrt(new.doubt + old.doubt) <= AGREED:
        return ""
    return (
        f"requests take {new.typical * 1e3:.1f} ms on it, {old.typical * 1e3:.1f} ms on the version beside it"
    )


def _slower(new: _Fare, old: _Fare) -> float:
    """Return the logarithm of how many times as long requests take on the new version; 0 where nobody can say."""
    if not new.answered or not old.answered:
        return 0.0
    return new.logs / new.answered - old.logs / old.answered


def call_off(state: State, target: Target, why: str, at: Moment) -> list[Command]:
    """Try a version no longer: its requests end on it, new ones all take the one beside it."""
    canary = state.canaries.pop(target, None)
    if canary is None:
        return []
    model, epoch = canary.new
    after, before = (Seconds(fare.typical) for fare in _fares(canary))
    told: Command = changes.note(
        state, "rollback", why, at, model=model, device=target[1], epoch=epoch, verdict=ROLLED_BACK,
        before=f"epoch {epoch} tried", after=f"epoch {canary.old[1]} alone",
        measured_before=before, measured_after=after,
    )  # fmt: skip
    record = state.epochs.get(canary.new)
    told_too = beside.noted(state, target, at)
    return [
        told,
        told_too,
        *(epochs.drain(state, record, at) if record is not None and record.state == READY else []),
    ]


def to_promote(state: State, at: Moment) -> tuple[Deployment, Command] | None:
    """Return the deployment that lets every request take a proven version; None where none is proven.

    Beside it: what has it written down that nothing is tried any more.
    """
    target = next((target for target, one in state.canaries.items() if one.proven), None)
    if target is None:
        return None
    canary = state.canaries.pop(target)
    record, (fare, _) = state.epochs[canary.new], _fares(canary)
    why = f"it proved itself on {fare.answered} requests, {fare.typical * 1e3:.1f} ms each"
    run = requests.activating(record, f"promote {record.model} {record.epoch}", why)
    return run, beside.noted(state, target, at)


# --- going back -----------------------------------------------------------------------------------


def keep(state: State, run: Deployment, old: EpochRecord, at: Moment) -> list[Command]:
    """End `old`, in whose place a deployment's epoch is active; if it is of another version, keep it to go back to."""
    said = forget(state, run.target, at)
    if run.record is None or old.version == run.record.version or not _is_room(state, old, at.now):
        return said + epochs.drain(state, old, at)
    state.kept[run.target] = old.key
    return [*said, beside.noted(state, run.target, at), *epochs.rest(state, old, at)]


def _is_room(state: State, record: EpochRecord, now: Seconds) -> bool:
    devices = [state.devices[name] for name in record.ready if name in state.devices]
    return not _lost(state, record, now) and not any(judging.is_short(one, judging.SPARE) for one in devices)


def forget(state: State, target: Target, at: Moment) -> list[Command]:
    """Keep the version before no longer."""
    key = state.kept.pop(target, None)
    if key is None:
        return []
    record, said = state.epochs.get(key), [beside.noted(state, target, at)]
    return [*said, *(epochs.drain(state, record, at) if record is not None and record.state == READY else [])]


def make_room(state: State, device: DeviceId, at: Moment) -> list[Command]:
    """Let go of what a device keeps prepared only to go back to it."""
    held = [target for target, key in state.kept.items() if key in state.epochs]
    there = [target for target in held if state.epochs[state.kept[target]].blocks_of(device)]
    return [command for target in there for command in forget(state, target, at)]


def leave(state: State, device: DeviceId, at: Moment) -> list[Command]:
    """Try and keep nothing on a device that shall run nothing."""
    there = [t for t, one in state.canaries.items() if _has_part(state, one.new, device)]
    said = [command for target in there for command in call_off(state, target, f"{device} is drained", at)]
    return said + make_room(state, device, at)


def _has_part(state: State, key: EpochKey, device: DeviceId) -> bool:
    record = state.epochs.get(key)
    return record is not None and bool(record.blocks_of(device))


def version_before(state: State, target: Target, now: Seconds) -> EpochRecord:
    """Return the version before. Raises NotFound when nobody holds it any more."""
    record = state.epochs.get(state.kept[target]) if target in state.kept else None
    if record is None or record.state != READY or _lost(state, record, now):
        raise NotFound(
            f"no version of {target[0]!r} before the active one is kept prepared",
            "push that file again and deploy it",
        )
    return record


def news(state: State, target: Target) -> dict[str, object] | None:
    """Return as plain data what is tried for a target, None where nothing is."""
    canary = state.canaries.get(target)
    if canary is None:
        return None
    fares = dict(zip(("tried", "beside"), _fares(canary), strict=True))
    return {
        "epoch": canary.new[1],
        "version": state.epochs[canary.new].version if canary.new in state.epochs else "",
        "share": canary.share,
        "enough": canary.enough,
        "verdict": PENDING,
        **{
            name: {
                "answered": fare.answered,
                "failed": fare.failed,
                "typical": fare.typical,
                "slow": fare.slow,
            }
            for name, fare in fares.items()
        },
    }
