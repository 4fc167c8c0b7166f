"""What a label remembers, column by column, and what devices that come twice add to it.

Law: names of columns and plain lookups; no cost is added up here, and nothing is searched. A label is a row of
float64: the sums that matter, the bottleneck so far, the load of the present device, and, only where a given order
uses a device or a directed hop more than once, what must be remembered until it is used again: its busy seconds,
its weights, activations and which shared weights it holds already, and which outputs were promised to be made
before the entry comes again (they go home that way, see `problem.py`).

`equal` columns are identities, not costs: only labels that agree in them are compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from partitioner.solve.metrics import Metrics
from partitioner.solve.problem import HopKey, Problem
from partitioner.solve.segments import WeightsOf, too_small
from partitioner.units import DeviceId

MOST_BITS = 50  # shared weights that one column can tell apart (a float64 is exact to 2^53): the largest
NONE = -1


@dataclass(frozen=True)
class Held:
    """Columns of the memory of a device that comes twice: bytes of weights, largest activation, shared weights."""

    weights: int
    peak: int
    shared: int


@dataclass(frozen=True)
class Columns:
    """Where each thing is in a label; `NONE`, or not listed, where it is not remembered."""

    sums: int
    peak: int
    load: int
    busy: dict[DeviceId, int]
    hops: dict[HopKey, int]
    held: dict[DeviceId, Held]
    promise: int
    equal: tuple[int, ...]
    count: int


def columns_of(problem: Problem, metrics: Metrics, weights: WeightsOf) -> Columns:
    """Return the columns that labels of `problem` need."""
    count = len(metrics.sums)
    peak, count = (count, count + 1) if metrics.weight > 0 else (NONE, count)
    load, count = (count, count + 1) if metrics.loads else (NONE, count)
    order = problem.order or ()
    twice = [name for name, times in Counter(order).items() if times > 1]
    busy = {name: count + index for index, name in enumerate(twice if metrics.loads else ())}
    count += len(busy)
    hops = {key: count + index for index, key in enumerate(_hops_used_twice(order) if metrics.loads else ())}
    count += len(hops)
    held: dict[DeviceId, Held] = {}
    for name in twice:
        if too_small(problem, problem.device(name), weights):
            held[name] = Held(count, count + 1, count + 2)
            count += 3
    equal = tuple(one.shared for one in held.values())
    promise = NONE
    if problem.entry in order[1:]:
        promise, equal, count = count, (*equal, count), count + 1
    return Columns(len(metrics.sums), peak, load, busy, hops, held, promise, equal, count)


def _hops_used_twice(order: tuple[DeviceId, ...]) -> list[HopKey]:
    """Return the directed hops that more than one boundary may use; a boundary may use its hop home too."""
    used: Counter[HopKey] = Counter()
    for near, far in pairwise(order):
        if near != far:
            used.update([(near, far), (far, near)])
    return [key for key, times in used.items() if times > 1]
