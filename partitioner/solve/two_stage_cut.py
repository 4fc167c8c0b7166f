"""Two stages, exactly: a minimum s-t cut.

Law: pure; no clock, no randomness, no I/O. The construction (after Hu et al., DADS, INFOCOM 2019, with the
two edges that it lacks): the source side runs on the board. `source -> layer` carries what the layer costs
on the cloud, its outputs' way home included; `layer -> sink` what it costs on the board. A tensor with
several consumers has a vertex of its own, so that it is paid once. For every data edge an infinite edge
runs backwards, so that the board's side is a down-set and nothing returns for free.

What is paid once per plan (delays, both segments' fixed cost) is no cut. Each combination of "is it paid"
is solved as a relaxation with pins; every plan belongs to one of them, in which its cost is counted
exactly, and costs no more than counted in any other. So the least over the cases is the optimum.

scipy's maximum flow takes 32-bit integers only, and truncates wider ones without a word. Capacities are
scaled so that a known feasible cut is 2^29; the bound that is returned allows for the rounding of every
edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostTensor
from partitioner.predict import engine_layers
from partitioner.solve.pins import Forced, check, forced
from partitioner.solve.two_stage import Problem, Solution, crossing_time, evaluate, return_time
from partitioner.units import Seconds, TensorName

METHOD = "min-cut"
INFINITE = 2**30
FINITE = 2**29
SOURCE, SINK, FIRST_LAYER = 0, 1, 2

Edges = dict[tuple[int, int], float]


@dataclass(frozen=True)
class _Case:
    """Plans that pay `constant` once, with the layers that are forced in them."""

    constant: float
    forced: Forced


@dataclass(frozen=True)
class _Additive:
    """The part of the objective that is a sum over layers and tensors."""

    problem: Problem
    on_board: tuple[float, ...]  # by layer
    on_cloud: tuple[float, ...]  # by layer, with its outputs' way home
    crossing: Mapping[TensorName, float]


def minimum_cut(problem: Problem) -> Solution:
    """Return the cut of least latency; memory limits are not looked at.

    Raises:
        InvalidProblem: the problem contradicts itself.
        NoFeasiblePlan: no cut respects the pins.
    """
    check(problem)
    additive = _additive(problem)
    candidates: list[frozenset[int]] = []
    bounds: list[float] = []
    if not forced(problem)[1]:
        everything = frozenset(range(len(problem.graph.layers)))
        candidates.append(everything)
        bounds.append(evaluate(problem, everything).latency)
    for case in _cases(problem):
        bound, down_set = _cut(additive, case.forced)
        candidates.append(down_set)
        bounds.append(bound + case.constant)
    return _best(problem, candidates, min(bounds))


def _best(problem: Problem, candidates: list[frozenset[int]], bound: float) -> Solution:
    costed = [(evaluate(problem, down_set), down_set) for down_set in candidates]
    parts, down_set = min(costed, key=lambda one: (one[0].latency, len(one[1])))
    return Solution(down_set, parts, Seconds(min(max(bound, 0.0), parts.latency)), METHOD)


def _additive(problem: Problem) -> _Additive:
    home = [0.0] * len(problem.graph.layers)
    for tensor in problem.graph.tensors:
        if tensor.is_output and tensor.producer >= 0:
            home[tensor.producer] += return_time(problem, tensor.size)
    return _Additive(
        problem,
        on_board=tuple(problem.board.layers),
        on_cloud=tuple(cost + way for cost, way in zip(problem.cloud.layers, home, strict=True)),
        crossing={t.name: crossing_time(problem, t) for t in problem.graph.tensors if t.consumers},
    )


def _cases(problem: Problem) -> Iterator[_Case]:
    """Yield the combinations of what is paid once, for plans that use the boundary."""
    if not problem.graph.layers:
        return
    makers = {t.producer for t in problem.graph.tensors if t.is_output and t.producer >= 0}
    divided = problem.board.segment + problem.cloud.segment
    used = problem.board.overhead + problem.cloud.overhead + problem.link.delay_up
    engine = engine_layers(problem.graph)
    choices = [
        (used + problem.link.delay_down + divided, (), ()),
        (used + problem.link.delay_down, (), engine),
        (used + divided, makers, ()),
        (used, makers, engine),
    ]
    for constant, board, cloud in choices:
        case = _case(problem, constant, board, cloud)
        if case:
            yield case


def _case(problem: Problem, constant: float, board: Iterable[int], cloud: Iterable[int]) -> _Case | None:
    try:
        return _Case(constant, forced(problem, board, cloud))
    except NoFeasiblePlan:
        return None


def _cut(additive: _Additive, pins: Forced) -> tuple[float, frozenset[int]]:
    """Return a lower bound on the additive cost under `pins`, and the down-set of the minimum cut."""
    layers = frozenset(range(len(additive.on_board)))
    known = min((pins[0], layers - pins[1]), key=lambda down_set: _value(additive, down_set))
    ceiling = _value(additive, known)
    if ceiling == 0.0:
        return 0.0, known
    scale = FINITE / ceiling
    edges = _edges(additive, pins)
    network = _network(edges, scale)
    result = maximum_flow(network, SOURCE, SINK)
    reached = breadth_first_order(_residual(network, result.flow), SOURCE, return_predecessors=False)
    down_set = frozenset(int(v) - FIRST_LAYER for v in reached) & layers
    rounding = 0.5 * sum(1 for capacity in edges.values() if capacity < math.inf)
    return max(0.0, (result.flow_value - rounding) / scale), down_set


def _value(additive: _Additive, down_set: frozenset[int]) -> float:
    total = sum(
        additive.on_board[index] if index in down_set else additive.on_cloud[index]
        for index in range(len(additive.on_board))
    )
    for tensor in additive.problem.graph.tensors:
        given = tensor.producer < 0 or tensor.producer in down_set
        if given and any(consumer not in down_set for consumer in tensor.consumers):
            total += additive.crossing[tensor.name]
    return total


def _edges(additive: _Additive, pins: Forced) -> Edges:
    edges: Edges = {}
    for index, (board, cloud) in enumerate(zip(additive.on_board, additive.on_cloud, strict=True)):
        _add(edges, SOURCE, index + FIRST_LAYER, math.inf if index in pins[0] else cloud)
        _add(edges, index + FIRST_LAYER, SINK, math.inf if index in pins[1] else board)
    extra = FIRST_LAYER + len(additive.on_board)
    for tensor in additive.problem.graph.tensors:
        if tensor.consumers:
            _add_tensor(edges, tensor, additive.crossing[tensor.name], extra)
            extra += 1
    return edges


def _add_tensor(edges: Edges, tensor: CostTensor, crossing: float, own: int) -> None:
    producer = SOURCE if tensor.producer < 0 else tensor.producer + FIRST_LAYER
    consumers = [one + FIRST_LAYER for one in tensor.consumers if one != tensor.producer]
    if len(consumers) == 1:
        _add(edges, producer, consumers[0], crossing)
    else:
        _add(edges, producer, own, crossing)
        for consumer in consumers:
            _add(edges, own, consumer, math.inf)
    if producer != SOURCE:
        for consumer in consumers:
            _add(edges, consumer, producer, math.inf)


def _add(edges: Edges, tail: int, head: int, capacity: float) -> None:
    edges[tail, head] = edges.get((tail, head), 0.0) + capacity


def _network(edges: Edges, scale: float) -> csr_array:
    ends = np.array(list(edges), dtype=np.int32)
    capacities = np.fromiter(edges.values(), dtype=np.float64, count=len(edges))
    scaled = np.where(np.isinf(capacities), INFINITE, np.minimum(np.rint(capacities * scale), FINITE))
    size = int(ends.max()) + 1
    return csr_array((scaled.astype(np.int32), (ends[:, 0], ends[:, 1])), shape=(size, size))


def _residual(network: csr_array, flow: csr_array) -> csr_array:
    residual = csr_array(network - flow)
    residual.data = np.where(residual.data > 0, 1, 0).astype(np.int32)
    residual.eliminate_zeros()
    return residual
