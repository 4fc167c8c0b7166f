"""What one thing costs: a crossing, a message, a byte on its way home, a second of a device.

Law: pure sums over the nouns of `problem.py`, shared by `costing.py` and every solver (not by the oracle); no
layout, no search. A *price* is in units of the objective's additive part, so a sum of prices is what a minimum
cut minimises; its bottleneck term is no sum and has no price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from partitioner.errors import InvalidProblem
from partitioner.graph import CostTensor
from partitioner.predict import crosses_door
from partitioner.solve.problem import NO_SECONDS, CodecOption, Device, Hop, Objective, Problem, codec_options
from partitioner.units import BytesPerSecond, DeviceId


@dataclass(frozen=True)
class Boundary:
    """Two neighbouring stages' devices, and the hop in either direction.

    A boundary between a device and itself (`free`) costs nothing: no message, no codec, no cut of its own.
    """

    near: Device
    far: Device
    forward: Hop
    home: Hop

    @property
    def free(self) -> bool:
        """Return whether both stages run on one device."""
        return self.near.name == self.far.name

    @property
    def back(self) -> Boundary:
        """The same boundary as what goes home sees it."""
        return Boundary(self.far, self.near, self.home, self.forward)


@dataclass(frozen=True)
class Crossing:
    """What one tensor costs at one boundary by one codec: seconds of each party, wire bytes, loss."""

    near: float
    hop: float
    far: float
    wire_bytes: int
    loss: float


NOWHERE = Hop(BytesPerSecond(math.inf))
NOTHING = Crossing(0.0, 0.0, 0.0, 0, 0.0)


def boundary_of(problem: Problem, near: DeviceId, far: DeviceId) -> Boundary:
    """Return the boundary between stages on `near` and on `far`.

    Raises:
        InvalidProblem: a device is gone, or the link is missing in one direction or both; says which.
    """
    one, other = problem.device(near), problem.device(far)
    if near == far:
        return Boundary(one, other, NOWHERE, NOWHERE)
    return Boundary(one, other, _hop(problem, near, far), _hop(problem, far, near))


def _hop(problem: Problem, tail: DeviceId, head: DeviceId) -> Hop:
    hop = problem.hops.get((tail, head))
    if hop is None:
        back = "the way back is there" if (head, tail) in problem.hops else "nor any way back"
        raise InvalidProblem(f"no link leads from {tail} to {head} ({back})", "measure or declare that link")
    return hop


def crossing(problem: Problem, boundary: Boundary, tensor: CostTensor, option: CodecOption) -> Crossing:
    """Return what `tensor` costs at `boundary` by `option`."""
    if boundary.free:
        return NOTHING
    key = (tensor.name, option.codec)
    size = 0 if crosses_door(problem.graph, tensor) else tensor.size
    wire, near, far = option.wire_bytes, boundary.near, boundary.far
    encode = near.codecs.get(key, NO_SECONDS).encode
    decode = far.codecs.get(key, NO_SECONDS).decode
    return Crossing(
        near=encode + wire * near.costs.send_byte + size * near.costs.leaving,
        hop=wire * boundary.forward.overhead / boundary.forward.rate,
        far=decode + wire * far.costs.receive_byte + size * far.costs.entering,
        wire_bytes=wire,
        loss=option.loss,
    )


def cheapest(
    problem: Problem, boundary: Boundary, tensor: CostTensor
) -> tuple[CodecOption, Crossing, float] | None:
    """Return the allowed codec that costs the objective least on its own, what it costs, and its price.

    On its own means: as if nothing else ran, the bottleneck being the busiest of the three parties. The price is
    of the additive part alone. None when no codec is allowed. Ties go to the faster, then to the smaller loss.
    """
    best: tuple[tuple[float, float, float], CodecOption, Crossing, float] | None = None
    for option in codec_options(problem, tensor):
        if not option.allowed:
            continue
        cost = crossing(problem, boundary, tensor, option)
        price = crossing_price(problem.objective, boundary, cost)
        alone = price + problem.objective.bottleneck * max(cost.near, cost.hop, cost.far)
        rank = (alone, cost.near + cost.hop + cost.far, cost.loss)
        if best is None or rank < best[0]:
            best = (rank, option, cost, price)
    return best[1:] if best else None


def crossing_price(objective: Objective, boundary: Boundary, cost: Crossing) -> float:
    """Return the price of one crossing."""
    return (
        cost.near * second_price(objective, boundary.near)
        + cost.hop * hop_second_price(objective, boundary)
        + cost.far * second_price(objective, boundary.far)
        + cost.wire_bytes * objective.egress
    )


def second_price(objective: Objective, device: Device) -> float:
    """Return the price of a busy second of `device`."""
    return objective.latency + objective.energy * device.watts


def hop_second_price(objective: Objective, boundary: Boundary) -> float:
    """Return the price of a busy second of the hop, either direction: both radios are on."""
    return objective.latency + objective.energy * (boundary.near.radio_watts + boundary.far.radio_watts)


def message_price(objective: Objective, boundary: Boundary) -> float:
    """Return the price of the message over a used boundary: its delay, and both devices' own work."""
    if boundary.free:
        return 0.0
    return (
        objective.latency * boundary.forward.delay
        + second_price(objective, boundary.near) * boundary.near.costs.send_message
        + second_price(objective, boundary.far) * boundary.far.costs.receive_message
    )


def byte_price(objective: Objective, boundary: Boundary) -> float:
    """Return the price of each wire byte that crosses a boundary: the hop's, both devices' own work, its egress."""
    if boundary.free:
        return 0.0
    return (
        hop_second_price(objective, boundary) * boundary.forward.overhead / boundary.forward.rate
        + second_price(objective, boundary.near) * boundary.near.costs.send_byte
        + second_price(objective, boundary.far) * boundary.far.costs.receive_byte
        + objective.egress
    )


def layer_prices(objective: Objective, device: Device) -> list[float]:
    """Return the price of each layer on `device`."""
    price = second_price(objective, device)
    return [price * seconds for seconds in device.costs.layers]
