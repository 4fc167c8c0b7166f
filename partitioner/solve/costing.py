"""What one request costs in a given layout, and which limit that breaks.

Law: the arithmetic of the definition in `problem.py`, in its words, and nothing that searches. Every solver's
answer is re-costed here before anybody sees it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from partitioner.errors import InvalidProblem
from partitioner.graph import CostTensor
from partitioner.plan import CodecChoice
from partitioner.predict import engine_layers
from partitioner.solve.layouts import crossing_tensors, homecoming, stage_numbers
from partitioner.solve.plans import Costs
from partitioner.solve.prices import Boundary, Crossing, boundary_of, cheapest, crossing
from partitioner.solve.problem import CodecOption, HopKey, Joules, Layout, Problem, codec_options
from partitioner.solve.words import in_words
from partitioner.units import Bytes, CodecName, DeviceId, Seconds

LEAST_MEGABYTES = 100_000  # bytes: below, memory is told in bytes
TOLERANCE = 1e-9  # relative: a limit is not broken by the rounding of a sum


@dataclass(frozen=True)
class Excess:
    """A limit that a layout breaks: what it needs, what there is, and both in words."""

    needs: float
    has: float
    words: str


@dataclass
class _Ledger:
    """Sums under way: seconds by stage, by boundary and direction; bytes; codecs; loss."""

    stages: list[float]
    forward: list[float]
    home: list[float]
    bytes_forward: list[int]
    bytes_home: list[int]
    codecs: list[list[CodecChoice]]
    hop_busy: dict[HopKey, float] = field(default_factory=dict)
    loss: float = 0.0


def evaluate(problem: Problem, layout: Layout) -> Costs:
    """Return what one request costs in `layout`. Limits and memory are not looked at (see `violations`).

    Raises:
        InvalidProblem: the layout is no plan of the problem: stages that are no down-sets, a codec that does not
            exist, a tensor that must not cross, a link that is missing (and which way), a layer on a device that
            lacks its operator or is not the one that it is pinned to.
    """
    stage_of = stage_numbers(problem, layout)
    boundaries = [boundary_of(problem, near, far) for near, far in pairwise(layout.order)]
    crossings = crossing_tensors(problem, stage_of, len(boundaries))
    ledger = _opened(problem, layout, boundaries)
    for index, boundary in enumerate(boundaries):
        for tensor in crossings[index]:
            _cross(problem, layout, ledger, (index, boundary), tensor)
        _send_message(ledger, index, boundary)
    _go_home(problem, layout, ledger, boundaries, stage_of.tolist())
    return _closed(problem, layout, ledger)


def with_codecs(layout: Layout, costs: Costs) -> Layout:
    """Return the layout with every codec named that it was costed with, so that no other objective changes it."""
    codecs = {
        (boundary, choice.tensor): choice.codec
        for boundary, choices in enumerate(costs.codecs)
        for choice in choices
    }
    return Layout(layout.order, layout.stages, codecs)


def objective_value(problem: Problem, costs: Costs) -> float:
    """Return what `problem` minimises, of these costs."""
    objective = problem.objective
    return (
        objective.latency * costs.latency
        + objective.bottleneck * costs.bottleneck
        + objective.energy * costs.energy
        + objective.egress * costs.egress
    )


def violations(problem: Problem, costs: Costs) -> dict[str, Excess]:
    """Return the limits that these costs break: "memory of DEVICE", "latency", "bottleneck", "energy", ..."""
    limits = problem.limits
    found = {
        f"memory of {name}": _too_small(name, needs, problem.device(name).memory)
        for name, needs in costs.memory.items()
        if 0 < problem.device(name).memory < needs
    }
    rows = (
        ("latency", costs.latency, limits.latency, "the latency is", "s"),
        (
            "bottleneck",
            costs.bottleneck,
            limits.bottleneck,
            "a request keeps the busiest device or link for",
            "s",
        ),
        ("energy", costs.energy, limits.energy, "the energy is", "J"),
        ("egress", costs.egress, limits.egress, "the wire carries", "bytes"),
        ("loss", costs.loss, limits.loss, "the accuracy loss is", ""),
    )
    for name, needs, has, words, unit in rows:
        if needs > has * (1 + TOLERANCE):
            found[name] = _excess(needs, has, words, unit)
    return found


def memory_of(problem: Problem, device: DeviceId, layers: Iterable[int]) -> Bytes:
    """Return the bytes that `device` needs to hold `layers`, a tied weight once, headroom included, rounded up."""
    held = list(layers)
    activations = problem.device(device).activations
    peak = max((activations[one] for one in held), default=0) if activations else 0
    needs = (weights_of(problem, device, held) + peak) * (1 + problem.headroom)
    return Bytes(math.ceil(needs * (1 - 1e-12)))


def weights_of(problem: Problem, device: DeviceId, layers: Iterable[int]) -> Bytes:
    """Return the bytes of the weights of `layers` on `device`, a tied one once."""
    held, sizes = [problem.graph.layers[one] for one in layers], problem.sizes_on(problem.device(device))
    if not sizes:
        return Bytes(sum(layer.weights for layer in held))
    names = {name for layer in held for name in layer.weight_names}
    return Bytes(sum(sizes.get(name, 0) for name in names))


def _opened(problem: Problem, layout: Layout, boundaries: list[Boundary]) -> _Ledger:
    engine = engine_layers(problem.graph)
    stages = []
    for name, layers in zip(layout.order, layout.stages, strict=True):
        costs = problem.device(name).costs
        own = len(layers & engine)
        segment = costs.segment if 0 < own < len(engine) else 0.0
        stages.append(sum(costs.layers[one] for one in sorted(layers)) + costs.overhead + segment)
    count = len(boundaries)
    zeros = [0.0] * count
    nobytes = [0] * count
    return _Ledger(stages, zeros, zeros[:], nobytes, nobytes[:], [[] for _ in boundaries])


def _cross(
    problem: Problem, layout: Layout, ledger: _Ledger, where: tuple[int, Boundary], tensor: CostTensor
) -> None:
    index, boundary = where
    option, cost = _chosen(problem, boundary, tensor, layout.codecs.get((index, tensor.name)))
    ledger.stages[index] += cost.near
    ledger.stages[index + 1] += cost.far
    ledger.forward[index] += cost.hop
    ledger.bytes_forward[index] += cost.wire_bytes
    ledger.loss += cost.loss
    ledger.codecs[index].append(CodecChoice(tensor.name, option.codec))


def _chosen(
    problem: Problem, boundary: Boundary, tensor: CostTensor, wanted: CodecName | None
) -> tuple[CodecOption, Crossing]:
    if wanted is None:
        best = cheapest(problem, boundary, tensor)
        if best is None:
            raise InvalidProblem(f"no codec is allowed for tensor {tensor.name}", "choose another cut")
        return best[0], best[1]
    for option in codec_options(problem, tensor):
        if option.codec == wanted and option.allowed:
            return option, crossing(problem, boundary, tensor, option)
    raise InvalidProblem(f"tensor {tensor.name} has no allowed codec called {wanted}")


def _send_message(ledger: _Ledger, index: int, boundary: Boundary) -> None:
    if boundary.free:
        return
    _occupy(ledger, (boundary.near.name, boundary.far.name), ledger.forward[index])
    ledger.forward[index] += boundary.forward.delay
    ledger.stages[index] += boundary.near.costs.send_message
    ledger.stages[index + 1] += boundary.far.costs.receive_message


def _go_home(
    problem: Problem, layout: Layout, ledger: _Ledger, boundaries: list[Boundary], stage_of: list[int]
) -> None:
    used: set[int] = set()
    for tensor in problem.graph.tensors:
        if tensor.is_output and tensor.producer >= 0:
            for index in homecoming(layout.order, stage_of[tensor.producer]):
                used.add(index)
                if not boundaries[index].free:
                    ledger.bytes_home[index] += tensor.size
    for index in sorted(used):
        _send_home(ledger, index, boundaries[index])


def _send_home(ledger: _Ledger, index: int, boundary: Boundary) -> None:
    if boundary.free:
        return
    size, near, far = ledger.bytes_home[index], boundary.near.costs, boundary.far.costs
    busy = size * boundary.home.overhead / boundary.home.rate
    _occupy(ledger, (boundary.far.name, boundary.near.name), busy)
    ledger.home[index] += busy + boundary.home.delay
    ledger.stages[index + 1] += size * far.send_byte + far.send_message
    ledger.stages[index] += size * near.receive_byte + near.receive_message


def _occupy(ledger: _Ledger, hop: HopKey, seconds: float) -> None:
    ledger.hop_busy[hop] = ledger.hop_busy.get(hop, 0.0) + seconds


def _closed(problem: Problem, layout: Layout, ledger: _Ledger) -> Costs:
    busy: dict[DeviceId, float] = {}
    held: dict[DeviceId, set[int]] = {}
    for name, layers, seconds in zip(layout.order, layout.stages, ledger.stages, strict=True):
        busy[name] = busy.get(name, 0.0) + seconds
        held.setdefault(name, set()).update(layers)
    energy = sum(problem.device(name).watts * seconds for name, seconds in busy.items())
    for (tail, head), seconds in ledger.hop_busy.items():
        energy += (problem.device(tail).radio_watts + problem.device(head).radio_watts) * seconds
    return Costs(
        latency=Seconds(sum(ledger.stages) + sum(ledger.forward) + sum(ledger.home)),
        bottleneck=Seconds(max([*busy.values(), *ledger.hop_busy.values()])),
        energy=Joules(energy),
        egress=Bytes(sum(ledger.bytes_forward) + sum(ledger.bytes_home)),
        loss=ledger.loss,
        stages=tuple(map(Seconds, ledger.stages)),
        forward=tuple(map(Seconds, ledger.forward)),
        home=tuple(map(Seconds, ledger.home)),
        bytes_forward=tuple(map(Bytes, ledger.bytes_forward)),
        bytes_home=tuple(map(Bytes, ledger.bytes_home)),
        busy={name: Seconds(seconds) for name, seconds in busy.items()},
        hop_busy={hop: Seconds(seconds) for hop, seconds in ledger.hop_busy.items()},
        memory={name: memory_of(problem, name, layers) for name, layers in held.items()},
        codecs=tuple(map(tuple, ledger.codecs)),
    )


def _too_small(name: DeviceId, needs: Bytes, has: Bytes) -> Excess:
    if has < LEAST_MEGABYTES:
        return Excess(needs, has, f"{name} needs {needs} bytes and has {has} bytes")
    digits = 1 if round(needs / 1e6, 1) > round(has / 1e6, 1) else 6
    words = f"{name} needs {needs / 1e6:.{digits}f} MB and has {has / 1e6:.{digits}f} MB"
    return Excess(needs, has, words)


def _excess(needs: float, has: float, words: str, unit: str) -> Excess:
    found, most = in_words(unit, needs, has)
    return Excess(needs, has, f"{words} {found} and may be {most}")
