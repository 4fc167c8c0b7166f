"""The least bottleneck of a chain over linked devices: the cost model of PipeEdge (Hu et al., DSD 2022).

Law: pure, and a room of its own beside `loads.py`, since here a link is a resource too: it is paid by nobody's load,
it works beside both devices, and what it takes depends on both. Devices are of kinds; two devices of one kind are
alike in everything that this model knows (times, memory, bandwidth), so only their number is remembered.

f[m, k, j] is the least bottleneck of layers 0..j-1 on devices m (how many of each kind), the last one of kind k:
the minimum over i < j and the kind h before k of max(f[m - k, h, i], link of tensor i from h to k, stage i..j on k).
PipeEdge's own scheduler looks devices up by the number of their kind, and so misses the optimum of its own example.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.workload import Part, Split, check_numbers

MOST_STATES = 2_000  # multisets of devices
MOST_WORK = 2e9  # multisets x pairs of kinds x pairs of layers

Floats = NDArray[np.float64]
Step = tuple[int, int]  # first layer of the last stage; kind of the stage before, -1 for none


@dataclass(frozen=True)
class LinkedKind:
    """Devices that are alike: `count` of them, seconds by layer, bytes of memory, bytes per second."""

    name: str
    count: int
    times: tuple[float, ...]
    memory: float = math.inf
    rate: float = math.inf


@dataclass(frozen=True)
class Chain:
    """Layers in a row, each feeding the next only.

    Attributes:
        tensors: bytes of what enters layer 0, then of what each layer makes; one more than there are layers.
        weights: bytes that each layer holds.
        kinds: the devices. The link between two devices has the smaller of their rates.
        copies_in: how many copies of its input a stage holds, and how many more unless it is the first.
        copies_out: how many copies of its output it holds.
    """

    tensors: tuple[float, ...]
    weights: tuple[float, ...]
    kinds: tuple[LinkedKind, ...]
    copies_in: tuple[int, int] = (1, 2)
    copies_out: int = 3


@dataclass(frozen=True)
class _Table:
    """f, and how each entry came about: [multisets, kinds, layers + 1]."""

    counts: list[tuple[int, ...]]
    best: Floats
    first: NDArray[np.intp]
    before: NDArray[np.intp]


def least_chain_bottleneck(chain: Chain) -> Split:
    """Return the split with the least largest time of any stage or link; it is optimal.

    Raises:
        InvalidProblem: the chain contradicts itself, or has too many different devices.
        NoFeasiblePlan: memory leaves no split.
    """
    _check(chain)
    layers = len(chain.weights)
    if not layers:
        return Split((), 0.0, 0.0, "down-sets", 1)
    table = _fill(chain)
    state, kind = np.unravel_index(int(np.argmin(table.best[:, :, layers])), table.best.shape[:2])
    bottleneck = float(table.best[state, kind, layers])
    if not math.isfinite(bottleneck):
        raise NoFeasiblePlan(*_blame(chain))
    parts = tuple(_trace(chain, table, int(state), int(kind)))
    return Split(parts, bottleneck, bottleneck, "down-sets", layers + 1)


def stage_times(chain: Chain, kind: LinkedKind) -> Floats:
    """Return the seconds of layers i..j-1 on a device of `kind`, [i, j]; infinite where they do not fit."""
    work = np.concatenate([[0.0], np.cumsum(kind.times)])
    held = np.concatenate([[0.0], np.cumsum(chain.weights)])
    tensors = np.array(chain.tensors)
    copies = np.full(len(work), sum(chain.copies_in))
    copies[0] = chain.copies_in[0]
    needed = held - held[:, None] + (copies * tensors)[:, None] + chain.copies_out * tensors
    times: Floats = work - work[:, None]
    times[(needed > kind.memory) | (np.arange(len(work))[:, None] >= np.arange(len(work)))] = math.inf
    return times


def link_times(chain: Chain, first: LinkedKind, second: LinkedKind) -> Floats:
    """Return the seconds of each tensor on a link between devices of these kinds."""
    found: Floats = np.array(chain.tensors) / min(first.rate, second.rate)
    return found


def _fill(chain: Chain) -> _Table:
    layers = len(chain.weights)
    counts = list(itertools.product(*(range(min(kind.count, layers) + 1) for kind in chain.kinds)))
    shape = (len(counts), len(chain.kinds), layers + 1)
    table = _Table(counts, np.full(shape, math.inf), np.zeros(shape, np.intp), np.full(shape, -1, np.intp))
    number = {count: index for index, count in enumerate(counts)}
    stages = [stage_times(chain, kind) for kind in chain.kinds]
    links = [
        np.array([link_times(chain, one, kind) for one in chain.kinds]) for kind in chain.kinds
    ]  # [to][from]
    for state, count in enumerate(counts):  # lexicographic: fewer devices come first
        for kind in range(len(chain.kinds)):
            if count[kind]:
                less = number[_without(count, kind)]
                arrived, before = _arrivals(table, less, links[kind])
                reached = np.maximum(arrived[:, None], stages[kind])
                table.first[state, kind] = reached.argmin(axis=0)
                table.best[state, kind] = reached.min(axis=0)
                table.before[state, kind] = before[table.first[state, kind]]
    return table


def _arrivals(table: _Table, state: int, links: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return, by first layer of the next stage, the least bottleneck so far (its link included) and from which kind."""
    reached = np.maximum(table.best[state], links)
    before = reached.argmin(axis=0)
    arrived: Floats = reached.min(axis=0)
    arrived[0], before[0] = (math.inf if any(table.counts[state]) else 0.0), -1
    return arrived, before


