"""The oracle: every plan of the space, written out from its definition, so that the solvers can be caught lying.

Law: pure, and deliberately a stranger to every solver and to `costing.py`: it shares the question's nouns
(`problem.py`) with them and not one line of arithmetic. Exponential: each row of one table is one assignment of
layers to stages (and, where codecs do not choose themselves, one combination of codecs); a table has a bound.
What it computes of a row is in `tally.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor
from partitioner.solve.problem import NO_LIMITS, Answer, CodecOption, Device, Layout, Problem
from partitioner.solve.tally import (
    Mask,
    Pick,
    Picks,
    Stages,
    Table,
    Tally,
    codec_price,
    crosses,
    memory_needs,
    tally,
)
from partitioner.units import CodecName, DeviceId, TensorName

MOST_ROWS = 2_000_000
ROUNDING = 1e-9  # relative; a limit is kept when it is exceeded by no more than this


def best_of_all(problem: Problem) -> Answer:
    """Return a plan of the least value of the objective: no plan of the space has a smaller one.

    Raises:
        InvalidProblem: more than `MOST_ROWS` assignments or combinations, or a graph that is not numbered in
            topological order.
        NoFeasiblePlan: the space is empty.
    """
    found = [answer for order in orders(problem) if (answer := best_in_order(problem, order)) is not None]
    if not found:
        raise NoFeasiblePlan(
            "of all plans there are, none keeps the pins, the links, the memory and the limits"
        )
    return min(found, key=lambda answer: answer.value)


def orders(problem: Problem) -> list[tuple[DeviceId, ...]]:
    """Return the orders of stages whose plans, trailing empty stages left out, are all the plans there are."""
    if problem.order is not None:
        return [problem.order]
    others = [device.name for device in problem.devices[1:]]
    return [(problem.entry, *behind) for behind in itertools.permutations(others)]


def best_in_order(problem: Problem, order: tuple[DeviceId, ...]) -> Answer | None:
    """Return the best plan whose stages run on a prefix of `order`, or None when there is none."""
    devices = tuple(problem.device(name) for name in order)
    stages = assignments(problem.graph, [layers_of(problem, device) for device in devices])
    stages = stages[_legal(problem, Table(devices, stages, {}))]
    table = _with_codecs(problem, devices, stages)
    totals = tally(problem, table)
    values = np.where(_within_limits(problem, totals), totals.value(problem.objective), np.inf)
    best = int(np.argmin(values)) if len(values) else -1
    if best < 0 or not np.isfinite(values[best]):
        return None
    value = float(values[best])
    return Answer(_layout(problem, table, best), value, value, "enumeration")


def assignments(graph: CostGraph, may_run: Sequence[npt.NDArray[np.bool_]]) -> Stages:
    """Return every assignment of layers to stages in which edges go forward, one a row.

    `may_run[s][layer]` says whether stage s may hold a layer. The layers of stages 0..s together are then a
    down-set, for every s: all chains of down-sets are here, those with empty stages too.
    """
    rows: Stages = np.zeros((1, 0), dtype=np.int8)
    for layer in range(len(graph.layers)):
        feeders = [one.producer for one in graph.tensors if one.producer >= 0 and layer in one.consumers]
        if any(feeder > layer for feeder in feeders):
            raise InvalidProblem(f"layer {layer} consumes what is made later", "number layers topologically")
        earlier = [feeder for feeder in feeders if feeder < layer]
        earliest = rows[:, earlier].max(axis=1, initial=0)
        rows = np.concatenate(
            [_extended(rows[earliest <= s], s) for s, may in enumerate(may_run) if may[layer]]
            or [_extended(rows[:0], 0)]
        )
        _refuse_many(len(rows))
    return rows


def _extended(rows: Stages, stage: int) -> Stages:
    return np.column_stack([rows, np.full(len(rows), stage, dtype=np.int8)])


def _refuse_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise InvalidProblem(
            f"more than {MOST_ROWS} plans to enumerate", "the oracle is for small graphs; use a solver"
        )


def layers_of(problem: Problem, device: Device) -> npt.NDArray[np.bool_]:
    """Return, by layer, whether `device` may run it: it has the operators, and no pin says otherwise."""
    return np.array(
        [
            layer.index not in device.lacks and problem.pins.get(layer.index, device.name) == device.name
            for layer in problem.graph.layers
        ],
        dtype=bool,
    )


def _legal(problem: Problem, table: Table) -> Mask:
    """Return the rows that keep the links, the tensors that stay, and the memory of every device."""
    legal = np.ones(len(table.stages), dtype=bool)
    for boundary, (sender, receiver) in enumerate(itertools.pairwise(table.devices)):
        there = (sender.name, receiver.name) in problem.hops and (receiver.name, sender.name) in problem.hops
        if not there and sender.name != receiver.name:
            legal &= ~table.used(boundary)
        for tensor in problem.graph.tensors:
            if held(problem, tensor):
                legal &= ~crosses(tensor, table.stages, boundary)
    for device, needed in memory_needs(problem, table):
        if device.memory:
            legal &= needed <= device.memory
    return legal


def held(problem: Problem, tensor: CostTensor) -> bool:
    """Return whether `tensor` may not cross any boundary."""
    gives_input_away = tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input
    return (
        tensor.name in problem.stay
        or (problem.keep_input and gives_input_away)
        or not allowed_options(problem, tensor)
    )


def allowed_options(problem: Problem, tensor: CostTensor) -> list[CodecOption]:
    """Return the codecs that a solver may choose for `tensor`."""
    listed = problem.options.get(tensor.name)
    if not listed:
        return [CodecOption(CodecName("raw"), tensor.size)]
    return [option for option in listed if option.allowed]


def _with_codecs(problem: Problem, devices: tuple[Device, ...], stages: Stages) -> Table:
    """Return the rows, each repeated for every combination of codecs that its crossings may take."""
    picks: Picks = {}
    for boundary in range(len(devices) - 1):
        for tensor in problem.graph.tensors:
            options = _candidates(problem, devices, boundary, tensor)
            times = np.where(crosses(tensor, stages, boundary), max(len(options), 1), 1)
            _refuse_many(int(times.sum()))
            rows = np.repeat(np.arange(len(stages)), times)
            taken = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
            stages = stages[rows]
            picks = {key: Pick(pick.options, pick.taken[rows]) for key, pick in picks.items()}
            picks[boundary, tensor.name] = Pick(options, taken)
    return Table(devices, stages, picks)


def _candidates(
    problem: Problem, devices: tuple[Device, ...], boundary: int, tensor: CostTensor
) -> tuple[CodecOption, ...]:
    """Return the codecs to try: where the objective is a sum and nothing is limited, the cheapest is enough."""
    options = allowed_options(problem, tensor)
    if not options or not problem.objective.additive or problem.limits != NO_LIMITS:
        return tuple(options)
    hop = (devices[boundary], devices[boundary + 1])
    return (min(options, key=lambda option: codec_price(problem, hop, tensor, option)),)


def _within_limits(problem: Problem, totals: Tally) -> Mask:
    limits = problem.limits
    pairs = (
        (totals.latency, limits.latency),
        (totals.bottleneck, limits.bottleneck),
        (totals.energy, limits.energy),
        (totals.egress, limits.egress),
        (totals.loss, limits.loss),
    )
    within: Mask = np.all([spent <= limit * (1 + ROUNDING) for spent, limit in pairs], axis=0)
    return within


def _layout(problem: Problem, table: Table, row: int) -> Layout:
    stages = table.stages[row]
    count = int(stages.max(initial=0)) + 1
    chosen: dict[tuple[int, TensorName], CodecName] = {}
    for (boundary, name), pick in table.picks.items():
        tensor = next(one for one in problem.graph.tensors if one.name == name)
        if crosses(tensor, stages[None, :], boundary)[0]:
            chosen[boundary, name] = pick.options[pick.taken[row]].codec
    return Layout(
        tuple(device.name for device in table.devices[:count]),
        tuple(frozenset(np.flatnonzero(stages == stage).tolist()) for stage in range(count)),
        chosen,
    )
