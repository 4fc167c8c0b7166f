"""The additive part of an objective as tables over layers, tensors, stages and boundaries.

Law: arithmetic of `prices.py`, vectorised, for one order of stages; what two orders share is computed once. No
search. Where the entry recurs behind a boundary, "an output goes home over it" asks for a maker in a *range* of
stages: that, and the fixed cost of a middle stage that runs a part of the model, is a `Charge`, which no cut counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from partitioner.predict import crosses_door
from partitioner.solve.incidence import Incidence, Ints, incidence
from partitioner.solve.layouts import homecoming
from partitioner.solve.prices import (
    Boundary,
    boundary_of,
    byte_price,
    layer_prices,
    message_price,
    second_price,
)
from partitioner.solve.problem import NO_SECONDS, Problem, codec_options, may_cross
from partitioner.units import DeviceId

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Charge:
    """A price paid once when any of `layers` is in one of `stages`, and not all of the engine's are.

    `unless_all`: whether it is spared when all of `layers` are there (a whole model is no segment).
    """

    price: float
    layers: Ints
    stages: range
    unless_all: bool

    def paid(self, stage_of: Ints) -> bool:
        """Return whether a staging pays it."""
        here = stage_of[self.layers]
        inside = (here >= self.stages.start) & (here < self.stages.stop)
        return bool(inside.any()) and not (self.unless_all and bool(inside.all()))


@dataclass(frozen=True)
class Tables:
    """Prices of one order of k stages.

    Attributes:
        incidence: the graph's arrays.
        layers: [layers, k], of a layer in a stage, its outputs' way home included.
        crossing: [consumed tensors, k - 1], of a tensor at a boundary; 0 where it must not cross.
        used, home: [k - 1], of the message over a used boundary (and the next device's fixed cost), and of the
            one home where "some maker is behind the boundary" is what uses it; 0 elsewhere.
        divided: by boundary, what is paid when the engine's layers lie on both sides of it.
        charges: what is paid once and is no cut.
        constant: what every plan pays.
    """

    incidence: Incidence
    layers: Floats
    crossing: Floats
    used: Floats
    home: Floats
    divided: Floats
    charges: tuple[Charge, ...]
    constant: float


@dataclass
class Pricing:
    """Prices of a problem, by device and by pair of devices, computed when first asked for."""

    problem: Problem
    _layers: dict[DeviceId, Floats] = field(default_factory=dict)
    _crossings: dict[tuple[DeviceId, DeviceId], Floats] = field(default_factory=dict)
    _boundaries: dict[tuple[DeviceId, DeviceId], Boundary] = field(default_factory=dict)

    def layers(self, name: DeviceId) -> Floats:
        """Return [layers], the price of each on device `name`."""
        if name not in self._layers:
            self._layers[name] = np.array(
                layer_prices(self.problem.objective, self.problem.device(name)), dtype=np.float64
            )
        return self._layers[name]

    def boundary(self, near: DeviceId, far: DeviceId) -> Boundary:
        """Return the boundary between two devices; raise InvalidProblem where a link is missing."""
        if (near, far) not in self._boundaries:
            self._boundaries[near, far] = boundary_of(self.problem, near, far)
        return self._boundaries[near, far]

    def crossings(self, near: DeviceId, far: DeviceId) -> Floats:
        """Return [consumed tensors], the price of each from `near` to `far` by its cheapest codec."""
        if (near, far) not in self._crossings:
            self._crossings[near, far] = _crossing_prices(self.problem, self.boundary(near, far))
        return self._crossings[near, far]


def tables_of(pricing: Pricing, order: Sequence[DeviceId]) -> Tables:
    """Return the tables of stages that run on `order`.

    Raises:
        InvalidProblem: a device is gone, or a link between neighbours is missing.
    """
    problem, stages = pricing.problem, len(order)
    arrays = incidence(problem.graph)
    boundaries = [pricing.boundary(near, far) for near, far in pairwise(order)]
    home, home_charges = _home_messages(problem, arrays, order, boundaries)
    divided, segment_charges = _segments(problem, arrays, order)
    crossing = np.zeros((len(arrays.consumed), stages - 1))
    for index, boundary in enumerate(boundaries):
        crossing[:, index] = pricing.crossings(boundary.near.name, boundary.far.name)
    entry = problem.devices[0]
    return Tables(
        incidence=arrays,
        layers=_layer_table(pricing, arrays, order, boundaries),
        crossing=crossing,
        used=np.array([_used_price(problem, boundary) for boundary in boundaries]),
        home=home,
        divided=divided,
        charges=(*home_charges, *segment_charges),
        constant=second_price(problem.objective, entry) * entry.costs.overhead,
    )


def plain_value(tables: Tables, stage_of: Ints) -> float:
    """Return what a staging costs, its charges apart: the value of its cut."""
    arrays, layers = tables.incidence, np.arange(len(stage_of))
    total = tables.constant + float(tables.layers[layers, stage_of].sum())
    if not len(stage_of) or not len(tables.used):
        return total
    if len(arrays.consumed):
        reach = np.maximum.reduceat(stage_of[arrays.consumers], arrays.first)
        made = np.where(arrays.producer < 0, 0, stage_of[arrays.producer])
        for boundary in range(len(tables.used)):
            total += float(tables.crossing[(made <= boundary) & (reach > boundary), boundary].sum())
    total += float(tables.used[: stage_of.max()].sum())
    if len(arrays.makers):
        total += float(tables.home[: stage_of[arrays.makers].max()].sum())
    if len(arrays.engine):
        own = stage_of[arrays.engine]
        total += float(tables.divided[own.min() : own.max()].sum())
    return total


def _used_price(problem: Problem, boundary: Boundary) -> float:
    far = second_price(problem.objective, boundary.far) * boundary.far.costs.overhead
    return message_price(problem.objective, boundary) + far


def _layer_table(
    pricing: Pricing, arrays: Incidence, order: Sequence[DeviceId], boundaries: list[Boundary]
) -> Floats:
    table = np.stack([pricing.layers(name) for name in order], axis=1)
    byte = [byte_price(pricing.problem.objective, boundary.back) for boundary in boundaries]
    for stage in range(1, len(order)):
        way = sum(byte[index] for index in homecoming(order, stage))
        table[arrays.makers, stage] += arrays.made_bytes * way
    return table


def _home_messages(
    problem: Problem, arrays: Incidence, order: Sequence[DeviceId], boundaries: list[Boundary]
) -> tuple[Floats, list[Charge]]:
    home = np.zeros(len(boundaries))
    charges: list[Charge] = []
    for index, boundary in enumerate(boundaries):
        price = message_price(problem.objective, boundary.back)
        again = next((stage for stage in range(index + 1, len(order)) if order[stage] == order[0]), None)
        if again is None:
            home[index] = price
        elif price > 0 and again > index + 1 and len(arrays.makers):
            charges.append(Charge(price, arrays.makers, range(index + 1, again), unless_all=False))
    return home, charges


def _segments(problem: Problem, arrays: Incidence, order: Sequence[DeviceId]) -> tuple[Floats, list[Charge]]:
    """Return the fixed cost of the first and the last stage's segments, and of those between as charges."""
    divided = np.zeros(len(order) - 1)
    charges: list[Charge] = []
    for stage, name in enumerate(order):
        device = problem.device(name)
        price = second_price(problem.objective, device) * device.costs.segment
        if stage == 0 and len(order) > 1:
            divided[0] += price
        elif stage == len(order) - 1 and len(order) > 1:
            divided[-1] += price
        elif price > 0 and len(order) > 1 and len(arrays.engine):
            charges.append(Charge(price, arrays.engine, range(stage, stage + 1), unless_all=True))
    return divided, charges


def _crossing_prices(problem: Problem, boundary: Boundary) -> Floats:
    arrays, objective = incidence(problem.graph), problem.objective
    if boundary.free or not len(arrays.consumed):
        return np.zeros(len(arrays.consumed))
    near, far = second_price(objective, boundary.near), second_price(objective, boundary.far)
    border = near * boundary.near.costs.leaving + far * boundary.far.costs.entering
    byte = byte_price(objective, boundary)
    tensors = [problem.graph.tensors[index] for index in arrays.consumed.tolist()]
    sizes = [0 if crosses_door(problem.graph, tensor) else tensor.size for tensor in tensors]
    wired = [_wire_price(problem, boundary, index, byte) for index in arrays.consumed.tolist()]
    prices: Floats = np.array(sizes, dtype=np.float64) * border + np.array(wired)
    return prices


def _wire_price(problem: Problem, boundary: Boundary, index: int, byte: float) -> float:
    """Return the least price of a tensor's codecs, its border apart; 0 when it must not cross."""
    tensor, objective = problem.graph.tensors[index], problem.objective
    if not may_cross(problem, tensor):
        return 0.0  # a tie keeps its maker and its consumers together
    best = math.inf
    near, far = second_price(objective, boundary.near), second_price(objective, boundary.far)
    for option in codec_options(problem, tensor):
        if option.allowed:
            key = (tensor.name, option.codec)
            encode = boundary.near.codecs.get(key, NO_SECONDS).encode
            decode = boundary.far.codecs.get(key, NO_SECONDS).decode
            best = min(best, encode * near + decode * far + option.wire_bytes * byte)
    return best
