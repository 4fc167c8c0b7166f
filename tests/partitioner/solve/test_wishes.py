"""Wishes followed to where each layer may run."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.problem import CodecOption, Problem
from partitioner.solve.wishes import allowed_stages, restricted
from partitioner.units import Bytes, CodecName, TensorName
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, chain, device, diamond, problem


def line(**changes: object) -> Problem:
    """Five layers in a row; board, gate, cloud."""
    plain = problem(chain(1, 1, 1, 1, 1, 1), *(device(name, 0, 0, 0, 0, 0) for name in (BOARD, GATE, CLOUD)))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def ranges(asked: Problem) -> list[list[int]]:
    table = allowed_stages(asked, asked.order or ()).table
    return [[stage for stage, allowed in enumerate(row) if allowed] for row in table.tolist()]


def test_without_wishes_everything_may_run_everywhere() -> None:
    assert ranges(line()) == [[0, 1, 2]] * 5


def test_a_pin_bounds_what_is_before_and_behind_it() -> None:
    assert ranges(line(pins={2: GATE})) == [[0, 1], [0, 1], [1], [1, 2], [1, 2]]


def test_where_a_device_comes_twice_its_pin_leaves_a_hole() -> None:
    assert ranges(line(order=(BOARD, CLOUD, BOARD), pins={2: BOARD})) == [
        [0, 1, 2],
        [0, 1, 2],
        [0, 2],
        [0, 1, 2],
        [0, 1, 2],
    ]


def test_what_may_not_cross_holds_its_maker_and_consumers_together() -> None:
    held = line(stay=frozenset({TensorName("t2")}), pins={3: GATE})
    assert ranges(held) == [[0, 1], [0, 1], [1], [1], [1, 2]]


def test_a_tensor_that_no_allowed_codec_holds_does_not_cross_either() -> None:
    options = {TensorName("t0"): (CodecOption(CodecName("raw"), Bytes(1), allowed=False),)}
    assert ranges(line(options=options, pins={0: BOARD}))[:2] == [[0], [0]]


def test_an_input_that_is_kept_keeps_its_consumers() -> None:
    assert ranges(line(keep_input=True))[:2] == [[0], [0, 1, 2]]


def test_an_operator_that_a_device_lacks() -> None:
    devices = (device(BOARD, *[0] * 5), dataclasses.replace(device(GATE, *[0] * 5), lacks=frozenset({1})))
    lacking = line(devices=(*devices, device(CLOUD, *[0] * 5)))
    assert ranges(lacking) == [[0, 1, 2], [0, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]]


def test_the_earliest_and_the_latest_staging_are_feasible() -> None:
    allowed = allowed_stages(line(pins={2: GATE, 4: CLOUD}), (BOARD, GATE, CLOUD))
    assert allowed.earliest.tolist() == [0, 0, 1, 1, 2]
    assert allowed.latest.tolist() == [1, 1, 1, 2, 2]


def test_a_restriction_is_followed_too_or_found_impossible() -> None:
    asked = line()
    base = allowed_stages(asked, (BOARD, GATE, CLOUD))
    table = base.table.copy()
    table[2] = [False, True, False]
    narrower = restricted(asked, (BOARD, GATE, CLOUD), base, table)
    assert narrower is not None
    assert narrower.latest.tolist() == [1, 1, 1, 2, 2]
    table[2] = False
    assert restricted(asked, (BOARD, GATE, CLOUD), base, table) is None


def test_no_layers_are_no_trouble() -> None:
    empty = problem(dataclasses.replace(diamond(), layers=(), tensors=()), device(BOARD), device(CLOUD))
    assert allowed_stages(empty, (BOARD, CLOUD)).table.shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pins": {0: CLOUD, 3: BOARD}}, "pinned are layer layer0 to cloud, layer layer3 to board"),
        (
            {"pins": {0: CLOUD, 1: CLOUD, 2: CLOUD, 4: GATE}},
            "pinned are layer layer2 to cloud, layer layer4 to gate",
        ),
        (
            {"pins": {0: CLOUD}, "keep_input": True},
            "layer0 is pinned to cloud, and an input that must not leave",
        ),
        (
            {"pins": {2: GATE}, "order": (BOARD, CLOUD)},
            "pinned to gate, which runs no stage of board > cloud",
        ),
        ({"pins": {0: BOARD, 1: CLOUD}, "stay": frozenset({TensorName("t0")})}, "t0 must not cross"),
    ],
)
def test_contradictions_are_named(changes: dict[str, object], words: str) -> None:
    asked = line(**changes)
    with pytest.raises(NoFeasiblePlan, match=words):
        allowed_stages(asked, asked.order or ())


def test_an_operator_that_nobody_has_is_named() -> None:
    devices = tuple(
        dataclasses.replace(device(name, *[0] * 5), lacks=frozenset({3})) for name in (BOARD, GATE, CLOUD)
    )
    with pytest.raises(NoFeasiblePlan, match="no device has the operator of layer layer3"):
        allowed_stages(line(devices=devices), (BOARD, GATE, CLOUD))
