"""One layout priced and judged in plain Python, term by term: the third arithmetic of the proof.

Law: knows the nouns and the definition in `problem.py`; no table, no solver, and nothing of `costing.py`.
"""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass, field

from partitioner.graph import CostTensor
from partitioner.solve.problem import CodecOption, CodecSeconds, Device, Hop, Layout, Problem
from partitioner.units import DeviceId, TensorName

ROUNDING = 1e-6  # relative; how far a limit may seem exceeded by the order of additions


@dataclass
class Bill:
    """What a layout costs, and everything that is wrong with it."""

    busy: dict[str, float] = field(default_factory=lambda: collections.defaultdict(float))
    hops: dict[tuple[str, str], float] = field(default_factory=lambda: collections.defaultdict(float))
    delays: float = 0.0
    egress: float = 0.0
    loss: float = 0.0
    energy: float = 0.0
    faults: list[str] = field(default_factory=list)
    value: float = 0.0

    @property
    def latency(self) -> float:
        return self.delays + sum(self.busy.values()) + sum(self.hops.values())

    @property
    def bottleneck(self) -> float:
        return max([*self.busy.values(), *self.hops.values()])


def bill(problem: Problem, layout: Layout) -> Bill:
    """Return what `layout` costs; `faults` is empty when it is a plan of the space."""
    out = Bill()
    stage_of = {layer: stage for stage, layers in enumerate(layout.stages) for layer in layers}
    _judge_shape(problem, layout, stage_of, out)
    if out.faults:
        return out
    devices = [problem.device(name) for name in layout.order]
    for stage, device in enumerate(devices):
        _stage(problem, device, layout.stages[stage], out)
    out.busy[devices[0].name] += devices[0].costs.overhead
    for boundary in range(len(devices) - 1):
        _forward(problem, layout, stage_of, boundary, out)
        _home(problem, layout, stage_of, boundary, out)
    out.energy = sum(problem.device(DeviceId(name)).watts * one for name, one in out.busy.items())
    for (a, b), seconds in out.hops.items():
        radios = problem.device(DeviceId(a)).radio_watts + problem.device(DeviceId(b)).radio_watts
        out.energy += radios * seconds
    _judge_limits(problem, layout, out)
    wish = problem.objective
    out.value = wish.latency * out.latency + wish.bottleneck * out.bottleneck
    out.value += wish.energy * out.energy + wish.egress * out.egress
    return out


def _judge_shape(problem: Problem, layout: Layout, stage_of: dict[int, int], out: Bill) -> None:
    layers = [layer for stage in layout.stages for layer in stage]
    if sorted(layers) != list(range(len(problem.graph.layers))) or len(layout.order) != len(layout.stages):
        out.faults.append("not every layer is in one stage")
        return
    if layout.order[0] != problem.entry:
        out.faults.append("stage 0 is not on the entry")
    if len(layout.stages) > 1 and not layout.stages[-1]:
        out.faults.append("a trailing empty stage")
    if problem.order is not None and layout.order != problem.order[: len(layout.order)]:
        out.faults.append("not in the given order")
    if problem.order is None and len(set(layout.order)) < len(layout.order):
        out.faults.append("a device twice")
    for tensor in problem.graph.tensors:
        if any(stage_of.get(tensor.producer, 0) > stage_of[one] for one in tensor.consumers):
            out.faults.append(f"{tensor.name} flows backwards")
    for layer, stage in stage_of.items():
        name = layout.order[stage]
        if layer in problem.device(name).lacks or problem.pins.get(layer, name) != name:
            out.faults.append(f"layer {layer} may not run on {name}")


def _judge_limits(problem: Problem, layout: Layout, out: Bill) -> None:
    for what in ("latency", "bottleneck", "energy", "egress", "loss"):
        if getattr(out, what) > getattr(problem.limits, what) * (1 + ROUNDING):
            out.faults.append(f"{what} is {getattr(out, what)}")
    for name in set(layout.order):
        needed, device = _memory(problem, layout, name), problem.device(name)
        if device.memory and needed > device.memory * (1 + ROUNDING):
            out.faults.append(f"{name} needs {needed} bytes")


def _memory(problem: Problem, layout: Layout, name: DeviceId) -> float:
    held = [
        one for at, layers in zip(layout.order, layout.stages, strict=True) for one in layers if at == name
    ]
    layers = [problem.graph.layers[one] for one in held]
    weights = sum(layer.weights for layer in layers)
    own = problem.device(name).weight_bytes
    sizes = problem.weight_bytes if own is None else own
    if sizes:
        names = {weight for layer in layers for weight in layer.weight_names}
        weights = sum(sizes.get(one, 0) for one in names)
    alive = problem.device(name).activations
    peak = max((alive[one] for one in held), default=0) if alive else 0
    return (weights + peak) * (1 + problem.headroom)


