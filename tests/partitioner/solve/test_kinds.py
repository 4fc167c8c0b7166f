"""Devices are of one kind only when costs and links are equal; then orders are counted once."""

from __future__ import annotations

import dataclasses

from partitioner.solve.kinds import kinds, names_of, stations
from partitioner.solve.problem import Hop, Problem
from partitioner.units import BytesPerSecond, DeviceId, Seconds
from tests.partitioner.solve.shapes import chain_of, problem_of


def slower(problem: Problem, one: str, other: str) -> Problem:
    hops = dict(problem.hops)
    hops[DeviceId(one), DeviceId(other)] = Hop(BytesPerSecond(1.0), Seconds(0.0), 1.0)
    return dataclasses.replace(problem, hops=hops)


def test_equal_devices_with_equal_links_are_of_one_kind() -> None:
    sizes = [len(kind) for kind in kinds(problem_of(chain_of(3), 1.0, 0.5, 0.5, 0.5))]
    assert sizes == [1, 3]


def test_the_entry_is_a_kind_of_its_own() -> None:
    assert [len(kind) for kind in kinds(problem_of(chain_of(3), 1.0, 1.0))] == [1, 1]


def test_one_slower_link_parts_a_kind() -> None:
    # PipeEdge's mistake: equal profiles are taken for equal devices, whatever their links.
    problem = problem_of(chain_of(3), 1.0, 0.5, 0.5)
    assert len(kinds(slower(problem, "d0", "d1"))) == 3
    assert len(kinds(slower(problem, "d1", "d2"))) == 3  # nor may the link between the two lean one way


def test_a_pin_parts_a_kind() -> None:
    problem = dataclasses.replace(problem_of(chain_of(3), 1.0, 0.5, 0.5), pins={1: DeviceId("d2")})
    assert len(kinds(problem)) == 3


def test_stations_count_multisets_not_permutations() -> None:
    problem = problem_of(chain_of(3), 1.0, *[0.5] * 6)
    found = stations(problem, kinds(problem))
    assert found is not None
    assert len(found) == 7  # the entry, then 1 to 6 of the kind
    names = names_of(kinds(problem), found)
    assert len(set(names)) == 7


def test_stations_are_bounded() -> None:
    problem = problem_of(chain_of(3), *[float(one) for one in range(1, 15)])
    assert stations(problem, kinds(problem)) is None


def test_a_missing_link_ends_a_given_order() -> None:
    problem = problem_of(chain_of(3), 1.0, 0.5, 0.5)
    hops = {key: hop for key, hop in problem.hops.items() if key != (DeviceId("d2"), DeviceId("d1"))}
    order = tuple(DeviceId(f"d{one}") for one in range(3))
    found = stations(dataclasses.replace(problem, hops=hops, order=order), kinds(problem))
    assert found is not None
    assert [one.device.name for one in found] == ["d0", "d1"]
