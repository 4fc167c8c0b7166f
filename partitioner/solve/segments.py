"""What a segment J - I of a device costs and needs, for all pairs of nested down-sets.

Law: tables over a lattice, in numpy; no boundary, no search. Seconds and counts are prefix tables by down-set, so a
segment's is a difference. Memory is not (a tied weight counts once, activations by their largest): it is spelled
out for all pairs, and only for a device that could be too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from partitioner.graph import CostGraph
from partitioner.predict import engine_layers
from partitioner.solve.labels import Floats
from partitioner.solve.lattice import Bools, Lattice
from partitioner.solve.problem import Device, Problem
from partitioner.units import Bytes, DeviceId, TensorName

BLOCK = 256  # rows of a table of pairs that are held as bytes at a time


@dataclass(frozen=True)
class Weights:
    """Weights of a graph, of which some are shared by layers.

    Attributes:
        own: bytes of each layer that no other layer shares.
        shared: bytes of each shared one (those that the same layers use are one), the largest first.
        users: bool [shared, layers].
    """

    own: Floats
    shared: Floats
    users: Bools

    def of(self, layers: Bools) -> Floats:
        """Return the bytes of each row of `layers` (bool [rows, layers]), shared ones once."""
        used = (layers.astype(np.float64) @ self.users.T.astype(np.float64)) > 0
        return np.asarray(layers @ self.own + used @ self.shared)


WeightsOf = Mapping[DeviceId, Weights]


@dataclass(frozen=True)
class Segments:
    """One device's tables over a lattice of D down-sets.

    Attributes:
        seconds: of all layers of each down-set, [D].
        engine: how many of the engine's layers each holds, [D]; `engine[-1]` is all of them.
        banned: how many layers it holds that the device may not run, [D].
        fits: bool [D, D], entry [J, I] tells whether J - I fits its memory; None where everything does.
        fixed: seconds of a segment that holds some of the engine's layers, but not all.
    """

    seconds: Floats
    engine: npt.NDArray[np.intp]
    banned: npt.NDArray[np.intp]
    fits: Bools | None
    fixed: float

    def allowed(self, end: int, starts: npt.NDArray[np.intp]) -> Bools:
        """Return which of the segments from `starts` to `end` the device may run, and hold."""
        may: Bools = np.equal(self.banned[starts], self.banned[end])
        return may if self.fits is None else np.asarray(may & self.fits[end, starts])

    def times(self, end: int, starts: npt.NDArray[np.intp]) -> Floats:
        """Return the seconds of the segments from `starts` to `end`."""
        held = self.engine[end] - self.engine[starts]
        divided = (held > 0) & (held < self.engine[-1])
        return np.asarray(self.seconds[end] - self.seconds[starts] + self.fixed * divided)


def weights_of(problem: Problem) -> WeightsOf:
    """Return the weights of the problem's graph as each device holds them, told apart by who shares them."""
    alike = _weights(problem, problem.weight_bytes)
    return {
        one.name: alike if one.weight_bytes is None else _weights(problem, one.weight_bytes)
        for one in problem.devices
    }


def _weights(problem: Problem, sizes: Mapping[TensorName, Bytes]) -> Weights:
    layers = problem.graph.layers
    if not sizes:
        own = np.array([layer.weights for layer in layers], dtype=np.float64)
        return Weights(own, np.empty(0), np.empty((0, len(layers)), dtype=np.bool_))
    bytes_of: dict[tuple[int, ...], float] = {}
    for users, size in _users(problem, sizes):
        bytes_of[users] = bytes_of.get(users, 0.0) + size
    own = np.zeros(len(layers))
    for users, size in bytes_of.items():
        if len(users) == 1:
            own[users[0]] += size
    shared = sorted((users for users in bytes_of if len(users) > 1), key=lambda users: -bytes_of[users])
    table = np.zeros((len(shared), len(layers)), dtype=np.bool_)
    for row, users in enumerate(shared):
        table[row, list(users)] = True
    return Weights(own, np.array([bytes_of[users] for users in shared]), table)


