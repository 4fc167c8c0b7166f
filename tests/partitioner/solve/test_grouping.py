"""Contraction that loses nothing: colours, circles, free sources."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve.grouping import contract
from partitioner.solve.workload import Kind, Tensor, Workload


def test_colours_go_together_and_a_circle_between_colours_too() -> None:
    """0 -> 1 -> 2 -> 3, colours of 0 and 2 alike: 1 lies between them, so it must be with them."""
    groups = contract(workload(4, [(0, 1), (1, 2), (2, 3)], colours=(0, 1, 0, 2)))
    assert {frozenset(one) for one in groups.members} == {frozenset({0, 1, 2}), frozenset({3})}
    assert groups.needs == (0, 1)
    assert groups.times.tolist() == [[3.0, 1.0]]
    assert groups.spans == {0b11: 1.0}


def test_groups_come_in_topological_order() -> None:
    groups = contract(workload(4, [(3, 1), (1, 0), (3, 2), (2, 0)]))
    assert groups.members[0] == (3,)
    assert groups.members[-1] == (0,)
    assert groups.needs[-1] == 0b110


def test_a_free_source_joins_its_only_consumer() -> None:
    free = workload(3, [(0, 2), (1, 2)], times=(0.0, 1.0, 1.0))
    assert {frozenset(one) for one in contract(free).members} == {frozenset({0, 2}), frozenset({1})}


def test_free_sources_join_one_after_the_other() -> None:
    """Once 0 has joined 1, 1 is a free source itself."""
    free = workload(3, [(0, 1), (1, 2)], times=(0.0, 0.0, 1.0))
    assert contract(free).members == ((0, 1, 2),)


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": (Tensor(0, (1, 2), 1.0),)},  # two consumers that may be apart
        {"kinds": (Kind("k", 2, (0.5, 1.0, 1.0)),)},  # it costs time
        {"kinds": (Kind("k", 2, (0.0, 1.0, 1.0), frozenset({0})),)},  # what runs 1 cannot run it
        {"kinds": (Kind("k", 2, (0.0, 1.0, 1.0), capacity=2.5),)},  # no room for all
    ],
)
def test_a_source_that_is_not_free_stays(changes: dict[str, object]) -> None:
    plain = dataclasses.replace(
        workload(3, [(0, 1)], times=(0.0, 1.0, 1.0)),
        **changes,  # type: ignore[arg-type]
    )
    assert len(contract(plain).members) == 3


def test_what_tensors_of_one_group_cost_is_summed() -> None:
    groups = contract(workload(4, [(0, 2), (1, 3)], colours=(0, 0, 1, 1)))
    assert groups.spans == {0b11: 2.0}


def test_colours_of_the_backward_pass_alone_mirror_its_order() -> None:
    """Backward 2 -> 3 with forward 0 -> 1; 3's colour has no forward node: it comes before that of 2."""
    training = dataclasses.replace(
        workload(4, [(0, 1), (1, 2), (2, 3)], colours=(0, 1, 1, 7)), backward=frozenset({2, 3})
    )
    groups = contract(training)
    position = {node: index for index, one in enumerate(groups.members) for node in one}
    assert groups.needs[position[1]] >> position[3] & 1


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 0)], [(1, 1)]])
def test_a_circle_is_refused(edges: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidProblem, match="circle"):
        contract(workload(3, edges))


def workload(
    count: int, edges: list[tuple[int, int]], colours: tuple[int, ...] = (), times: tuple[float, ...] = ()
) -> Workload:
    tensors = tuple(Tensor(source, (sink,), 1.0) for source, sink in edges)
    return Workload((1.0,) * count, tensors, (Kind("k", 2, times or (1.0,) * count),), colours)
