"""Devices that are alike, and the orders that a plan may take through devices: a graph of stations.

Law: combinatorics over the devices of a problem; no cost is added up here. Two devices are of one *kind* only when
nothing tells them apart: equal costs, codecs, memory, watts, lacks, no pin to either, equal hops to and from every
third device, and equal hops between the two. (Equal profiles are not enough: a link may differ.) The relation is
an equivalence, so a plan may swap them for free, and only how many of a kind are used needs remembering.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from partitioner.solve.problem import Device, Problem
from partitioner.units import DeviceId

MOST_STATIONS = 600  # multisets of kinds, times the last kind


@dataclass(frozen=True)
class Station:
    """A stage in a search: which devices were used so far, and which one is now.

    Attributes:
        device: the one that the stage runs on (any of its kind).
        kind: index of its kind; the entry's is 0.
        used: how many of each kind are used, this one included. With a given order it is empty.
        stage: number of the stage.
        followers: indices of stations that may come next.
    """

    device: Device
    kind: int
    used: tuple[int, ...]
    stage: int
    followers: tuple[int, ...]


def kinds(problem: Problem) -> tuple[tuple[Device, ...], ...]:
    """Return the devices by kind; the entry, alone, is the first."""
    found: list[list[Device]] = [[problem.devices[0]]]
    for device in problem.devices[1:]:
        for kind in found[1:]:
            if _alike(problem, kind[0], device):
                kind.append(device)
                break
        else:
            found.append([device])
    return tuple(tuple(kind) for kind in found)


def stations(problem: Problem, among: Sequence[Sequence[Device]]) -> tuple[Station, ...] | None:
    """Return the stations in the order that a search may visit them, or None when they are more than the bound.

    `among` are the kinds to choose from when the problem gives no order.
    """
    if problem.order is not None:
        return _given(problem, problem.order)
    sizes = [len(kind) for kind in among]
    keys: list[tuple[tuple[int, ...], int]] = [((1,) + (0,) * (len(among) - 1), 0)]
    index = {keys[0]: 0}
    follows: list[list[int]] = []
    for used, last in keys:  # grows while it is read: breadth first
        follows.append([])
        for kind in _next(problem, among, used, last, sizes):
            key = (tuple(count + (one == kind) for one, count in enumerate(used)), kind)
            if key not in index:
                index[key] = len(keys)
                keys.append(key)
            follows[-1].append(index[key])
        if len(keys) > MOST_STATIONS:
            return None
    return tuple(
        Station(among[last][0], last, used, sum(used) - 1, tuple(after))
        for (used, last), after in zip(keys, follows, strict=True)
    )


def names_of(among: Sequence[Sequence[Device]], path: Sequence[Station]) -> tuple[DeviceId, ...]:
    """Return a device of its own for each station of `path`, of the station's kind."""
    if not path[0].used:
        return tuple(one.device.name for one in path)
    return tuple(among[one.kind][one.used[one.kind] - 1].name for one in path)


def _given(problem: Problem, order: Sequence[DeviceId]) -> tuple[Station, ...]:
    reach = 1
    while reach < len(order) and linked(problem, order[reach - 1], order[reach]):
        reach += 1
    return tuple(
        Station(problem.device(name), index, (), index, (index + 1,) if index + 1 < reach else ())
        for index, name in enumerate(order[:reach])
    )


def linked(problem: Problem, one: DeviceId, other: DeviceId) -> bool:
    """Return whether a boundary may lie between two devices: one and the same, or hops in both directions."""
    return one == other or ((one, other) in problem.hops and (other, one) in problem.hops)


def _next(
    problem: Problem,
    among: Sequence[Sequence[Device]],
    used: Sequence[int],
    last: int,
    sizes: Sequence[int],
) -> Iterator[int]:
    here = among[last]
    for kind in range(1, len(among)):
        if used[kind] >= sizes[kind]:
            continue
        pair = (here[0], here[1]) if kind == last else (here[0], among[kind][0])
        if linked(problem, pair[0].name, pair[1].name):
            yield kind


def _alike(problem: Problem, one: Device, other: Device) -> bool:
    return _same_costs(one, other) and not _pinned(problem, one, other) and _same_links(problem, one, other)


def _same_costs(one: Device, other: Device) -> bool:
    return all(
        getattr(one, field) == getattr(other, field)
        for field in (
            "costs",
            "codecs",
            "memory",
            "activations",
            "watts",
            "radio_watts",
            "lacks",
            "weight_bytes",
        )
    )


def _pinned(problem: Problem, one: Device, other: Device) -> bool:
    return not {one.name, other.name}.isdisjoint(problem.pins.values())


def _same_links(problem: Problem, one: Device, other: Device) -> bool:
    hops = problem.hops
    third = (device.name for device in problem.devices if device.name not in (one.name, other.name))
    return hops.get((one.name, other.name)) == hops.get((other.name, one.name)) and all(
        hops.get((one.name, name)) == hops.get((other.name, name))
        and hops.get((name, one.name)) == hops.get((name, other.name))
        for name in third
    )
