"""What must run where: a problem checked, and its pins followed to their consequences.

Law: pure combinatorics; no search for the best. A layer pinned to the board pulls its ancestors there
(edges go forward only), and a tensor that may not cross keeps its maker and all its consumers together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostTensor
from partitioner.predict import StageCosts
from partitioner.solve.two_stage import CodecOption, Problem, may_cross

Forced = tuple[frozenset[int], frozenset[int]]


def check(problem: Problem) -> None:
    """Refuse a problem that contradicts itself.

    Raises:
        InvalidProblem: a cyclic graph, an unknown pin, a cost that is NaN, negative or infinite.
    """
    count = len(problem.graph.layers)
    if [layer.index for layer in problem.graph.layers] != list(range(count)):
        raise InvalidProblem("the layers of a graph are numbered from 0 in topological order")
    for tensor in problem.graph.tensors:
        _check_tensor(tensor, count)
    _check_costs("board", problem.board, count)
    _check_costs("cloud", problem.cloud, count)
    _check_pins(problem, count)
    for name, options in problem.options.items():
        _check_options(name, options)


def forced(problem: Problem, on_board: Iterable[int] = (), on_cloud: Iterable[int] = ()) -> Forced:
    """Return the layers that can only run on the board, and those that can only run on the cloud.

    `on_board` and `on_cloud` are pins beside the problem's own.

    Raises:
        NoFeasiblePlan: some layer would have to run on both.
    """
    free = {tensor.name: may_cross(problem, tensor) for tensor in problem.graph.tensors}
    held = [tensor for tensor in problem.graph.tensors if not free[tensor.name]]
    given = (consumer for tensor in held if tensor.producer < 0 for consumer in tensor.consumers)
    board = _closure({*problem.on_board, *on_board, *given}, _pulls_to_board(problem, held))
    cloud = _closure({*problem.on_cloud, *on_cloud}, _pulls_to_cloud(problem, held))
    if both := board & cloud:
        layer = problem.graph.layers[min(both)]
        raise NoFeasiblePlan(
            f"layer {layer.name} would have to run on the board and on the cloud",
            "drop one of the pins, or allow a codec for the tensors between them",
        )
    return board, cloud


def _closure(seeds: set[int], pulls: list[list[int]]) -> frozenset[int]:
    found, waiting = set(seeds), list(seeds)
    while waiting:
        for other in pulls[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)


def _pulls_to_board(problem: Problem, held: list[CostTensor]) -> list[list[int]]:
    pulls: list[list[int]] = [[] for _ in problem.graph.layers]
    for tensor in problem.graph.tensors:
        if tensor.producer >= 0:
            for consumer in tensor.consumers:
                pulls[consumer].append(tensor.producer)
    for tensor in held:
        if tensor.producer >= 0:
            pulls[tensor.producer].extend(tensor.consumers)
    return pulls


def _pulls_to_cloud(problem: Problem, held: list[CostTensor]) -> list[list[int]]:
    pulls: list[list[int]] = [[] for _ in problem.graph.layers]
    for tensor in problem.graph.tensors:
        if tensor.producer >= 0:
            pulls[tensor.producer].extend(tensor.consumers)
    for tensor in held:
        if tensor.producer >= 0:
            for consumer in tensor.consumers:
                pulls[consumer].append(tensor.producer)
    return pulls


def _check_tensor(tensor: CostTensor, count: int) -> None:
    if not -1 <= tensor.producer < count or any(not 0 <= one < count for one in tensor.consumers):
        raise InvalidProblem(f"tensor {tensor.name} names a layer that the graph does not have")
    if any(consumer < tensor.producer for consumer in tensor.consumers):
        raise InvalidProblem(f"the graph is cyclic or not in topological order at tensor {tensor.name}")
    if tensor.size < 0:
        raise InvalidProblem(f"tensor {tensor.name} has {tensor.size} bytes")


def _check_costs(where: str, costs: StageCosts, count: int) -> None:
    if len(costs.layers) != count:
        raise InvalidProblem(f"{len(costs.layers)} layer costs of the {where} for a graph of {count} layers")
    fixed = (costs.entering, costs.leaving, costs.segment, costs.overhead)
    if not all(math.isfinite(cost) and cost >= 0 for cost in (*costs.layers, *fixed)):
        raise InvalidProblem(
            f"a cost of the {where} is NaN, negative or infinite", "profile the device again"
        )


def _check_pins(problem: Problem, count: int) -> None:
    strange = [index for index in problem.on_board | problem.on_cloud if not 0 <= index < count]
    if strange:
        raise InvalidProblem(f"pinned layers {sorted(strange)} are not in the graph of {count} layers")
    names = {tensor.name for tensor in problem.graph.tensors}
    if unknown := sorted((problem.stay | problem.options.keys()) - names):
        raise InvalidProblem(f"no tensor of the graph is called {', '.join(unknown)}")


def _check_options(name: str, options: tuple[CodecOption, ...]) -> None:
    for option in options:
        numbers = (option.wire_bytes, option.encode, option.decode)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise InvalidProblem(f"codec {option.codec} of tensor {name} costs {numbers}", "profile it again")