def _stage(problem: Problem, device: Device, layers: frozenset[int], out: Bill) -> None:
    out.busy[device.name] += sum(device.costs.layers[layer] for layer in layers)
    engine = {layer.index for layer in problem.graph.layers if not layer.pseudo}
    if 0 < len(engine & layers) < len(engine):
        out.busy[device.name] += device.costs.segment


def _forward(problem: Problem, layout: Layout, stage_of: dict[int, int], boundary: int, out: Bill) -> None:
    a, b = (problem.device(name) for name in layout.order[boundary : boundary + 2])
    out.busy[b.name] += b.costs.overhead
    free = a.name == b.name  # between a device and itself nothing is paid
    hop = _hop(problem, a, b, out)
    if not free:
        out.delays += hop.delay
        out.busy[a.name] += a.costs.send_message
        out.busy[b.name] += b.costs.receive_message
    for tensor in problem.graph.tensors:
        made = stage_of.get(tensor.producer, 0)
        if not (made <= boundary and any(stage_of[one] > boundary for one in tensor.consumers)):
            continue
        prepared = tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input
        if tensor.name in problem.stay or (problem.keep_input and prepared):
            out.faults.append(f"{tensor.name} crosses and must stay")
        if free:
            continue
        option = _option(problem, layout, boundary, tensor, out)
        _wire(a, b, hop, option.wire_bytes, out)
        out.busy[a.name] += a.codecs.get((tensor.name, option.codec), CodecSeconds()).encode
        out.busy[b.name] += b.codecs.get((tensor.name, option.codec), CodecSeconds()).decode
        out.loss += option.loss
        if tensor.producer >= 0 and not problem.graph.layers[tensor.producer].pseudo:
            out.busy[a.name] += tensor.size * a.costs.leaving
            out.busy[b.name] += tensor.size * b.costs.entering


def _home(problem: Problem, layout: Layout, stage_of: dict[int, int], boundary: int, out: Bill) -> None:
    a, b = (problem.device(name) for name in layout.order[boundary : boundary + 2])
    if a.name == b.name:
        return
    hop, used = _hop(problem, b, a, out), False
    for tensor in problem.graph.tensors:
        if not tensor.is_output or tensor.producer < 0:
            continue
        stage = stage_of[tensor.producer]
        while layout.order[stage] != layout.order[0] and stage > boundary:
            stage -= 1
            if stage == boundary:  # it walked home over this boundary
                used = True
                _wire(b, a, hop, tensor.size, out)
    if used:
        out.delays += hop.delay
        out.busy[b.name] += b.costs.send_message
        out.busy[a.name] += a.costs.receive_message


def _wire(a: Device, b: Device, hop: Hop, size: float, out: Bill) -> None:
    out.hops[a.name, b.name] += size * hop.overhead / hop.rate
    out.busy[a.name] += size * a.costs.send_byte
    out.busy[b.name] += size * b.costs.receive_byte
    out.egress += size


def _hop(problem: Problem, a: Device, b: Device, out: Bill) -> Hop:
    hop = problem.hops.get((a.name, b.name))
    if hop is None and a.name != b.name:
        out.faults.append(f"no link {a.name} -> {b.name}")
    return hop or Hop(1.0)  # type: ignore[arg-type]


def _option(problem: Problem, layout: Layout, boundary: int, tensor: CostTensor, out: Bill) -> CodecOption:
    options = problem.options.get(tensor.name) or (CodecOption("raw", tensor.size),)  # type: ignore[arg-type]
    allowed = {option.codec: option for option in options if option.allowed}
    chosen = layout.codecs.get((boundary, TensorName(tensor.name)))
    if chosen is None and allowed and (len(allowed) == 1 or problem.objective.additive):
        ends = [problem.device(name) for name in layout.order[boundary : boundary + 2]]
        return min(allowed.values(), key=lambda one: _alone(problem, ends, tensor, one))
    if chosen not in allowed:
        out.faults.append(f"{tensor.name} crosses boundary {boundary} by {chosen}")
        return options[0]
    return allowed[chosen]


def _alone(problem: Problem, ends: list[Device], tensor: CostTensor, option: CodecOption) -> float:
    """Return what one crossing by `option` adds to an objective that is a sum."""
    a, b = ends
    out, key = Bill(), (tensor.name, option.codec)
    _wire(a, b, _hop(problem, a, b, out), option.wire_bytes, out)
    out.busy[a.name] += a.codecs.get(key, CodecSeconds()).encode
    out.busy[b.name] += b.codecs.get(key, CodecSeconds()).decode
    joules = sum(problem.device(DeviceId(name)).watts * seconds for name, seconds in out.busy.items())
    joules += (a.radio_watts + b.radio_watts) * sum(out.hops.values())
    wish = problem.objective
    return wish.latency * out.latency + wish.energy * joules + wish.egress * out.egress


def same(one: float, other: float, relative: float = 1e-6) -> bool:
    """Return whether two values are equal up to the rounding that solvers may do."""
    return math.isclose(one, other, rel_tol=relative, abs_tol=1e-12)
