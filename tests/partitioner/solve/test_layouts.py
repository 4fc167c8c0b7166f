"""What is a plan and what is none, what crosses where, and which way outputs go home."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve.layouts import crossing_tensors, homecoming, layout_of, stage_numbers
from partitioner.solve.problem import Layout, Problem
from partitioner.units import DeviceId, TensorName
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, device, diamond, problem

ORDER = (BOARD, GATE, CLOUD)


@pytest.fixture
def asked() -> Problem:
    return problem(diamond(), *(device(name, 1.0, 1.0, 1.0, 1.0) for name in ORDER))


def parts(*stages: set[int]) -> Layout:
    return Layout(ORDER[: len(stages)], tuple(frozenset(one) for one in stages))


def test_trailing_empty_stages_are_left_out_and_relays_stay() -> None:
    assert layout_of(ORDER, [0, 0, 0, 0]) == parts({0, 1, 2, 3})
    assert layout_of(ORDER, [0, 0, 1, 1]) == parts({0, 1}, {2, 3})
    assert layout_of(ORDER, [2, 2, 2, 2]) == parts(set(), set(), {0, 1, 2, 3})
    assert layout_of(ORDER, []) == Layout((BOARD,), (frozenset(),))


def test_stages_are_numbered(asked: Problem) -> None:
    assert stage_numbers(asked, parts({0, 2}, {1}, {3})).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (parts({0, 1}, {2}), "layer3 is in no stage"),
        (parts({0, 1}, {1, 2, 3}), "layer1 is in two stages"),
        (parts({0, 1, 2, 3, 4}), "which the graph|does not have"),
        (parts({0, 1, 3}, {2}), "layer3 would run in an earlier stage than layer2"),
        (parts({0, 1, 2, 3}, set()), "trailing empty stages"),
        (Layout((), ()), "one device a stage"),
        (Layout((GATE,), (frozenset(range(4)),)), "the entry board"),
        (Layout((BOARD, CLOUD), (frozenset({0}), frozenset({1, 2, 3}))), "asked for was"),
        (Layout((BOARD, DeviceId("gone")), (frozenset({0}), frozenset({1, 2, 3}))), "called gone"),
    ],
)
def test_what_is_no_plan_is_refused(asked: Problem, layout: Layout, words: str) -> None:
    with pytest.raises(InvalidProblem, match=words):
        stage_numbers(asked, layout)


def test_a_device_comes_again_only_where_it_was_asked_for(asked: Problem) -> None:
    again = Layout((BOARD, GATE, BOARD), (frozenset({0}), frozenset({1}), frozenset({2, 3})))
    assert stage_numbers(dataclasses.replace(asked, order=again.order), again).tolist() == [0, 1, 2, 2]
    with pytest.raises(InvalidProblem, match="one stage at most"):
        stage_numbers(dataclasses.replace(asked, order=None), again)


def test_pins_and_operators_that_are_lacked_are_kept(asked: Problem) -> None:
    layout = parts({0, 1}, {2, 3})
    pinned = dataclasses.replace(asked, pins={2: BOARD})
    with pytest.raises(InvalidProblem, match="layer2 is pinned to device board"):
        stage_numbers(pinned, layout)
    lacking = dataclasses.replace(asked.devices[1], lacks=frozenset({3}))
    asked = dataclasses.replace(asked, devices=(asked.devices[0], lacking, asked.devices[2]))
    with pytest.raises(InvalidProblem, match="gate lacks an operator of layer layer3"):
        stage_numbers(asked, layout)


def test_a_tensor_crosses_each_boundary_once_up_to_its_last_consumer(asked: Problem) -> None:
    found = crossing_tensors(asked, stage_numbers(asked, parts({0}, {1}, {2, 3})), 2)
    assert [[one.name for one in tensors] for tensors in found] == [["a"], ["a", "b"]]


def test_what_must_stay_may_not_cross(asked: Problem) -> None:
    stays = dataclasses.replace(asked, stay=frozenset({TensorName("a")}))
    with pytest.raises(InvalidProblem, match="tensor a must not leave device board"):
        crossing_tensors(stays, stage_numbers(asked, parts({0}, {1, 2, 3})), 1)
    later = stage_numbers(asked, parts({0, 1, 2}, {3}))
    assert [one.name for one in crossing_tensors(stays, later, 1)[0]] == ["b", "c"]


def test_outputs_go_home_to_the_latest_stage_of_the_entry() -> None:
    assert list(homecoming(ORDER, 2)) == [0, 1]
    assert list(homecoming((BOARD, CLOUD, BOARD, GATE), 3)) == [2]
    assert list(homecoming((BOARD, CLOUD, BOARD), 2)) == []
    assert list(homecoming(ORDER, 0)) == []
