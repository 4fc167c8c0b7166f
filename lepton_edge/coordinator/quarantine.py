"""Devices that flap, or fail what they are given, get no new work for a while: 30 s, then twice that, up to 30 minutes.

Law: pure; times come in. It ends by time or by a person's word; entries go on using what works there meanwhile. A
device that behaves for as long as twice its last pause, ten minutes at least, begins anew.
"""

from __future__ import annotations

from lepton_edge.coordinator import changes
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.standing import FLAP_WINDOW, FLAPS, Conduct
from lepton_edge.coordinator.state import Device, Moment, State
from lepton_edge.core.errors import BY_CODE, Unavailable
from lepton_edge.core.frames import WireError
from partitioner.units import DeviceId, Seconds

FIRST_PAUSE, LONGEST_PAUSE = Seconds(30.0), Seconds(1800.0)
FORGIVEN = Seconds(600.0)  # without trouble, at least
FAILURES = 3  # prepares in a row
EXCUSED = frozenset({"stale_epoch", "overloaded", "not_leader"})
"""What a device that is well may answer to a prepare; and whatever is the fault of the model or of who calls."""


def lost(state: State, device: Device, at: Moment) -> list[Command]:
    """Note that a device was lost; one that is drained may come and go."""
    if device.name in state.drains or at.now <= state.excused_until:
        return []
    conduct = _conduct(state, device.name, at.now)
    conduct.lost.append(at.now)
    conduct.trouble = at.now
    if len(conduct.lost) < FLAPS or at.now - conduct.lost[0] > FLAP_WINDOW:
        return []
    conduct.lost.clear()
    return _begin(state, device, f"it was lost {FLAPS} times within {FLAP_WINDOW:.0f} s", at)


def prepared(state: State, device: Device, error: WireError | None, at: Moment) -> list[Command]:
    """Note how preparing an epoch ended."""
    if error is None:
        if device.name in state.conduct:
            state.conduct[device.name].failed = 0
        return []
    if error.code in EXCUSED or _fault(error) in ("caller", "model"):
        return []
    conduct = _conduct(state, device.name, at.now)
    conduct.failed, conduct.trouble = conduct.failed + 1, at.now
    if conduct.failed < FAILURES:
        return []
    conduct.failed = 0
    return _begin(state, device, f"it failed to prepare {FAILURES} times: {error.message}", at)


def _fault(error: WireError) -> str:
    """Return whose fault an error is: as its code says here, and for a code that is not known, as it was told."""
    kind = BY_CODE.get(error.code)
    return kind.fault if kind is not None else error.fault


def _conduct(state: State, device: DeviceId, now: Seconds) -> Conduct:
    """Return what is known of a device's conduct; what is long ago is forgiven."""
    conduct = state.conduct.setdefault(device, Conduct())
    if conduct.pauses and now - max(conduct.until, conduct.trouble) > max(
        FORGIVEN, 2 * pause(conduct.pauses)
    ):
        conduct.pauses = conduct.failed = 0
    return conduct


def pause(count: int) -> Seconds:
    """Return how long the quarantine number `count` (from 1) lasts."""
    return Seconds(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10)))


def _begin(state: State, device: Device, why: str, at: Moment) -> list[Command]:
    conduct = state.conduct[device.name]
    if conduct.until > at.now:
        return []  # it is in quarantine: a pause is not made longer by what it does meanwhile
    conduct.pauses += 1
    length = pause(conduct.pauses)
    conduct.until, conduct.why = Seconds(at.now + length), why
    if device.retry_at is not None:
        device.retry_at = conduct.until
    told = f"nothing is placed there for {length:.0f} s"
    return [changes.note(state, "device", why, at, message=told, device=device.name, after="quarantined")]


def is_in(state: State, device: DeviceId, now: Seconds) -> bool:
    """Return whether a device is in quarantine."""
    conduct = state.conduct.get(device)
    return conduct is not None and conduct.until > now


def refusal(state: State, device: DeviceId, now: Seconds) -> Unavailable:
    """Return the error for who wants to place something there by name."""
    conduct = state.conduct[device]
    return Unavailable(
        f"{device} is in quarantine for {conduct.until - now:.0f} s more: {conduct.why}",
        f"wait, or let it take part now: lepton-edge device drain {device} --undo",
    )


def told(state: State, now: Seconds) -> str:
    """Return who of those that are attached is in quarantine, for how long and why; empty for nobody."""
    there = [device.name for device in state.connected() if is_in(state, device.name, now)]
    each = (
        f"{name} for {state.conduct[name].until - now:.0f} s more ({state.conduct[name].why})"
        for name in there
    )
    return ", ".join(each)


def release(state: State, device: DeviceId) -> bool:
    """End a quarantine and forget what led to it; return whether there was one to speak of."""
    return state.conduct.pop(device, None) is not None
