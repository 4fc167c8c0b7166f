"""The oracle: every down-set, written out from the definition, so that the solvers can be caught lying.

Law: pure, and deliberately a stranger to `tiers.py`, `pins.py` and `problem.evaluate`: it shares the
question's nouns with them and not one line of arithmetic. Exponential, for at most 16 layers; all subsets
are columns of one table.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostTensor
from partitioner.solve.two_stage import CodecOption, Problem
from partitioner.units import Seconds

MOST_LAYERS = 16

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[np.float64]


def best_of_all(problem: Problem) -> tuple[Seconds, frozenset[int]]:
    """Return the least latency of any feasible plan, and a down-set that has it.

    Raises:
        InvalidProblem: more than 16 layers.
        NoFeasiblePlan: no down-set respects the pins and the memory limits.
    """
    count = len(problem.graph.layers)
    if count > MOST_LAYERS:
        raise InvalidProblem(f"the oracle enumerates at most {MOST_LAYERS} layers, not {count}")
    board = (np.arange(2**count)[:, None] >> np.arange(count)[None, :] & 1).astype(bool)
    cost = _latency(problem, board)
    cost[~_legal(problem, board)] = np.inf
    best = int(np.argmin(cost))
    if not np.isfinite(cost[best]):
        raise NoFeasiblePlan("no down-set of the graph respects the pins and the memory limits")
    return Seconds(float(cost[best])), frozenset(int(index) for index in np.flatnonzero(board[best]))


def _latency(problem: Problem, board: Mask) -> Column:
    link = problem.link
    rows, count = board.shape
    used = ~board.all(axis=1)
    total = np.full(rows, float(problem.board.overhead))
    total += board @ np.array(problem.board.layers, dtype=float).reshape(count)
    total += ~board @ np.array(problem.cloud.layers, dtype=float).reshape(count)
    total += used * (problem.cloud.overhead + link.delay_up)
    home = np.zeros(rows, dtype=bool)
    for tensor in problem.graph.tensors:
        total += _crosses(tensor, board) * _price(problem, tensor)
        if tensor.is_output and tensor.producer >= 0:
            far = ~board[:, tensor.producer]
            total += far * (tensor.size * link.overhead / link.down)
            home |= far
    total += home * link.delay_down
    computing = [layer.index for layer in problem.graph.layers if layer.pseudo == ""]
    both = used & board[:, computing].any(axis=1)
    return total + both * (problem.board.segment + problem.cloud.segment)


def _crosses(tensor: CostTensor, board: Mask) -> Mask:
    near = np.ones(len(board), dtype=bool) if tensor.producer < 0 else board[:, tensor.producer]
    needed_far = (~board[:, list(tensor.consumers)]).any(axis=1)
    crosses: Mask = near & needed_far
    return crosses


def _price(problem: Problem, tensor: CostTensor) -> float:
    options = problem.options.get(tensor.name, ())
    prices = [_codec_price(problem, option) for option in options if option.allowed]
    if not options:
        prices = [tensor.size * problem.link.overhead / problem.link.up]
    made_by_engine = tensor.producer >= 0 and problem.graph.layers[tensor.producer].pseudo == ""
    border = tensor.size * (problem.board.leaving + problem.cloud.entering) if made_by_engine else 0.0
    return min(prices, default=0.0) + border  # nothing allowed: `_legal` forbids that it crosses


def _codec_price(problem: Problem, option: CodecOption) -> float:
    return option.encode + option.decode + option.wire_bytes * problem.link.overhead / problem.link.up


def _legal(problem: Problem, board: Mask) -> Mask:
    legal = np.ones(len(board), dtype=bool)
    for tensor in problem.graph.tensors:
        for consumer in tensor.consumers:
            if tensor.producer >= 0:
                legal &= board[:, tensor.producer] | ~board[:, consumer]
        if _held(problem, tensor):
            legal &= ~_crosses(tensor, board)
    for index in problem.on_board:
        legal &= board[:, index]
    for index in problem.on_cloud:
        legal &= ~board[:, index]
    legal &= _within(problem, board, problem.board_memory)
    legal &= _within(problem, ~board, problem.cloud_memory)
    return legal


def _held(problem: Problem, tensor: CostTensor) -> bool:
    options = problem.options.get(tensor.name, ())
    nothing_allowed = bool(options) and not any(option.allowed for option in options)
    gives_input_away = tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input
    return tensor.name in problem.stay or nothing_allowed or (problem.keep_input and gives_input_away)


def _within(problem: Problem, here: Mask, limit: int) -> Mask:
    if not limit:
        return np.ones(len(here), dtype=bool)
    held = np.zeros(len(here))
    if problem.weight_bytes:
        for name, size in problem.weight_bytes.items():
            users = [layer.index for layer in problem.graph.layers if name in layer.weight_names]
            held += size * here[:, users].any(axis=1)
    else:
        held += here @ np.array([layer.weights for layer in problem.graph.layers], dtype=float)
    within: Mask = held * (1 + problem.headroom) <= limit
    return within
