"""What is wished followed to its consequences: where each layer may run.

Law: pure combinatorics; no search for the best. Edges go forward, so a layer's stage bounds those of all that it
feeds; a tensor that must not cross keeps its maker and all its consumers in one stage. The stagings that keep all
this form a lattice (the least and the greatest stage of two of them, layer by layer, is one again), so moving
every layer to its earliest stage gives a staging that is feasible, or proves that none is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.incidence import Ints, incidence
from partitioner.solve.problem import Problem, may_cross
from partitioner.units import DeviceId

MOST_PINS = 64

Table = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Allowed:
    """Where each layer may run.

    Attributes:
        table: [layers, stages], whether the layer may be in the stage (holes where a device comes twice).
        ties: [pairs, 2], (consumer, maker) that must be in one stage.
        earliest, latest: [layers], feasible as a whole, and no feasible staging goes beyond them.
    """

    table: Table
    ties: Ints
    earliest: Ints
    latest: Ints


def allowed_stages(problem: Problem, order: Sequence[DeviceId]) -> Allowed:
    """Return where each layer may run when the stages run on `order`.

    Raises:
        NoFeasiblePlan: some layer may run nowhere; says which.
    """
    table = _own_wishes(problem, order)
    ties = _ties(problem, table)
    return _tightened(problem, order, table, ties)


def restricted(problem: Problem, order: Sequence[DeviceId], base: Allowed, table: Table) -> Allowed | None:
    """Return `base` with only those stages of `table` left, or None when nothing is feasible any more."""
    try:
        return _tightened(problem, order, base.table & table, base.ties)
    except NoFeasiblePlan:
        return None


def _own_wishes(problem: Problem, order: Sequence[DeviceId]) -> Table:
    table = np.ones((len(problem.graph.layers), len(order)), dtype=np.bool_)
    for stage, name in enumerate(order):
        lacks = problem.device(name).lacks
        if lacks:
            table[sorted(lacks), stage] = False
    for layer, device in problem.pins.items():
        table[layer] &= np.array([name == device for name in order])
    return table


def _ties(problem: Problem, table: Table) -> Ints:
    """Find what must not cross; consumers of a given tensor that must not are moved to stage 0 in `table`."""
    pairs: list[tuple[int, int]] = []
    if not (problem.stay or problem.keep_input or problem.options):
        return np.empty((0, 2), dtype=np.int64)
    for tensor in problem.graph.tensors:
        if not tensor.consumers or may_cross(problem, tensor):
            continue
        if tensor.producer < 0:
            table[list(tensor.consumers), 1:] = False
        else:
            pairs.extend((one, tensor.producer) for one in tensor.consumers if one != tensor.producer)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _tightened(problem: Problem, order: Sequence[DeviceId], table: Table, ties: Ints) -> Allowed:
    count, stages = table.shape
    if table.all() and not len(ties):
        return Allowed(table, ties, np.zeros(count, np.int64), np.full(count, stages - 1, np.int64))
    earliest = _settled(_following(table), _after(problem, ties))
    if earliest is None:
        raise _nowhere(problem, order, table)
    mirrored = _settled(_following(table[:, ::-1]), _after(problem, ties, backwards=True))
    assert mirrored is not None  # the lattice has a greatest element when it has a least
    latest = stages - 1 - np.array(mirrored, dtype=np.int64)
    low = np.array(earliest, dtype=np.int64)
    numbers = np.arange(stages)
    kept = table & (numbers >= low[:, None]) & (numbers <= latest[:, None])
    return Allowed(kept, ties, low, latest)


def _after(problem: Problem, ties: Ints, *, backwards: bool = False) -> list[list[int]]:
    """Return, by layer, the layers that may not be in an earlier stage (in a later one, seen backwards)."""
    feeds = incidence(problem.graph).feeds
    found: list[list[int]] = [[] for _ in problem.graph.layers]
    for tail, head in [
        *(feeds[:, ::-1] if backwards else feeds).tolist(),
        *ties.tolist(),
        *ties[:, ::-1].tolist(),
    ]:
        found[tail].append(head)
    return found


def _following(table: Table) -> list[list[int]]:
    """Return, by layer and stage, the first allowed stage from there on; the number of stages if none is."""
    count, stages = table.shape
    following = np.full((count, stages + 1), stages, dtype=np.int64)
    for stage in range(stages - 1, -1, -1):
        following[:, stage] = np.where(table[:, stage], stage, following[:, stage + 1])
    found: list[list[int]] = following.tolist()
    return found


def _settled(following: list[list[int]], after: list[list[int]]) -> list[int] | None:
    """Return the earliest stage of every layer when `after[i]` may not be before i; None when there is none.

    Each step moves a layer by a stage or more, so there are at most layers x stages of them.
    """
    stage_of = [row[0] for row in following]
    outside = len(following[0]) - 1 if following else 0
    waiting = list(range(len(following) - 1, -1, -1))
    while waiting:
        layer = waiting.pop()
        here = stage_of[layer]
        if here >= outside:
            return None
        for other in after[layer]:
            if stage_of[other] < here:
                stage_of[other] = following[other][here]
                waiting.append(other)
    return stage_of


def _nowhere(problem: Problem, order: Sequence[DeviceId], table: Table) -> NoFeasiblePlan:
    """Say which layer may run nowhere, or which pins cannot be kept together."""
    alone = np.flatnonzero(~table.any(axis=1))
    if len(alone):
        return _no_device(problem, order, int(alone[0]))
    layers = problem.graph.layers
    pins = [
        f"layer {layers[one].name} to {where}" for one, where in sorted(_conflict(problem, order).items())
    ]
    also = [f"{problem.entry} keeps the input"] if problem.keep_input else []
    also += [f"{', '.join(sorted(problem.stay))} must not cross"] if problem.stay else []
    also += [f"{one.name} lacks operators" for one in problem.devices if one.lacks]
    words = [f"pinned are {', '.join(pins)}"] if pins else []
    return NoFeasiblePlan(
        f"the wishes contradict each other over {' > '.join(order)}: {'; '.join([*words, *also])}",
        "drop one of them, or allow a codec for the tensors between",
    )


def _conflict(problem: Problem, order: Sequence[DeviceId]) -> dict[int, DeviceId]:
    """Return pins that cannot be kept together, none of which could be left out (of the first `MOST_PINS`)."""
    pins = dict(problem.pins)
    for one in sorted(pins)[:MOST_PINS]:
        fewer = {layer: where for layer, where in pins.items() if layer != one}
        if not _is_feasible(dataclasses.replace(problem, pins=fewer), order):
            pins = fewer
    return pins


def _is_feasible(problem: Problem, order: Sequence[DeviceId]) -> bool:
    table = _own_wishes(problem, order)
    ties = _ties(problem, table)
    return _settled(_following(table), _after(problem, ties)) is not None


def _no_device(problem: Problem, order: Sequence[DeviceId], layer: int) -> NoFeasiblePlan:
    name = problem.graph.layers[layer].name
    pin = problem.pins.get(layer)
    lacking = [one for one in dict.fromkeys(order) if layer in problem.device(one).lacks]
    if pin is not None and pin not in order:
        return NoFeasiblePlan(f"layer {name} is pinned to {pin}, which runs no stage of {' > '.join(order)}")
    if pin is not None and pin in lacking:
        return NoFeasiblePlan(f"layer {name} is pinned to {pin}, which lacks its operator", "drop that pin")
    if len(lacking) == len(set(order)):
        return NoFeasiblePlan(f"no device has the operator of layer {name}", "add a device that has it")
    what = f"is pinned to {pin}" if pin is not None else f"cannot run on {', '.join(lacking)}"
    return NoFeasiblePlan(
        f"layer {name} {what}, and an input that must not leave {order[0]} keeps it there",
        "let the input travel, or drop that pin",
    )
