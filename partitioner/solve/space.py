"""The tables that a search over down-sets reads, built once for a problem and a lattice.

Law: pure assembly; what a table holds is defined where its type is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partitioner.solve.boundaries import Passage, passage_of
from partitioner.solve.columns import NONE, Columns, columns_of
from partitioner.solve.crossings import Crossings, Flow, crossings_of, flow_of
from partitioner.solve.kinds import Station
from partitioner.solve.labels import Floats
from partitioner.solve.lattice import Bools, Lattice
from partitioner.solve.metrics import Metrics, metrics_of
from partitioner.solve.prices import boundary_of
from partitioner.solve.problem import Device, HopKey, Problem
from partitioner.solve.search import Rows, Space
from partitioner.solve.segments import (
    Segments,
    WeightsOf,
    activations,
    banned_layers,
    pair_activations,
    segments_of,
    weights_of,
)
from partitioner.units import DeviceId

Kinds = Sequence[Sequence[Device]]


def space_of(
    problem: Problem, lattice: Lattice, among: Kinds, stations: tuple[Station, ...], optimistic: bool = False
) -> Space:
    """Return the tables for `stations` (of the kinds `among`) over the legal boundaries of `lattice`."""
    lattice = _legal_only(problem, lattice)
    flow, metrics, weights = flow_of(problem, lattice), metrics_of(problem), weights_of(problem)
    columns = columns_of(problem, metrics, weights)
    segments = _segments(problem, lattice, stations, weights, columns)
    outputs, made = _output_sets(flow)
    return Space(
        problem=problem,
        lattice=lattice,
        inside=lattice.inclusion(),
        stations=stations,
        segments=tuple(segments[one.device.name] for one in stations),
        rates=np.array([metrics.second(one.device) for one in stations]).reshape(len(stations), -1),
        passages=_passages(problem, (flow, metrics, columns), among, stations, optimistic),
        metrics=metrics,
        columns=columns,
        flow=flow,
        rest=_rest(problem, lattice, metrics, stations),
        weights=weights,
        alive=_alive(problem, lattice, columns, stations),
        headroom=1 + problem.headroom,
        start=_start(problem, metrics, columns),
        made=made,
        outputs=outputs,
        home=_homes(flow, outputs),
    )


def _legal_only(problem: Problem, lattice: Lattice) -> Lattice:
    keep = flow_of(problem, lattice).legal.copy()
    keep[[0, -1]] = True
    return lattice if keep.all() else lattice.keep(keep)


def _segments(
    problem: Problem, lattice: Lattice, stations: Sequence[Station], weights: WeightsOf, columns: Columns
) -> dict[DeviceId, Segments]:
    devices = {one.device.name: one.device for one in stations}
    return {
        name: segments_of(problem, lattice, device, weights, pairs=name not in columns.held)
        for name, device in devices.items()
    }


def _passages(
    problem: Problem,
    tables: tuple[Flow, Metrics, Columns],
    among: Kinds,
    stations: Sequence[Station],
    optimistic: bool,
) -> dict[tuple[int, int], Passage]:
    flow, metrics, columns = tables
    known: dict[HopKey, Crossings] = {}
    found: dict[tuple[int, int], Passage] = {}
    for index, station in enumerate(stations):
        for follower in station.followers:
            near, far = _ends(among, station, stations[follower])
            if (near, far) not in known:
                boundary = boundary_of(problem, near, far)
                known[near, far] = crossings_of(problem, flow, boundary, metrics, optimistic)
            again = not station.used and any(one.device.name == near for one in stations[index + 1 :])
            found[index, follower] = passage_of(known[near, far], metrics, columns, again)
    return found


def _ends(among: Kinds, station: Station, follower: Station) -> HopKey:
    """Return the devices at both ends: two of one kind, where the next is of the same kind."""
    if station.used and station.kind == follower.kind:
        return among[station.kind][0].name, among[station.kind][1].name
    return station.device.name, follower.device.name


def _rest(problem: Problem, lattice: Lattice, metrics: Metrics, stations: Sequence[Station]) -> Floats:
    """Return [D, sums]: what the layers outside each down-set add at least, each on the device that is best."""
    devices = list({one.device.name: one.device for one in stations}.values())
    rest = np.zeros((len(lattice), len(metrics.sums)))
    for column in range(len(metrics.sums)):
        least = np.full(lattice.sets.shape[1], np.inf)
        for device in devices:
            seconds = np.array(device.costs.layers, dtype=np.float64).reshape(least.shape)
            seconds = np.where(
                banned_layers(problem, device), np.inf, seconds * metrics.second(device)[column]
            )
            least = np.minimum(least, seconds)
        least = np.where(np.isinf(least), 0.0, least)  # nobody may run it: found out by the search
        rest[:, column] = ~lattice.sets @ least
    return np.asarray(rest * (1 - 1e-9))


def _alive(
    problem: Problem, lattice: Lattice, columns: Columns, stations: Sequence[Station]
) -> dict[int, Floats]:
    known = {
        name: pair_activations(lattice, activations(problem, problem.device(name)), range(len(lattice)))
        for name in columns.held
    }
    return {
        index: known[one.device.name] for index, one in enumerate(stations) if one.device.name in columns.held
    }


def _start(problem: Problem, metrics: Metrics, columns: Columns) -> Floats:
    entry = problem.devices[0]
    start = np.zeros(columns.count)
    start[: columns.sums] = entry.costs.overhead * metrics.second(entry)
    if columns.load != NONE:
        start[columns.load] = entry.costs.overhead
    return start


def _output_sets(flow: Flow) -> tuple[Bools, Rows]:
    """Return the distinct sets of outputs made by down-sets, the full one last, and which one each makes."""
    sets, made = np.unique(flow.outputs, axis=0, return_inverse=True)
    order = np.argsort(sets.sum(axis=1), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return sets[order], np.asarray(place[made.reshape(-1)], dtype=np.intp)


def _homes(flow: Flow, outputs: Bools) -> tuple[Floats, Floats]:
    """Return [D, output sets]: bytes of those of a set that are made behind a down-set, and whether any is."""
    missing = ~flow.outputs
    size = (missing * flow.sizes) @ outputs.T.astype(np.float64)
    count = missing.astype(np.float64) @ outputs.T.astype(np.float64)
    return size, (count > 0).astype(np.float64)
