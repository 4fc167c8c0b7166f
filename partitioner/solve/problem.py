"""The question put to a planner, and the space of plans that it is asked about (DESIGN D1).

Law: frozen nouns; no arithmetic of cost (that is `costing.py`), no search. Every solver, and the oracle that
catches them lying, answers exactly the question that stands here.

**The space.** A plan is an ordered chain of stages. Stage s runs on one device, `order[s]`, and holds a set of
layers, possibly none; the layers of stages 0..s together are a down-set of the graph, so every tensor flows
forward. Stage 0 is on the *entry*, the first device of the problem: it admits requests, and the inputs are
there. With `Problem.order` the devices of the stages are given (a device may come twice: board, cloud, board);
without it, any order of any of the other devices behind the entry, each at most once. Trailing empty stages are
no part of a plan; an empty stage before the last used one relays.

**Boundaries.** Boundary j lies between stages j and j + 1. It is *used* when some layer is in a stage > j. A
tensor *crosses* it when it is given, or made in a stage <= j, and consumed in a stage > j: a tensor needed by a
later stage travels through every stage between and pays each hop, once however many consumers it has. At each
hop a tensor crosses by one codec of its options.

**Home.** An output made in stage s goes back to the entry, raw, along the boundaries s - 1, s - 2, ..., t, where
t <= s is the latest stage whose device is the entry (nothing where s = t: it is home). Boundary j is *used
backwards* when some output goes back over it.

**Seconds of one request** (latency), the sum of:
- every layer: `device.costs.layers[layer]` of its stage's device;
- `device.costs.overhead` of the entry, and of order[j + 1] for every used boundary j (once per stage);
- `device.costs.segment` of every stage that holds some but not all of the engine's layers (`engine_layers`);
- per crossing of boundary j by a tensor, with a = order[j], b = order[j + 1], its codec's w wire bytes, size z:
  a's encode + w x (overhead / rate of hop a->b + a.costs.send_byte + b.costs.receive_byte) + b's decode, and,
  unless it is a door tensor (`crosses_door`), z x (a.costs.leaving + b.costs.entering);
- per used boundary: delay of a->b + a.costs.send_message + b.costs.receive_message;
- per output that goes back over boundary j, of size z: z x (overhead / rate of hop b->a + b.costs.send_byte +
  a.costs.receive_byte); per boundary used backwards: delay of b->a + b.costs.send_message +
  a.costs.receive_message.

**Busy seconds**: a device's are everything above that is its own (layers, overhead, segment, encode, decode,
leaving, entering, send_*, receive_*), summed over its stages; a directed hop's are its wire bytes x overhead /
rate, summed over all boundaries and directions that use it (no delay). **Bottleneck** is the largest of them:
pipelined, a plan answers 1 / bottleneck requests a second.

**Energy** (joules, from declared watts): `watts` x a device's busy seconds, plus `radio_watts` of both ends x a
hop's busy seconds. **Egress** (bytes): wire bytes over all hops in both directions, headers apart. **Loss**: the
sum over crossings of the codec's loss.

**Memory** of a device: the weights of all layers of all its stages (a tied one once), plus the largest activation
of any of those layers, times 1 + headroom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from partitioner.costs import HEADER_OVERHEAD, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.predict import StageCosts
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, Seconds, TensorName

RAW_NAME = CodecName("raw")
EXACT = 1e-5  # a relative gap between a value and its bound up to this is rounding

Joules = NewType("Joules", float)
Watts = NewType("Watts", float)
HopKey = tuple[DeviceId, DeviceId]
CodecKey = tuple[TensorName, CodecName]


@dataclass(frozen=True)
class CodecSeconds:
    """What encoding and decoding one tensor by one codec takes on a device."""

    encode: Seconds = Seconds(0.0)
    decode: Seconds = Seconds(0.0)


NO_SECONDS = CodecSeconds()


@dataclass(frozen=True)
class Device:
    """A device that may run stages, and what this model costs there.

    Attributes:
        name: who it is.
        costs: seconds of layers, cuts, messages.
        codecs: seconds by (tensor, codec); what is not listed takes none.
        memory: bytes that it has for this model; 0 means no limit.
        activations: bytes of activations alive while each layer runs, by layer; empty means unknown (0).
        watts: declared power while it is busy, above idle; 0 when nobody declared it.
        radio_watts: declared power of its radio while one of its links carries bytes.
        lacks: layers with an operator that it cannot run.
        weight_bytes: bytes of each initializer as this device holds it, where it runs a variant of the model; None
            where it holds what the problem says.
    """

    name: DeviceId
    costs: StageCosts
    codecs: Mapping[CodecKey, CodecSeconds] = field(default_factory=dict)
    memory: Bytes = Bytes(0)
    activations: tuple[Bytes, ...] = ()
    watts: Watts = Watts(0.0)
    radio_watts: Watts = Watts(0.0)
    lacks: frozenset[int] = frozenset()
    weight_bytes: Mapping[TensorName, Bytes] | None = None


@dataclass(frozen=True)
class Hop:
    """One direction of a link: bytes per second, seconds of delay, wire bytes per byte of payload."""

    rate: BytesPerSecond
    delay: Seconds = Seconds(0.0)
    overhead: float = HEADER_OVERHEAD


@dataclass(frozen=True)
class CodecOption:
    """One way for one tensor to cross: bytes on the wire, and the loss it brings to the answer.

    `loss` is relative (max |out - out'| / max |out|, see `CodecSample`). An option that is not `allowed` is never
    chosen by a solver; it is there so that a report can say why.
    """

    codec: CodecName
    wire_bytes: Bytes
    loss: float = 0.0
    allowed: bool = True


@dataclass(frozen=True)
class Objective:
    """What is minimised: a weighted sum. A weight is a price per second, second, joule, byte."""

    latency: float = 1.0
    bottleneck: float = 0.0
    energy: float = 0.0
    egress: float = 0.0

    @property
    def additive(self) -> bool:
        """Return whether it is a sum over layers and tensors, so that a minimum cut can find its least."""
        return self.bottleneck == 0.0


LATENCY = Objective()
THROUGHPUT = Objective(latency=0.0, bottleneck=1.0)
ENERGY = Objective(latency=0.0, energy=1.0)
EGRESS = Objective(latency=0.0, egress=1.0)


@dataclass(frozen=True)
class Limits:
    """What a plan may cost at most. A floor on throughput of x a second is `bottleneck=1 / x`."""

    latency: Seconds = Seconds(math.inf)
    bottleneck: Seconds = Seconds(math.inf)
    energy: Joules = Joules(math.inf)
    egress: float = math.inf
    loss: float = math.inf


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Problem:
    """How to run `graph` on `devices`.

    Attributes:
        graph: the model.
        devices: those that there are; the first is the entry. Names are distinct.
        hops: each direction of each link, by (from, to). A boundary between two different devices needs both
            directions. Between a device and itself no hop is needed: it costs nothing.
        order: the device of each stage, the entry first; None for any order of any of them.
        options: codecs for each tensor; a tensor that is not listed may only cross raw.
        pins: layers that must run on one device (on any of its stages).
        stay: tensors that must not cross any boundary.
        keep_input: graph inputs, and what is made from them by mere preparation (`Layer.from_input`), must not
            cross any boundary.
        weight_bytes: bytes of each initializer, by name; needed only to count tied weights once. Where it is
            empty, `Layer.weights` are summed. A device may hold other bytes (`Device.weight_bytes`).
        headroom: fraction of weights and activations that must be free beside them.
        objective, limits: what is wanted.
    """

    graph: CostGraph
    devices: tuple[Device, ...]
    hops: Mapping[HopKey, Hop] = field(default_factory=dict)
    order: tuple[DeviceId, ...] | None = None
    options: Mapping[TensorName, tuple[CodecOption, ...]] = field(default_factory=dict)
    pins: Mapping[int, DeviceId] = field(default_factory=dict)
    stay: frozenset[TensorName] = frozenset()
    keep_input: bool = False
    weight_bytes: Mapping[TensorName, Bytes] = field(default_factory=dict)
    headroom: float = 0.2
    objective: Objective = LATENCY
    limits: Limits = NO_LIMITS

    @property
    def entry(self) -> DeviceId:
        """The device that admits requests."""
        return self.devices[0].name

    def sizes_on(self, device: Device) -> Mapping[TensorName, Bytes]:
        """Return the bytes of each initializer as `device` holds it; empty where `Layer.weights` are summed."""
        return self.weight_bytes if device.weight_bytes is None else device.weight_bytes

    def device(self, name: DeviceId) -> Device:
        """Return the device called `name`.

        Raises:
            InvalidProblem: there is none, it is gone.
        """
        for device in self.devices:
            if device.name == name:
                return device
        known = ", ".join(one.name for one in self.devices)
        raise InvalidProblem(f"no device is called {name} (there is: {known})", "start it, or drop the pin")


@dataclass(frozen=True)
class Layout:
    """Where the layers are: the device and the layers of each stage, trailing empty stages left out.

    `codecs` gives the codec of each (boundary, tensor) that crosses; what is not listed crosses by the codec that
    costs the objective least on its own.
    """

    order: tuple[DeviceId, ...]
    stages: tuple[frozenset[int], ...]
    codecs: Mapping[tuple[int, TensorName], CodecName] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a solver found: a layout, the objective's value, and what is proven.

    No plan of the space has a smaller value than `lower_bound`, which `method` proved ("min-cut", "down-sets",
    "branch-and-bound", "contraction", "enumeration", "milp"). `gap` 0 (up to `EXACT`) means optimal.
    """

    layout: Layout
    value: float
    lower_bound: float
    method: str

    @property
    def gap(self) -> float:
        """Relative distance of the value from the bound."""
        return max((self.value - self.lower_bound) / self.value, 0.0) if self.value > 0 else 0.0


def may_cross(problem: Problem, tensor: CostTensor) -> bool:
    """Return whether the wishes let `tensor` cross a boundary and some allowed codec holds it."""
    if tensor.name in problem.stay:
        return False
    if problem.keep_input and (tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input):
        return False
    return any(option.allowed for option in codec_options(problem, tensor))


def codec_options(problem: Problem, tensor: CostTensor) -> tuple[CodecOption, ...]:
    """Return the codecs that `tensor` is offered; raw when none is listed."""
    return problem.options.get(tensor.name) or (CodecOption(RAW_NAME, tensor.size),)


def hops_of(first: DeviceId, second: DeviceId, link: LinkProfile) -> dict[HopKey, Hop]:
    """Return both directions of a measured link, as `first`, who dialled, sees it."""
    return {
        (first, second): Hop(link.up, link.delay_up, link.overhead),
        (second, first): Hop(link.down, link.delay_down, link.overhead),
    }