def _trace(chain: Chain, table: _Table, state: int, kind: int) -> list[Part]:
    parts: list[Part] = []
    for first, last, used in _steps(table, state, kind, len(chain.weights)):
        device = chain.kinds[used]
        parts.append(Part(device.name, frozenset(range(first, last)), math.fsum(device.times[first:last])))
    return parts[::-1]


def _steps(table: _Table, state: int, kind: int, last: int) -> Iterator[tuple[int, int, int]]:
    number = {count: index for index, count in enumerate(table.counts)}
    while last:
        first, before = int(table.first[state, kind, last]), int(table.before[state, kind, last])
        yield first, last, kind
        state, kind, last = number[_without(table.counts[state], kind)], before, first


def _without(count: tuple[int, ...], kind: int) -> tuple[int, ...]:
    """Return the multiset without one device of `kind`."""
    return tuple(had - (index == kind) for index, had in enumerate(count))


def _check(chain: Chain) -> None:
    layers = len(chain.weights)
    if len(chain.tensors) != layers + 1:
        raise InvalidProblem(
            f"{len(chain.tensors)} tensors for {layers} layers", "give the input's and each layer's"
        )
    check_numbers("size of a tensor", chain.tensors)
    check_numbers("size of weights", chain.weights)
    for kind in chain.kinds:
        if len(kind.times) != layers:
            raise InvalidProblem(
                f"{kind.name} has {len(kind.times)} times for {layers} layers", "give one for each"
            )
        check_numbers(f"time on {kind.name}", kind.times)
        if not (kind.count >= 0 and kind.memory >= 0 and kind.rate > 0):
            raise InvalidProblem(f"{kind.name} has a negative count or memory, or no bandwidth", "correct it")
    states = math.prod(min(kind.count, layers) + 1 for kind in chain.kinds)
    if states > MOST_STATES or states * (len(chain.kinds) * (layers + 1)) ** 2 > MOST_WORK:
        raise InvalidProblem(
            f"{states} ways to take devices of {len(chain.kinds)} kinds for {layers} layers are too many to look at",
            "declare devices that are alike as one kind, or give fewer",
        )


def _blame(chain: Chain) -> tuple[str, str]:
    if not any(kind.count for kind in chain.kinds):
        return "there are layers and no devices", "give at least one device"
    room = math.fsum(kind.count * kind.memory for kind in chain.kinds)
    needed = math.fsum(chain.weights)
    return (
        f"no split fits in memory: the weights need {needed / 1e6:.1f} MB without any tensor, "
        f"all devices have {room / 1e6:.1f} MB",
        "add a device, or a smaller microbatch",
    )
