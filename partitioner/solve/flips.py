"""What would change the decision: the nearest speed of a device, or rate of a link, at which a rival is as good.

Law: arithmetic over costs that are known; no layout is costed again. With u = 1 / factor, the value of a layout is
A + B u + C max(M, m u): B is what is spent on the device (or on the link, both directions), C the weight of the
bottleneck, m the largest busy time that scales and M the largest that does not. Two such functions are compared on
each piece where they are straight, so every crossing is exact (delays do not scale with a rate).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from partitioner.solve.plans import Alternative, Costs, Flip, Plan
from partitioner.solve.prices import second_price
from partitioner.solve.problem import HopKey, Problem
from partitioner.units import DeviceId

TIE = 1e-9
FARTHEST = (
    1e3  # a speed or rate a thousand times another is another device or link, and nobody's next decision
)
ROUNDING = 1e-12  # relative to the values: two lines that differ by less along a piece do not cross there


@dataclass(frozen=True)
class _Line:
    """A value as a function of u."""

    fixed: float
    slope: float
    bottleneck: float
    still: float
    scaling: float

    def at(self, u: float) -> float:
        """Return the value at u."""
        return self.fixed + self.slope * u + self.bottleneck * max(self.still, self.scaling * u)

    @property
    def bend(self) -> float:
        """Where what scales becomes the bottleneck."""
        return self.still / self.scaling if self.scaling > 0 and self.bottleneck > 0 else math.inf


def flips_of(problem: Problem, plan: Plan, rivals: Sequence[Alternative]) -> tuple[Flip, ...]:
    """Return, for each device and link, the nearest factors below and above 1 at which a feasible rival is as good."""
    feasible = [one for one in rivals if not one.why_not]
    known = [plan.costs, *(one.costs for one in feasible)]
    flips: list[Flip] = []
    busy = {name for costs in known for name in costs.busy}
    for device in (one for one in problem.devices if one.name in busy):
        lines = [_device_line(problem, costs, device.name) for costs in known]
        flips.extend(_nearest(f"speed of {device.name}", lines, feasible))
    used = {hop for costs in known for hop in costs.hop_busy}
    for pair in (one for one in _links(problem) if not used.isdisjoint((one, one[::-1]))):
        lines = [_link_line(problem, costs, pair) for costs in known]
        flips.extend(_nearest(f"rate of {pair[0]} -> {pair[1]}", lines, feasible))
    return tuple(sorted(flips, key=lambda flip: abs(math.log(flip.factor))))


def _links(problem: Problem) -> list[HopKey]:
    place = {device.name: index for index, device in enumerate(problem.devices)}
    known = (hop for hop in problem.hops if hop[0] in place and hop[1] in place)
    return [(tail, head) for tail, head in known if place[tail] < place[head]]


def _device_line(problem: Problem, costs: Costs, name: DeviceId) -> _Line:
    own = costs.busy.get(name, 0.0)
    others = [seconds for other, seconds in costs.busy.items() if other != name]
    still = max([*others, *costs.hop_busy.values()], default=0.0)
    slope = second_price(problem.objective, problem.device(name)) * own
    return _line(problem, costs, slope, still, own)


def _link_line(problem: Problem, costs: Costs, pair: HopKey) -> _Line:
    both = (pair, (pair[1], pair[0]))
    own = [costs.hop_busy.get(hop, 0.0) for hop in both]
    others = [seconds for hop, seconds in costs.hop_busy.items() if hop not in both]
    still = max([*others, *costs.busy.values()], default=0.0)
    radios = sum(problem.device(name).radio_watts for name in pair)
    slope = (problem.objective.latency + problem.objective.energy * radios) * sum(own)
    return _line(problem, costs, slope, still, max(own))


def _line(problem: Problem, costs: Costs, slope: float, still: float, scaling: float) -> _Line:
    objective = problem.objective
    additive = objective.latency * costs.latency + objective.energy * costs.energy
    additive += objective.egress * costs.egress
    return _Line(additive - slope, slope, objective.bottleneck, still, scaling)


def _nearest(what: str, lines: Sequence[_Line], rivals: Sequence[Alternative]) -> Iterator[Flip]:
    """Yield the nearest flip on either side; `lines` are the plan's and then the rivals'."""
    slower: list[tuple[float, str]] = []
    faster: list[tuple[float, str]] = []
    for line, rival in zip(lines[1:], rivals, strict=True):
        for u, slope in _crossings(lines[0], line):
            if slope < 0 and u > 1 - TIE:  # the rival wins beyond it; a rival that ties wins at once
                slower.append((max(u, 1.0), rival.label))
            elif slope > 0 and u < 1 + TIE:
                faster.append((min(u, 1.0), rival.label))
    if slower and min(slower)[0] <= FARTHEST:
        yield Flip(what, 1 / min(slower)[0], min(slower)[1])
    if faster and max(faster)[0] >= 1 / FARTHEST:
        yield Flip(what, 1 / max(faster)[0], max(faster)[1])


def _crossings(plan: _Line, rival: _Line) -> Iterator[tuple[float, float]]:
    """Yield every u > 0 at which one of the two becomes the better, with the slope of (rival - plan) there."""
    bends = sorted({bend for bend in (plan.bend, rival.bend) if 0 < bend < math.inf})
    edges = [0.0, *bends, (bends[-1] if bends else 1.0) * 2]
    for index, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        at_low, at_high = rival.at(low) - plan.at(low), rival.at(high) - plan.at(high)
        slope = (at_high - at_low) / (high - low)
        if abs(at_high - at_low) <= ROUNDING * max(rival.at(high), plan.at(high)):
            continue
        u = low - at_low / slope
        last = index == len(edges) - 2
        if u > 0 and low <= u and (last or u < high):
            yield u, slope
