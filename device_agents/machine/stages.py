"""What stages took of late: medians for the coordinator, which holds them against its plan.

Law: pure, and bounded in stages and in requests of each. Only requests that had the device for themselves count:
a queue is load, not a slower device.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from device_agents.machine.events import EpochKey
from lepton_edge.core.messages import StageReport
from partitioner.units import PageName, Seconds

WINDOW = 32
ENOUGH = 8  # requests, before the quickest of them says how quick this stage can be
FRESH = Seconds(10.0)  # a device that was slow a while ago may be quick again
MAX_STAGES = 64

StageKey = tuple[EpochKey, PageName, int, int]


@dataclass
class StageTimes:
    """The last requests of one stage: seconds of work, seconds from arrival to answer; `told` of `count`.

    The newest was noted at `noted_at`.
    """

    count: int = 0
    told: int = 0
    busy: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    totals: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    noted_at: float = 0.0


Stages = OrderedDict[StageKey, StageTimes]


def note(stages: Stages, key: StageKey, busy: float, total: float, now: float) -> None:
    """Add a request; the stage that was longest without one gives way where there are too many."""
    times = stages.setdefault(key, StageTimes())
    stages.move_to_end(key)
    times.count += 1
    times.noted_at = now
    times.busy.append(busy)
    times.totals.append(total)
    if len(stages) > MAX_STAGES:
        stages.popitem(last=False)


def quickest(stages: Stages, key: StageKey, now: float) -> Seconds:
    """Return the least time of work that this stage took of late; 0 where that is not known well."""
    times = stages.get(key)
    if times is None or len(times.busy) < ENOUGH or now - times.noted_at > FRESH:
        return Seconds(0.0)
    return Seconds(min(times.busy))


def reports(stages: Stages) -> tuple[StageReport, ...]:
    """Return what is new since this was asked last."""
    new = [(key, times) for key, times in stages.items() if times.count > times.told]
    for _, times in new:
        times.told = times.count
    return tuple(_report(key, times) for key, times in new)


def all_reports(stages: Stages) -> tuple[StageReport, ...]:
    """Return what is known of every stage, told before or not."""
    return tuple(_report(key, times) for key, times in stages.items())


def _report(key: StageKey, times: StageTimes) -> StageReport:
    (model, epoch), page, first, last = key
    low, median, high = (_quantile(times.busy, share) for share in (0.25, 0.5, 0.75))
    total = Seconds(_quantile(times.totals, 0.5))
    spread = Seconds((high - low) / 2)
    return StageReport(model, epoch, page, first, last, times.count, Seconds(median), spread, total)


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of `values` lie, between two of them in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