def _users(problem: Problem, sizes: Mapping[TensorName, Bytes]) -> list[tuple[tuple[int, ...], float]]:
    users: dict[TensorName, list[int]] = {}
    for layer in problem.graph.layers:
        for name in set(layer.weight_names):
            users.setdefault(name, []).append(layer.index)
    return [(tuple(layers), float(sizes[name])) for name, layers in users.items() if name in sizes]


def segments_of(
    problem: Problem, lattice: Lattice, device: Device, weights: WeightsOf, pairs: bool
) -> Segments:
    """Return the tables of `device`; `pairs` says whether its memory is to be looked at here."""
    graph = problem.graph
    sets = lattice.sets.astype(np.float64)
    engine = _mask(graph, engine_layers(graph))
    return Segments(
        seconds=sets @ np.array(device.costs.layers, dtype=np.float64).reshape(len(graph.layers)),
        engine=(lattice.sets @ engine.astype(np.intp)).astype(np.intp),
        banned=(lattice.sets @ banned_layers(problem, device).astype(np.intp)).astype(np.intp),
        fits=_fits(problem, lattice, device, weights) if pairs else None,
        fixed=float(device.costs.segment),
    )


def banned_layers(problem: Problem, device: Device) -> Bools:
    """Return bool [layers]: those that `device` lacks an operator for, or that are pinned to another."""
    elsewhere = {layer for layer, name in problem.pins.items() if name != device.name}
    return _mask(problem.graph, elsewhere | device.lacks)


def too_small(problem: Problem, device: Device, weights: WeightsOf) -> bool:
    """Return whether `device` could not hold all layers that it may run at once."""
    if not device.memory:
        return False
    layers = ~banned_layers(problem, device)[None, :]
    peak = (layers * activations(problem, device)).max(initial=0.0)
    return bool((weights[device.name].of(layers)[0] + peak) * (1 + problem.headroom) > device.memory)


def activations(problem: Problem, device: Device) -> Floats:
    """Return the bytes of activations alive while each layer runs on `device`; 0 where unknown."""
    known = device.activations or (0,) * len(problem.graph.layers)
    return np.array(known, dtype=np.float64)


def _fits(problem: Problem, lattice: Lattice, device: Device, weights: WeightsOf) -> Bools | None:
    if not too_small(problem, device, weights):
        return None
    alive, room = activations(problem, device), device.memory / (1 + problem.headroom) / (1 - 1e-12)
    fits = np.empty((len(lattice), len(lattice)), dtype=np.bool_)
    for first in range(0, len(lattice), BLOCK):
        rows = range(first, min(first + BLOCK, len(lattice)))
        need = _pair_weights(lattice, weights[device.name], rows)
        if alive.any():
            need += pair_activations(lattice, alive, rows)
        fits[rows.start : rows.stop] = need <= room
    return fits


def _pair_weights(lattice: Lattice, weights: Weights, rows: range) -> Floats:
    """Return the bytes of weights of J - I, [J of `rows`, I] (of any worth only where I is a part of J)."""
    held = lattice.sets @ weights.own
    need: Floats = held[rows.start : rows.stop, None] - held[None, :]
    for size, users in zip(weights.shared, weights.users, strict=True):
        count = lattice.sets @ users.astype(np.intp)
        need += size * (count[rows.start : rows.stop, None] > count[None, :])
    return need


def pair_activations(lattice: Lattice, alive: Floats, rows: range) -> Floats:
    """Return the largest activation in J - I, [J of `rows`, I]: the first of J, largest first, that I lacks."""
    order = np.argsort(-alive, kind="stable")
    order = order[alive[order] > 0]
    most = np.zeros((len(rows), len(lattice)))
    for row, end in enumerate(rows):
        inside = order[lattice.sets[end][order]]
        if len(inside):
            missing = ~lattice.sets[: end + 1, inside]
            first = missing.argmax(axis=1)
            most[row, : end + 1] = np.where(missing.any(axis=1), alive[inside[first]], 0.0)
    return most


def _mask(graph: CostGraph, layers: frozenset[int] | set[int]) -> Bools:
    mask = np.zeros(len(graph.layers), dtype=np.bool_)
    mask[list(layers)] = True
    return mask
