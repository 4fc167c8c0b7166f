"""How busy devices are, by model and board, and how long one then waits there for the others.

Law: pure; times come in. Agents tell the seconds of work that each epoch cost them so far; what they add up to is
differentiated on this clock and averaged over `MEMORY` seconds, so that a device that went silent counts as idle soon.

The wait is that of a queue of Poisson arrivals and constant service before `c` workers, by Sakasegawa's formula
(Ann. Inst. Stat. Math. 29, 1977): rho ^ (sqrt(2 (c + 1)) - 1) / (c (1 - rho)) x service / 2; with one worker it is
exactly Pollaczek and Khinchine's M/D/1, rho / (2 (1 - rho)) x service. Only the others count: what one sends oneself
is in one's own queue, which the entry sees.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from lepton_edge.coordinator.limits import MAX_LOADS, MAX_LOADS_TOLD
from lepton_edge.coordinator.records import CloudLoad, EpochRecord, PlanOrder, Share
from lepton_edge.coordinator.state import Device, Load, State
from lepton_edge.core.messages import LoadReport
from partitioner.units import DeviceId, ModelName, Seconds

MEMORY = Seconds(10.0)
SETTLED = Seconds(20.0)
"""So long after an epoch moved onto a device, or off it, its load is not known well."""
FULLEST = 0.95
"""More than this counts as this: beyond, a wait has no bound, and a measured share is not that exact."""
NOTICED = 0.01  # a share of a device below this is nothing to speak of


# --- what is heard --------------------------------------------------------------------------------


def heard(state: State, device: Device, reports: Sequence[LoadReport], now: Seconds) -> None:
    """Note what a device tells of its work."""
    for report in reports[:MAX_LOADS_TOLD]:
        key = (device.name, (report.model, report.epoch))
        known = state.loads.get(key)
        if known is not None or len(state.loads) < MAX_LOADS:
            state.loads[key] = _next(known, report, now)


def _next(known: Load | None, report: LoadReport, now: Seconds) -> Load:
    """Return the averages after a report; an agent that began anew counts from 0 again."""
    if known is None or report.runs < known.told.runs or now <= known.at:
        return Load(report, now)
    passed = now - known.at
    kept = math.exp(-passed / MEMORY)
    busy, runs = (report.busy - known.told.busy) / passed, (report.runs - known.told.runs) / passed
    return Load(report, now, kept * known.busy + (1 - kept) * busy, kept * known.runs + (1 - kept) * runs)


def forget(state: State, now: Seconds) -> None:
    """Forget what was not told of for so long that nothing of it is left."""
    for key in [key for key, load in state.loads.items() if now - load.at > 10 * MEMORY]:
        del state.loads[key]
    for name in [name for name, at in state.moved_at.items() if now - at > SETTLED]:
        del state.moved_at[name]


# --- how busy a device is -------------------------------------------------------------------------


def shares(state: State, device: DeviceId, now: Seconds) -> tuple[Share, ...]:
    """Return which part of a device's time each model takes, of the boards that use it; the largest first."""
    found: dict[tuple[ModelName, DeviceId], float] = {}
    for load, record in _on(state, device):
        key = record.model, record.board
        found[key] = found.get(key, 0.0) + _faded(load, now) * load.busy / workers(state, device)
    told = [Share(model, board, part) for (model, board), part in found.items() if part >= NOTICED]
    return tuple(sorted(told, key=lambda share: (-share.part, share.model, share.board)))


def utilisation(state: State, device: DeviceId, now: Seconds) -> float:
    """Return which part of a device's time requests take, of 0 to 1 and a little more where it is overloaded."""
    return sum(_faded(load, now) * load.busy for load, _ in _on(state, device)) / workers(state, device)


def workers(state: State, device: DeviceId) -> int:
    """Return how many computations a device does at a time, as far as it told."""
    known = state.devices.get(device)
    return max(1, known.telemetry.workers) if known and known.telemetry else 1


def _on(state: State, device: DeviceId) -> list[tuple[Load, EpochRecord]]:
    found = [(load, state.epochs.get(key)) for (name, key), load in state.loads.items() if name == device]
    return [(load, record) for load, record in found if record is not None]


def _faded(load: Load, now: Seconds) -> float:
    return math.exp(-max(0.0, now - load.at) / MEMORY)


# --- what that costs others -----------------------------------------------------------------------


def of_others(state: State, device: DeviceId, model: ModelName, board: DeviceId, now: Seconds) -> CloudLoad:
    """Return how busy a device is with everything but a model of a board, and how long one waits there for that."""
    busy = runs = 0.0
    for load, record in _on(state, device):
        if (record.model, record.board) != (model, board):
            busy, runs = busy + _faded(load, now) * load.busy, runs + _faded(load, now) * load.runs
    count = workers(state, device)
    service = Seconds(busy / runs if runs else 0.0)
    by = tuple(one for one in shares(state, device, now) if (one.model, one.board) != (model, board))
    return CloudLoad(device, busy / count, wait(busy / count, service, count), count, by)


def wait(part: float, service: Seconds, count: int) -> Seconds:
    """Return the seconds that one waits where `count` workers are busy for this part of their time.

    `service` is the seconds of one of the others' runs.
    """
    rho = min(max(part, 0.0), FULLEST)
    return Seconds(rho ** (math.sqrt(2 * (count + 1)) - 1) / (count * (1 - rho)) * service / 2)


def counted(
    state: State, order: PlanOrder, cloud: DeviceId | None, board: DeviceId | None, now: Seconds
) -> PlanOrder:
    """Return an order that knows what others' requests cost on its cloud, where they are to be noticed."""
    if not cloud:
        return order
    load = of_others(state, cloud, order.model, board or DeviceId(""), now)
    return order if load.part < NOTICED else dataclasses.replace(order, load=load)


# --- one after the other --------------------------------------------------------------------------


def moved(state: State, record: EpochRecord, now: Seconds) -> None:
    """Note that an epoch begins or ends to use its devices."""
    for hold in record.holds:
        state.moved_at[hold.device] = now


def is_settled(state: State, devices: Sequence[DeviceId], now: Seconds) -> bool:
    """Return whether the load of these devices is known since the last epoch moved onto or off one of them.

    Who replans boards that share a cloud does one at a time, and waits for this in between: else all of them would
    leave a busy cloud at once, and return at once when they find it idle.
    """
    return all(now - state.moved_at.get(name, Seconds(-math.inf)) >= SETTLED for name in devices)
