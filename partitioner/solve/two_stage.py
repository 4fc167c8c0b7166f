"""The question put to a solver and the form of its answer: two stages, one link, additive latency.

Law: nouns and the one evaluation of what a given cut costs. Nothing here searches. The space and the costs
are those of DESIGN D1: a plan is a down-set of the graph's layers that runs on the board, the rest runs on
the cloud.

    latency = board layers + cloud layers
            + for every tensor that crosses, once however many consumers it has:
                  its cheapest allowed codec (encode + bytes x overhead / rate up + decode)
                  + leaving the board's segment + entering the cloud's
            + outputs made on the cloud: bytes x overhead / rate down
            + delay up when the boundary is used, delay down when the cloud makes an output
            + both segments' fixed cost when the engine's work is really divided
            + a request's fixed cost on each device that takes part (the board always does: it admits)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from partitioner.costs import LinkProfile, transfer_time
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.plan import CodecChoice
from partitioner.predict import StageCosts, crosses_door, engine_layers
from partitioner.units import Bytes, CodecName, Seconds, TensorName

RAW_NAME = CodecName("raw")


@dataclass(frozen=True)
class CodecOption:
    """One way for one tensor to cross: bytes on the wire, seconds to encode (board) and decode (cloud)."""

    codec: CodecName
    wire_bytes: Bytes
    encode: Seconds = Seconds(0.0)
    decode: Seconds = Seconds(0.0)
    allowed: bool = True


@dataclass(frozen=True)
class Problem:
    """Where to cut `graph` between a board and a cloud.

    Attributes:
        graph, board, cloud, link: the model and what was measured of the devices and the link between them.
        options: codecs for each tensor; a tensor that is not listed may only cross raw.
        on_board, on_cloud: layers that must run there.
        stay: tensors that must not cross.
        keep_input: graph inputs, and what is made from them by mere preparation, must not cross.
        weight_bytes: bytes of each initializer, by name; needed only to count tied weights once.
        board_memory, cloud_memory: limits; 0 means no limit.
        headroom: fraction of the weights that must be free beside them (activations, arena).
    """

    graph: CostGraph
    board: StageCosts
    cloud: StageCosts
    link: LinkProfile
    options: Mapping[TensorName, tuple[CodecOption, ...]] = field(default_factory=dict)
    on_board: frozenset[int] = frozenset()
    on_cloud: frozenset[int] = frozenset()
    stay: frozenset[TensorName] = frozenset()
    keep_input: bool = False
    weight_bytes: Mapping[TensorName, Bytes] = field(default_factory=dict)
    board_memory: Bytes = Bytes(0)
    cloud_memory: Bytes = Bytes(0)
    headroom: float = 0.2


@dataclass(frozen=True)
class Parts:
    """Where the seconds and bytes of one cut go; `codecs` are for the tensors that cross, in graph order."""

    board: Seconds
    cloud: Seconds
    uplink: Seconds
    downlink: Seconds
    bytes_up: Bytes
    bytes_down: Bytes
    codecs: tuple[CodecChoice, ...]

    @property
    def latency(self) -> Seconds:
        """Seconds of one request, the sum of all parts."""
        return Seconds(self.board + self.cloud + self.uplink + self.downlink)


@dataclass(frozen=True)
class Solution:
    """The best cut found, and what is proven about it.

    `down_set` runs on the board. No plan of the space costs less than `lower_bound`; `method` proved that
    ("min-cut" or "enumeration"), `gap` says how far above the bound the solution may be, relatively.
    """

    down_set: frozenset[int]
    parts: Parts
    lower_bound: Seconds
    method: str

    @property
    def gap(self) -> float:
        """Relative distance of the cost from the bound; 0 up to rounding (1e-5) means proven optimal."""
        return (self.parts.latency - self.lower_bound) / self.parts.latency if self.parts.latency > 0 else 0.0


def evaluate(problem: Problem, down_set: frozenset[int]) -> Parts:
    """Return what it costs to run `down_set` on the board and the rest on the cloud.

    Raises:
        InvalidProblem: a tensor would cross that may not.
    """
    crossing = crossing_tensors(problem.graph, down_set)
    choices = [(tensor, crossing_option(problem, tensor)) for tensor in crossing]
    returned = returned_tensors(problem.graph, down_set)
    bytes_up = Bytes(sum(option.wire_bytes for _, option in choices))
    bytes_down = Bytes(sum(tensor.size for tensor in returned))
    used = len(down_set) < len(problem.graph.layers)
    home = Seconds(return_time(problem, bytes_down) + problem.link.delay_down)
    return Parts(
        board=_board_seconds(problem, down_set, choices),
        cloud=_cloud_seconds(problem, down_set, choices) if used else Seconds(0.0),
        uplink=Seconds(_up(problem, bytes_up) + problem.link.delay_up) if used else Seconds(0.0),
        downlink=home if returned else Seconds(0.0),
        bytes_up=bytes_up,
        bytes_down=bytes_down,
        codecs=tuple(CodecChoice(tensor.name, option.codec) for tensor, option in choices),
    )


def crossing_tensors(graph: CostGraph, down_set: frozenset[int]) -> list[CostTensor]:
    """Return the tensors made (or given) before the cut and needed behind it."""
    return [
        tensor
        for tensor in graph.tensors
        if (tensor.producer < 0 or tensor.producer in down_set)
        and any(consumer not in down_set for consumer in tensor.consumers)
    ]


def returned_tensors(graph: CostGraph, down_set: frozenset[int]) -> list[CostTensor]:
    """Return the outputs that the cloud makes."""
    return [t for t in graph.tensors if t.is_output and t.producer >= 0 and t.producer not in down_set]


def may_cross(problem: Problem, tensor: CostTensor) -> bool:
    """Return whether the pins let `tensor` cross and some allowed codec holds it."""
    if tensor.name in problem.stay:
        return False
    if problem.keep_input and (tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input):
        return False
    return any(option.allowed for option in codec_options(problem, tensor))


def codec_options(problem: Problem, tensor: CostTensor) -> tuple[CodecOption, ...]:
    """Return the codecs `tensor` may be offered; raw when none was measured."""
    return problem.options.get(tensor.name) or (CodecOption(RAW_NAME, tensor.size),)


def crossing_option(problem: Problem, tensor: CostTensor) -> CodecOption:
    """Return the allowed codec by which `tensor` crosses in the least time.

    Raises:
        InvalidProblem: it may not cross.
    """
    if not may_cross(problem, tensor):
        raise InvalidProblem(f"tensor {tensor.name} must not leave the board", "choose a later cut")
    allowed = (option for option in codec_options(problem, tensor) if option.allowed)
    return min(allowed, key=lambda option: option.encode + _up(problem, option.wire_bytes) + option.decode)


def crossing_time(problem: Problem, tensor: CostTensor) -> Seconds:
    """Return the seconds that `tensor` adds when it crosses; infinite when it may not."""
    if not may_cross(problem, tensor):
        return Seconds(math.inf)
    option = crossing_option(problem, tensor)
    border = 0.0
    if not crosses_door(problem.graph, tensor):
        border = tensor.size * (problem.board.leaving + problem.cloud.entering)
    return Seconds(option.encode + _up(problem, option.wire_bytes) + option.decode + border)


def return_time(problem: Problem, size: Bytes) -> Seconds:
    """Return the seconds that outputs of `size` bytes occupy the way home, delay apart."""
    return transfer_time(size, problem.link.down, problem.link.overhead)


def is_divided(graph: CostGraph, down_set: frozenset[int]) -> bool:
    """Return whether both devices run a part of the engine's work, so that both pay for a segment."""
    return bool(down_set & engine_layers(graph)) and len(down_set) < len(graph.layers)


def _up(problem: Problem, size: Bytes) -> Seconds:
    return transfer_time(size, problem.link.up, problem.link.overhead)


def _board_seconds(
    problem: Problem, down_set: frozenset[int], choices: list[tuple[CostTensor, CodecOption]]
) -> Seconds:
    costs = problem.board
    seconds = costs.overhead + sum(costs.layers[index] for index in down_set)
    seconds += costs.segment if is_divided(problem.graph, down_set) else 0.0
    border = sum(tensor.size for tensor, _ in choices if not crosses_door(problem.graph, tensor))
    return Seconds(seconds + costs.leaving * border + sum(option.encode for _, option in choices))


def _cloud_seconds(
    problem: Problem, down_set: frozenset[int], choices: list[tuple[CostTensor, CodecOption]]
) -> Seconds:
    costs = problem.cloud
    outside = (layer.index for layer in problem.graph.layers if layer.index not in down_set)
    seconds = costs.overhead + sum(costs.layers[index] for index in outside)
    seconds += costs.segment if is_divided(problem.graph, down_set) else 0.0
    border = sum(tensor.size for tensor, _ in choices if not crosses_door(problem.graph, tensor))
    return Seconds(seconds + costs.entering * border + sum(option.decode for _, option in choices))
